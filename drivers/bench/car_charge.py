"""What a simulated car says of its battery: a small file that the bench keeps beside its sockets, ``soc-N``."""

from __future__ import annotations

import time
from pathlib import Path

from drivers.api import DriverProtocolError
from drivers.api.vehicle import StateOfCharge


def charge_file(directory: Path, evse: int) -> Path:
    """Return the file of an EVSE: percent as text, or no file while its car says nothing."""
    return directory / f"soc-{evse}"


class CarCharge:
    """Reads the file; some microseconds, no more than once for a report."""

    def __init__(self, socket: str, evse: int) -> None:
        """Look beside the bench's ``socket``."""
        self._path = charge_file(Path(socket).parent, evse)

    def said(self) -> StateOfCharge | None:
        """Return what the car says now. Raises ``DriverProtocolError`` for a file that holds no number."""
        try:
            text = self._path.read_text(encoding="ascii")
            return StateOfCharge(float(text), time.monotonic())
        except FileNotFoundError:
            return None
        except ValueError as exc:
            raise DriverProtocolError(f"{self._path} holds no number: {exc}") from exc
