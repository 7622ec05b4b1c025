"""The on/off lines of the bench: the gpiozero lines with the bench's own pin factory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivers.api import DriverKind, DriverSpec, Option
from drivers.bench.wire import WIRE_VERSION

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction, SafeOutput
    from drivers.gpio.lines import GpiozeroLines


def open_lines(*, socket: str) -> GpiozeroLines:
    """Open the lines of the bench at ``socket``. Raises ``DriverUnavailable``."""
    from drivers.bench.pin_factory import BenchFactory
    from drivers.gpio.lines import GpiozeroLines

    return GpiozeroLines(factory=BenchFactory(socket))


def safe_lines(options: Mapping[str, Any], outputs: Sequence[SafeOutput]) -> list[SafeAction]:
    """Return what drives ``outputs`` to their safe levels."""
    from drivers.api.safe import SafeSocket

    hello = json.dumps({"hello": WIRE_VERSION, "client": "outputs-safe"})
    writes = [json.dumps({"write": each.line, "level": int(each.active is each.active_high)}) for each in outputs]
    return [SafeSocket(path=str(options["socket"]), lines=(hello, write)) for write in writes]


SPEC = DriverSpec(
    name="bench",
    kind=DriverKind.LINES,
    target="drivers.bench.lines:open_lines",
    options=(Option(name="socket", type=str, required=True, help="the bench's pins socket, DIR/pins.sock"),),
    summary="On/off lines of a simulated station (charge-bench), through gpiozero",
    safe_lines=safe_lines,
)
