"""The commands that a person runs by hand: no stage depends on this folder, so an edit here makes nothing stale."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
