"""Labelled face images: drawn here or read from a folder, described by a manifest, opened through `catalogue`."""
