"""Shares of whole numbers: as with decimal fractions, not with the floats nearest to them."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest

from evo_ensyth.shares import rounded_down, rounded_up


@pytest.mark.parametrize("n", [1, 7, 25, 50, 90, 100, 300, 1000])
def test_every_share_of_two_digits_is_rounded_as_by_hand(n):
    for hundredths in range(101):
        share, exact = hundredths / 100, Decimal(hundredths) / 100 * n
        assert rounded_down(share, n) == int(exact.to_integral_value(ROUND_FLOOR))
        assert rounded_up(share, n) == int(exact.to_integral_value(ROUND_CEILING))


def test_shares_that_floats_get_wrong():
    assert (rounded_down(0.29, 100), int(0.29 * 100)) == (29, 28)
    assert (rounded_up(0.28, 25), -int(-0.28 * 25 // 1)) == (7, 8)
