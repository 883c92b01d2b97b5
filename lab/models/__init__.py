"""Models: weights or data on one side, denoisers on the other."""
