"""What some parts know of the vehicle itself: an optional capability of a power path or a bought controller.

A control pilot says nothing of a battery. A part that speaks ISO 15118 or DIN SPEC 70121 with the vehicle, or that has
such a modem, may know its state of charge; it then has the method below, and its ``DriverSpec.tells_soc`` says with
which options. A meter that knows it says so in ``MeterReading.soc_pct``.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable


class StateOfCharge(NamedTuple):
    """How full the vehicle's battery is.

    Attributes:
        soc_pct: percent of the battery, 0-100, as the vehicle says it.
        taken_s: monotonic time at which the vehicle, or the part that asked it, last said so.
    """

    soc_pct: float
    taken_s: float


@runtime_checkable
class TellsStateOfCharge(Protocol):
    """A power path or controller that may know the vehicle's state of charge."""

    def state_of_charge(self) -> StateOfCharge | None:
        """Return what the vehicle that is connected now said last, ``None`` while it has said nothing.

        Never blocks, never guesses: not from energy, not from what an earlier vehicle said. Raises ``DriverError``
        where it cannot be known now.
        """
