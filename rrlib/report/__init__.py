"""Numbers to figures, pages, executed notebooks and the book. Nothing here can make a table stale."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
