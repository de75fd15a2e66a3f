"""Detector, data set and attack to a result table; training. All that costs hours is here."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
