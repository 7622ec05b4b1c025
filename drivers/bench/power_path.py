"""The power path of one EVSE on the bench."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drivers.api import (
    DriverKind,
    DriverRejected,
    DriverSpec,
    DriverUnavailable,
    Option,
    PilotMode,
    PilotSignal,
    PowerPathReading,
)
from drivers.bench.connection import acquire, release
from drivers.bench.wire import WIRE_VERSION, PilotSample

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction

HELLO = {"hello": WIRE_VERSION, "client": "outputs-safe"}


class BenchPowerPath:
    """Pilot generator, pilot voltage and proximity contact of one EVSE of a running bench."""

    def __init__(self, *, socket: str, evse: int) -> None:
        """Connect. Writes nothing: the generator keeps what it was last told, by whomever.

        Raises:
            DriverUnavailable: no bench at ``socket``, or it has no such EVSE.
        """
        self._evse = evse
        self._connection = acquire(socket)
        self._written: tuple[int, PilotSignal] | None = None
        self._open = True
        self._sample: PilotSample | None = None
        self._proximity_ohm: float | None = None
        try:
            self._connection.check_evse(evse)
        except DriverUnavailable:
            self.close()
            raise

    def set_pilot(self, signal: PilotSignal) -> None:
        """Put the generator into ``signal``; a repeated signal costs nothing."""
        if not 0.0 <= signal.duty_pct <= 100.0:
            raise DriverRejected(f"duty cycle {signal.duty_pct} % is outside 0-100 %")
        wanted = (self._connection.generation, signal)
        if wanted == self._written:
            return
        self._written = None
        duty_pct = signal.duty_pct if signal.mode is PilotMode.PWM else 100.0
        self._connection.write_pilot(self._evse, signal.mode.value, duty_pct)
        self._written = wanted

    def read(self) -> PowerPathReading:
        """Return what the contacts show now."""
        sample = self._connection.pilot(self._evse)
        if sample is not self._sample:  # the page hands out the same one until it says something new
            self._sample = sample
            self._proximity_ohm = None if math.isnan(sample.proximity_ohm) else sample.proximity_ohm
        return PowerPathReading(sample.high_v, sample.low_v, self._proximity_ohm, time.monotonic())

    def close(self) -> None:
        """Leave. The generator keeps its setting."""
        if self._open:
            self._open = False
            release(self._connection)


def safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what puts the pilot of these options to F."""
    from drivers.api.safe import SafeSocket

    line = {"pilot": options["evse"], "mode": PilotMode.STEADY_LOW.value, "duty_pct": 100.0}
    return [SafeSocket(path=str(options["socket"]), lines=(json.dumps(HELLO), json.dumps(line)))]


SPEC = DriverSpec(
    name="bench",
    kind=DriverKind.POWER_PATH,
    target="drivers.bench.power_path:BenchPowerPath",
    options=(
        Option(name="socket", type=str, required=True, help="the bench's pins socket, DIR/pins.sock"),
        Option(name="evse", type=int, required=True, minimum=1, maximum=64, help="which EVSE of the bench"),
    ),
    summary="Pilot and proximity of a simulated EVSE (charge-bench)",
    safe=safe,
)
