"""Result tables to numbers: shares with intervals, comparisons, linearity, guardrails."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
