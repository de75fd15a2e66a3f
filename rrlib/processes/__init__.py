"""The commands of stages, each in a process of its own with its imports behind it, and limits of memory and time."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
