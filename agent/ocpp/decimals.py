"""Numbers that the standard counts in tenths, checked as decimals.

0.1 has no exact binary form, so a remainder in floating point refuses most valid values (``16.1 % 0.1`` is not 0).
"""

from __future__ import annotations

from decimal import Decimal


def is_in_tenths(number: float) -> bool:
    """Say whether the shortest decimal that stands for ``number`` has at most one digit after the point.

    That decimal is what a peer writes and what JSON would write again. False for NaN and the infinities.
    """
    exponent = Decimal(repr(number)).as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -1


def check_tenths(*numbers: float | None) -> None:
    """Check members of a message that have ``multipleOf 0.1``; ``None`` is an absent one.

    Raises:
        ValueError: one of them is finer than a tenth.
    """
    for number in numbers:
        if number is not None and not is_in_tenths(number):
            raise ValueError(f"{number!r} is not a multiple of 0.1")
