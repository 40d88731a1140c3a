"""What models of one recording answer to lines of the reviewer's checklist, whichever study compared them."""

from collections.abc import Mapping

from neurornn.encoding.score import EncodingScores
from neurornn.fit import EncodingFit


def answers(fits: Mapping[str, EncodingFit], scores: Mapping[str, EncodingScores]) -> dict[str, str]:
    """Return the lines that fits and scores of several models on the same bins fill, by key.

    Args:
        fits: by name of the model.
        scores: of the same models; the last one is what the others stand beside.
    """
    first, last = next(iter(fits.values())), list(scores.values())[-1]
    beside = list(scores)[:-1]
    known = {
        "choices": "Weights by the loss of validation bins, which are not those of the scores.",
        "units": f"{last.kept_text}.",
        "nulls": f"The mean rate of the training bins{''.join(f'; {name} on the same bins' for name in beside)}.",
        "matched": f"All models on the same {len(last.psth):,} held-out bins of {last.dt:g} ms.",
    }
    if first.split is not None:
        known["split"] = first.split.methods
    known["ceiling"] = last.ceiling.note or (
        f"Of each unit, from {last.ceiling.n_repeats} repeats of the stimulus: the best correlation with the mean "
        "response that any model of the stimulus can expect, with a jackknife interval over repeats."
    )
    return known
