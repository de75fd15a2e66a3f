"""Robust ratio and robust accuracy of deepfake detectors under attack (Lyu, Jin, Das; arXiv 2412.09795)."""

__version__ = "0.1.0"
