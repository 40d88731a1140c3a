"""What a lesion experiment leaves: effects, controls and doses, as a table and as numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from neurornn.perturb.matching import LARGE, Controls

RESAMPLES = 2000
"""Bootstrap samples of the trials for the confidence interval."""


@dataclass(frozen=True, eq=False)
class LesionTable:
    """The effect of a lesion, its matched controls and a dose-response curve.

    Effects are differences of the score from the intact run, in the unit of the score; harm is the effect turned so
    that worse is larger.

    Args:
        score_name: what the score measures, with its unit.
        higher_is_better: whether a larger score is better.
        perturbation: what was done to the units.
        units: the lesioned units.
        n_units: how many units the network has.
        intact: score of every trial without a lesion. Shape `(trial,)`.
        lesion: score of the same trials with it. Shape `(trial,)`.
        controls: the control sets and how well they match.
        control_scores: mean score over the same trials under each control. Shape `(control,)`.
        doses: one row a random lesion: `dose` (fraction of the units), `draw`, `n_units`, `units`, `score` (mean).
        seed: of the experiment.
    """

    score_name: str
    higher_is_better: bool
    perturbation: str
    units: tuple[int, ...]
    n_units: int
    intact: Float[np.ndarray, " trial"]
    lesion: Float[np.ndarray, " trial"]
    controls: Controls
    control_scores: Float[np.ndarray, " control"]
    doses: pd.DataFrame
    seed: int

    @property
    def effect(self) -> float:
        """Mean over trials of the paired difference, lesioned minus intact, in the unit of the score."""
        return float((self.lesion - self.intact).mean())

    @property
    def control_effects(self) -> Float[np.ndarray, " control"]:
        """The same for each control. Shape `(control,)`."""
        return self.control_scores - self.intact.mean()

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of the effect over trials: of this network, not over networks."""
        differences = self.lesion - self.intact
        rng = np.random.default_rng(self.seed)
        means = differences[rng.integers(len(differences), size=(RESAMPLES, len(differences)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(low), float(high)

    @property
    def p(self) -> float:
        """One-sided p: how often a control does as much harm, the lesion itself counted; NaN without controls."""
        if not len(self.control_scores):
            return float("nan")
        as_bad = int(np.count_nonzero(self._harm(self.control_effects) >= self._harm(self.effect)))
        return (1 + as_bad) / (len(self.control_scores) + 1)

    @property
    def z(self) -> float:
        """Harm above the mean control, in standard deviations of the controls; NaN where these do not differ."""
        harms = self._harm(self.control_effects)
        if len(harms) < 2 or harms.std(ddof=1) == 0:
            return float("nan")
        return float((self._harm(self.effect) - harms.mean()) / harms.std(ddof=1))

    @property
    def curve(self) -> pd.DataFrame:
        """Dose-response: for each dose the mean and standard deviation of the effect over draws."""
        table = self.doses.assign(effect=self.doses["score"] - self.intact.mean())
        grouped = table.groupby("dose")["effect"]
        return pd.DataFrame({"effect": grouped.mean(), "sd": grouped.std(ddof=0), "n": grouped.size()}).reset_index()

    @property
    def half_dose(self) -> float:
        """Fraction of units at which harm first reaches half of that of the largest dose, linear between doses.

        NaN where the largest dose does no harm.
        """
        doses, harm = self._harms()
        if len(doses) < 2 or harm[-1] <= 0:
            return float("nan")
        above = int(np.argmax(harm >= harm[-1] / 2))
        if above == 0:
            return float(doses[0])
        share = (harm[-1] / 2 - harm[above - 1]) / (harm[above] - harm[above - 1])
        return float(doses[above - 1] + share * (doses[above] - doses[above - 1]))

    @property
    def area(self) -> float:
        """Area under the curve of harm over dose, as a share of full harm at every dose; 0.5 for a straight line.

        NaN where the largest dose does no harm.
        """
        doses, harm = self._harms()
        if len(doses) < 2 or harm[-1] <= 0:
            return float("nan")
        return float(np.trapezoid(harm, doses) / (harm[-1] * (doses[-1] - doses[0])))

    @property
    def methods(self) -> str:
        """What was done, in a few sentences."""
        n_controls, match = len(self.control_scores), self.controls.frame()
        text = (
            f"{self.perturbation} of {len(self.units)} of {self.n_units} units; effect = mean over {len(self.intact)} "
            f"trials of the paired difference in {self.score_name}, same trials and noise; interval: bootstrap over "
            f"trials ({RESAMPLES} samples)."
        )
        if n_controls and self.controls.overlap:
            text += (
                f" Null: {n_controls} distinct random sets of as many units of the whole network, lesioned ones among "
                f"them; p = (1 + controls at least as harmful) / (R + 1)."
            )
        elif n_controls:
            names = ["number", *match["feature"]]
            worst = float(np.abs(match["gap"].to_numpy(dtype=float)).max(initial=0.0))
            text += (
                f" Null: {n_controls} distinct random sets of other units matched on {', '.join(names)} "
                f"(nearest neighbours in z-scores; largest standardised gap {worst:.2f}"
                f"{', a poor match' if worst > LARGE else ''}); p = (1 + controls at least as harmful) / (R + 1)."
            )
            if n_controls < self.controls.asked:
                text += f" No more than {n_controls} of the {self.controls.asked} sets asked for were found."
        if len(self.doses):
            draws = int(self.doses["draw"].to_numpy(dtype=int).max()) + 1
            text += f" Dose-response: random sets of all units, {draws} draws a dose."
        return text

    @property
    def references(self) -> tuple[str, ...]:
        """DOIs of the methods."""
        return ("10.1038/s41593-018-0310-2", "10.2202/1544-6115.1585", "10.1214/09-STS313")

    @property
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""
        trials, n_controls = len(self.intact), len(self.control_scores)
        text = f"{self.perturbation} of {len(self.units)} of {self.n_units} units: {self.effect:+.3g} {self.score_name}"
        known = {"interval": f"95 % bootstrap over {trials} trials of one network: no replication over networks."}
        if n_controls:
            known["nulls"] = f"{n_controls} matched random sets of other units, same trials and noise."
            text += f", p = {self.p:.2g} of {n_controls} matched controls"
        return known | {"generalisation": f"{text}."}

    def frame(self) -> pd.DataFrame:
        """Return one row a run: `kind` (intact, lesion, control, dose), `draw`, `dose`, the units, `score`, `effect`.

        Scores are means over trials; effects are differences from the intact run.
        """
        one = len(self.units) / self.n_units
        rows = [("intact", 0, 0.0, (), self.intact.mean()), ("lesion", 0, one, self.units, self.lesion.mean())]
        rows += [
            ("control", draw, one, tuple(int(u) for u in units), score)
            for draw, (units, score) in enumerate(zip(self.controls.sets, self.control_scores, strict=True))
        ]
        columns = [self.doses[name].tolist() for name in ("draw", "dose", "units", "score")]
        rows += [("dose", *row) for row in zip(*columns, strict=True)]
        table = pd.DataFrame(rows, columns=["kind", "draw", "dose", "units", "score"])
        table.insert(3, "n_units", [len(units) for units in table["units"]])
        return table.assign(effect=table["score"] - self.intact.mean())

    def summary(self) -> pd.DataFrame:
        """Return the numbers of the experiment: `quantity` and `value`."""
        low, high = self.interval
        values = {
            "intact score": float(self.intact.mean()),
            "lesioned score": float(self.lesion.mean()),
            "effect": self.effect,
            "effect, lower 95 %": low,
            "effect, upper 95 %": high,
            "mean effect of controls": float(self.control_effects.mean()) if len(self.control_scores) else float("nan"),
            "z against controls": self.z,
            "p against controls": self.p,
            "controls": float(len(self.control_scores)),
            "half-effect dose": self.half_dose,
            "area under dose-response": self.area,
        }
        return pd.DataFrame({"quantity": list(values), "value": list(values.values())})

    def _harm(self, effect: "float | np.ndarray") -> "np.ndarray":
        return np.asarray(-effect if self.higher_is_better else effect)

    def _harms(self) -> tuple[np.ndarray, np.ndarray]:
        curve = self.curve
        return curve["dose"].to_numpy(dtype=float), self._harm(curve["effect"].to_numpy(dtype=float))
