"""Rules that move an input inside an L∞ ball, so that a detector errs or its probabilities shift."""

from rrlib.attacks.gradients import Clean
from rrlib.attacks.sweep import Attacked, check_epsilons, rule, sweep

__all__ = ["Attacked", "Clean", "check_epsilons", "rule", "sweep"]
