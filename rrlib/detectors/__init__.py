"""Detectors: modules from pixels (N, 3, H, W) in [0, 1] to logits (N, 2) [real, fake]. The door is `catalogue`."""
