"""Detectors: modules from pixels in [0, 1] to logits (N, 2) [real, fake]. The door is `catalogue`.

Pixels are images (N, 3, H, W) or clips (N, T, 3, H, W).
"""
