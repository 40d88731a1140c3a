"""Headings of the parts that studies and commands name."""

TITLES = {
    "claim": "The claim over seeds",
    "training": "Training",
    "tracking": "Does the network know where the animal is?",
    "beside": "Single units, brain beside model",
    "decoding": "What the population says",
    "compare": "Does the network predict the neurons?",
    "pruned": "What is left of a pruned network",
    "agreement": "Networks beside the animal, by every metric",
    "topology": "Fixed points, network beside network",
    "distributions": "Single-unit statistics, brain against model",
    "lesion": "Lesion",
    "reactivation": "Reactivation without input",
    "rest": "The animal at rest",
    "biased": "Reactivation after learning from a biased animal",
    "noiseless": "Reactivation after learning without noise",
    "uniform noise": "Reactivation after learning with uniform noise",
    "replay": "Replay in rest",
    "noise": "How much noise quiescence needs",
    "variability": "Where variability comes from",
    "targeted": "Targeted reactivation",
    "balanced": "A balanced network",
    "neuron": "A neuron under current clamp, and its models",
    "parity": "The same network here and in brian2",
    "quiet lesion": "Lesion in quiescence",
    "encoding": "What models predict of the neuron",
    "encoding_2": "The second recording",
    "lags": "Lag of the stimulus",
    "lags_2": "Lag of the stimulus, second recording",
    "place cell": "Place cell",
    "without a place": "A neuron without a place",
    "half-wave": "Half-wave subunits",
    "full-wave": "Full-wave subunits",
    "adaptation": "Contrast adaptation",
    "retina": "Responses of the retina",
    "whitenoise": "Trained on white noise",
    "naturalscene": "Trained on natural scenes",
    "co-smoothing": "Units that were not read, in blocks that were not seen",
    "constrained": "Neurons of laps that were not seen, by a network that runs by itself",
    "deviance": "The oddball",
    "sparing": "Spikes over a sequence",
    "economy": "What sequences cost",
    "foresight": "What the network foresees",
    "kinds": "Units that predict and units that err",
    "matrix": "Which task needs which units",
    "clusters": "Clusters of units by task variance",
    "lesion dynamics": "Dynamics before and after the lesion",
    "matched lesion": "Lesion, beside units that look like the lesioned ones",
}


def title_of(name: str) -> str:
    """Return the heading of a part: its own where it has one, else its name; what follows a colon stays.

    Example:
        >>> title_of("lesion: 0-9"), title_of("spare time")
        ('Lesion: 0-9', 'Spare time')
    """
    first, colon, rest = name.partition(":")
    return TITLES.get(first, first[:1].upper() + first[1:].replace("_", " ")) + colon + rest
