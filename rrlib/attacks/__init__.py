"""Rules that move an input inside an L∞ ball, so that a detector errs or its probabilities shift."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
