"""What a lesion experiment over several networks leaves: every number, and inference with the network as replicate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.stats import false_discovery_control, ttest_1samp

RESAMPLES = 2000
"""Samples of the hierarchical bootstrap."""

SATURATED = 0.95
"""Share of trials with the same best or worst score from which a condition counts as at its ceiling or floor."""


@dataclass(frozen=True, eq=False)
class LesionResults:
    """Lesions of several networks.

    Args:
        table: one row a network, difficulty, run and measure: `model`, `difficulty`, `kind` (intact, lesion, control,
            dose), `lesion`, `draw`, `units`, `dose` (fraction of units), `measure`, `value` (mean over trials) and
            `effect` (mean paired difference from the intact run).
        differences: intact and lesioned values of every trial, `(2, trial)`, one array a network, by difficulty, lesion
            and measure.
        perturbation: what was done.
        score_name: what the score measures.
        higher_is_better: whether a larger score is better.
        seed: of the bootstrap.
    """

    table: pd.DataFrame
    differences: Mapping[tuple[str, str, str], Sequence[Float[np.ndarray, "two _trial"]]]
    perturbation: str
    score_name: str
    higher_is_better: bool
    seed: int

    def frame(self) -> pd.DataFrame:
        """Return every number: one row a network, difficulty, run and measure."""
        return self.table

    def per_model(self) -> pd.DataFrame:
        """Return one row a network, difficulty, lesion and measure, with the controls of that network.

        Columns beside these: `effect`, `control` (mean effect of the controls), `excess` (effect less control), `z`,
        and `p` (two-sided: how often a control lies as far from their mean); NaN without controls.
        """
        rows = []
        keys = ["model", "difficulty", "lesion", "measure"]
        hit = self.table[self.table["kind"].isin(["lesion", "control"])]
        for key, part in hit.groupby(keys, sort=False):
            effect = float(part.loc[part["kind"] == "lesion", "effect"].iloc[0])
            null = part.loc[part["kind"] == "control", "effect"].to_numpy(dtype=float)
            null = null[~np.isnan(null)]
            mean = float(null.mean()) if len(null) else np.nan
            spread = float(null.std(ddof=1)) if len(null) > 1 else np.nan
            far = (1 + (np.abs(null - mean) >= abs(effect - mean)).sum()) / (1 + len(null)) if len(null) else np.nan
            z = (effect - mean) / spread if spread > 0 else np.nan
            rows.append((*key, effect, mean, effect - mean, z, far))  # type: ignore[misc]
        return pd.DataFrame(rows, columns=[*keys, "effect", "control", "excess", "z", "p"])

    def across(self) -> pd.DataFrame:
        """Return one row a difficulty, lesion and measure: the mean over networks, and how sure it is.

        Columns: `effect` with `low` and `high` (95 % of a hierarchical bootstrap: networks are drawn, then trials of
        each), `excess` over matched controls (NaN without), `p` (t-test over networks of the excess, or of the effect
        without controls; NaN for fewer than three networks) and `q` (false discovery rate over all rows), `models`.
        """
        single = self.per_model()
        rows = []
        for place, ((difficulty, lesion, measure), pairs) in enumerate(self.differences.items()):
            own = single[
                (single["difficulty"] == difficulty) & (single["lesion"] == lesion) & (single["measure"] == measure)
            ]
            excess = own["excess"].to_numpy(dtype=float)
            tested = excess if np.isfinite(excess).all() else own["effect"].to_numpy(dtype=float)
            low, high = self._interval(pairs, self.seed + place)
            varies = len(tested) > 2 and tested.std() > 0 and np.isfinite(tested).all()
            p = float(ttest_1samp(tested, 0.0).pvalue) if varies else np.nan
            mean = own["effect"].mean()
            rows.append((difficulty, lesion, measure, mean, low, high, excess.mean(), p, len(pairs)))
        columns = ["difficulty", "lesion", "measure", "effect", "low", "high", "excess", "p", "models"]
        table = pd.DataFrame(rows, columns=columns)
        known = table["p"].notna().to_numpy()
        q = np.full(len(table), np.nan)
        if known.any():
            q[known] = false_discovery_control(table.loc[known, "p"].to_numpy(dtype=float))
        table.insert(8, "q", q)
        return table

    def dose_response(self) -> pd.DataFrame:
        """Return one row a difficulty, measure and dose: mean effect over networks of the mean over draws.

        Columns beside these: `effect`, `sd` (over networks) and `models`.
        """
        drawn = self.table[self.table["kind"] == "dose"]
        means = drawn.groupby(["difficulty", "measure", "dose", "model"], as_index=False)["effect"].mean()
        grouped = means.groupby(["difficulty", "measure", "dose"])["effect"]
        return pd.DataFrame({"effect": grouped.mean(), "sd": grouped.std(), "models": grouped.size()}).reset_index()

    def saturated(self) -> pd.DataFrame:
        """Return one row a difficulty: whether the score leaves room for an effect.

        Columns: `difficulty`, `intact` (mean score), `best` and `worst` (share of intact trials with the best and the
        worst score of all), and `saturated` (one of the two above 0.95): there a lesion seems harmless.
        """
        rows = []
        for difficulty in dict.fromkeys(key[0] for key in self.differences):
            pairs = [
                each
                for (name, _, measure), all_of in self.differences.items()
                for each in all_of
                if name == difficulty and measure == "score"
            ]
            whole, before = np.concatenate([one.ravel() for one in pairs]), np.concatenate([one[0] for one in pairs])
            good, bad = (whole.max(), whole.min()) if self.higher_is_better else (whole.min(), whole.max())
            best, worst = float((before == good).mean()), float((before == bad).mean())
            full = max(best, worst) >= SATURATED
            rows.append((difficulty, float(before.mean()), best, worst, full))
        return pd.DataFrame(rows, columns=["difficulty", "intact", "best", "worst", "saturated"])

    @property
    def methods(self) -> str:
        """What was done, in a few sentences."""
        n_models = self.table["model"].nunique()
        n_controls = int((self.table["kind"] == "control").sum())
        return (
            f"{self.perturbation} in {n_models} trained networks, the replicates; score: {self.score_name}; every run "
            f"of a network on the same trials and noise; {n_controls} control rows of matched random sets; intervals: "
            f"hierarchical bootstrap of networks and their trials ({RESAMPLES} samples); p: t-test over networks of "
            f"the effect beyond its controls; q: Benjamini-Hochberg over lesions, difficulties and measures."
        )

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return ("10.51628/001c.13927", "10.2202/1544-6115.1585", "10.1111/j.2517-6161.1995.tb02031.x")

    def _interval(self, pairs: Sequence[np.ndarray], seed: int) -> tuple[float, float]:
        rng = np.random.default_rng(seed)
        shifts = [one[1] - one[0] for one in pairs]
        shifts = [one[~np.isnan(one)] for one in shifts]
        shifts = [one for one in shifts if len(one)]
        if not shifts:
            return float("nan"), float("nan")
        # Means of resampled trials of each network, of which networks are then drawn.
        means = np.stack([one[rng.integers(len(one), size=(RESAMPLES, len(one)))].mean(axis=1) for one in shifts])
        picked = rng.integers(len(means), size=(RESAMPLES, len(means)))
        drawn = means[picked, np.arange(RESAMPLES)[:, None]].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return float(low), float(high)
