"""Drawn faces and forgeries of them: a data set that needs no download and shows nobody.

An identity in a scene is rendered (face), perhaps forged (forgery), photographed (camera) and written (write).
"""

from rrlib.datasets.synthetic.write import check, write

__all__ = ["check", "write"]
