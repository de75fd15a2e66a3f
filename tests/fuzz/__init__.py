"""Valid files, damaged in every way that a seed can draw, given to the functions that read them.

A case passes if the file is read, or refused with one sentence of ours. `python -m tests.fuzz --help` runs more of it.
"""
