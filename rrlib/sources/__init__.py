"""Data sets and checkpoints that others published: the catalogue of them, and what brings one here, checked."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
