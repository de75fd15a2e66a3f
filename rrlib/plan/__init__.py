"""A dry run of a study: what is missing and how to get it, what would run, and what that costs. Nothing is made."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
