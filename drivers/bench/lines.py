"""The on/off lines of the bench: the gpiozero lines with the bench's own pin factory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.api import DriverKind, DriverSpec, Option

if TYPE_CHECKING:
    from drivers.gpio.lines import GpiozeroLines


def open_lines(*, socket: str) -> GpiozeroLines:
    """Open the lines of the bench at ``socket``. Raises ``DriverUnavailable``."""
    from drivers.bench.pin_factory import BenchFactory
    from drivers.gpio.lines import GpiozeroLines

    return GpiozeroLines(factory=BenchFactory(socket))


SPEC = DriverSpec(
    name="bench",
    kind=DriverKind.LINES,
    target="drivers.bench.lines:open_lines",
    options=(Option(name="socket", type=str, required=True, help="the bench's pins socket, DIR/pins.sock"),),
    summary="On/off lines of a simulated station (charge-bench), through gpiozero",
)
