"""Labelled faces: drawn here or read from files, described by a manifest, opened split by split."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
