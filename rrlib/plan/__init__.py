"""A dry run of a study: what is missing and how to get it, what would run, and what that costs. Nothing is made."""

from rrlib.plan.make import make
from rrlib.plan.remainder import write
from rrlib.plan.text import Plan, lines

__all__ = ["Plan", "lines", "make", "write"]
