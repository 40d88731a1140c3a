"""Numbers of a lesion beside those of its matched controls."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurornn import _check
from neurornn.perturb.matching import LEAST


@dataclass(frozen=True, eq=False)
class AbstractBesideControls(ABC):
    """A result whose numbers are held against those of matched controls.

    Args:
        table: one row a quantity, as `against` makes it.
    """

    table: pd.DataFrame

    @property
    @abstractmethod
    def checklist(self) -> dict[str, str]:
        """What this says to lines of the reviewer's checklist, by key."""

    def frame(self) -> pd.DataFrame:
        """Return one row a quantity."""
        return self.table

    def value(self, quantity: str, column: str = "lesion") -> float:
        """Return one number of the table.

        Raises:
            ValueError: if there is no such row; the message names the near one.
        """
        known = dict(zip(self.table["quantity"].tolist(), self.table[column].tolist(), strict=True))
        if quantity not in known:
            _check.fail(type(self).__name__, "quantity", "in the table", quantity, _check.near(quantity, known))
        return float(known[quantity])


def against(quantity: str, intact: float, lesion: float, controls: Sequence[float]) -> dict[str, object]:
    r"""Return a row of a table: a number of the intact network, of the lesioned one, and of the controls.

    $$p = \frac{1 + \#\{|c - \bar c| \ge |x - \bar c|\}}{R + 1}, \qquad z = \frac{x - \bar c}{\mathrm{sd}(c)}$$

    Args:
        quantity: what it is.
        intact: of the intact network.
        lesion: $x$, of the lesioned one.
        controls: $c$; those that are NaN do not count.

    Returns:
        `quantity`, `intact`, `lesion`, `control` (mean), `low` and `high` (the middle 95 % of the controls), `z`, `p`
        (two-sided; NaN for fewer than 199 controls) and `controls`, how many there are.

    Example:
        >>> row = against("distance", 0.0, 3.0, [0.0, 1.0, 2.0])
        >>> row["control"], row["z"], row["controls"]
        (1.0, 2.0, 3)
    """
    null = np.asarray(controls, dtype=float)
    null = null[np.isfinite(null)]
    mean = float(null.mean()) if len(null) else np.nan
    low, high = np.quantile(null, [0.025, 0.975]) if len(null) else (np.nan, np.nan)
    spread = float(null.std(ddof=1)) if len(null) > 1 else np.nan
    sure = len(null) >= LEAST and np.isfinite(lesion)
    far = int((np.abs(null - mean) >= abs(lesion - mean)).sum())
    told = {"quantity": quantity, "intact": intact, "lesion": lesion, "control": mean, "low": low, "high": high}
    z = (lesion - mean) / spread if spread > 0 else np.nan
    return {**told, "z": z, "p": (1 + far) / (1 + len(null)) if sure else np.nan, "controls": len(null)}
