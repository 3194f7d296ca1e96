"""Shares of whole numbers, exact for shares that are written as decimal fractions."""

import math
from fractions import Fraction


def rounded_down(share: float, n: int) -> int:
    """Largest whole number that is no more than ``share * n``: 29 for 0.29 of 100, which floats put below 29."""
    return math.floor(Fraction(str(float(share))) * n)


def rounded_up(share: float, n: int) -> int:
    """Smallest whole number that is no less than ``share * n``: 7 for 0.28 of 25, which floats put above 7."""
    return math.ceil(Fraction(str(float(share))) * n)
