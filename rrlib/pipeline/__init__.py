"""dvc.yaml as DVC reads it: which stages are stale, and taking in what a stage made."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
