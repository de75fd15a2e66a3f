"""The stale stages of the study on many cores and machines, by Dask; what is stale is DVC's word."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
