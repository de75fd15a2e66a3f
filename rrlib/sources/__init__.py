"""Data sets and checkpoints that others published: the catalogue of them, and what brings one here, checked."""
