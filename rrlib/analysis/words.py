"""The words of a verdict, and what is needed for one."""

HOLDS, DOES_NOT_HOLD, UNDECIDED = "holds", "does not hold", "undecided"
ENOUGH_GROUPS = 20  # with fewer, "undecided" (design section 3)
