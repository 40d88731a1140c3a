"""Side-by-side timing of training steps, here and in other packages. Run by `python -m benchmarks`."""
