"""Detectors: modules from pixels in [0, 1] to logits (N, 2), [real, fake].

Pixels are images (N, 3, H, W) or clips (N, T, 3, H, W).
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
