"""Robust ratio and robust accuracy of deepfake detectors under attack (Lyu, Jin, Das; arXiv 2412.09795).

>>> import rrlib
>>> rrlib.robust_ratio.__module__
'rrlib.metrics.functional'
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
__version__ = "0.1.0"
