"""Card readers of the RDM6300 family on a serial port, 9600 8N1, which only ever send."""

from __future__ import annotations

from typing import Any

from drivers.api import DriverKind, DriverSpec
from drivers.rfid.conversation import NOTHING, Seen, Step
from drivers.rfid.frames import Rdm6300Frames
from drivers.rfid.serial_reader import SerialReader, for_reader, reader_options
from drivers.rfid.uid_form import form_of


class Rdm6300:
    """Listens: the reader repeats a frame about every 65 ms while a card stays."""

    baud = 9600  # fixed. RDM6300 data sheet

    def __init__(self) -> None:
        self._frames = Rdm6300Frames()

    def open(self, _now_s: float) -> Step:
        """Forget what the line said before."""
        self._frames = Rdm6300Frames()
        return NOTHING

    def receive(self, received: bytes, _now_s: float) -> Step:
        """Take bytes."""
        return Step(seen=tuple(Seen(bytes.fromhex(uid), received) for uid in self._frames.feed(received)))

    def pass_time(self, _now_s: float) -> Step:
        """Nothing here depends on time."""
        return NOTHING

    def due_s(self) -> float | None:
        """Return ``None``: only bytes matter."""
        return None


def open_reader(**options: Any) -> SerialReader:
    """Return a reader; its port is opened when a card is waited for."""
    return SerialReader(Rdm6300(), form=form_of(options), **for_reader(options))


SPEC = DriverSpec(
    name="rdm6300",
    kind=DriverKind.READER,
    target="drivers.rfid.rdm6300:open_reader",
    options=reader_options("Local"),
    summary="Card reader RDM6300, RDM630 or 7941E (125 kHz, EM4100 cards) on a serial port",
)
