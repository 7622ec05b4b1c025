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
from drivers.api.vehicle import StateOfCharge
from drivers.bench.car_charge import CarCharge
from drivers.bench.connection import acquire, release
from drivers.bench.wire import WIRE_VERSION, PilotSample, place_name

if TYPE_CHECKING:
    from drivers.api.safe import SafeAction

HELLO = {"hello": WIRE_VERSION, "client": "outputs-safe"}


class BenchPowerPath:
    """Pilot generator, pilot voltage and proximity contact of one EVSE of a running bench, or of one connector."""

    def __init__(self, *, socket: str, evse: int, connector: int = 1, soc: bool = False) -> None:
        """Connect; ``soc``: as a path that talks to the car, too.

        Writes nothing: the generator keeps what it was last told, by whomever.

        Raises:
            DriverUnavailable: no bench at ``socket``, or it has no such EVSE or connector.
        """
        self._place = place_name(evse, connector)
        self._charge = CarCharge(socket, evse) if soc else None
        self._connection = acquire(socket)
        self._written: tuple[int, PilotSignal] | None = None
        self._open = True
        self._sample: PilotSample | None = None
        self._proximity_ohm: float | None = None
        try:
            self._connection.check_place(self._place)
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
        self._connection.write_pilot(self._place, signal.mode.value, duty_pct)
        self._written = wanted

    def read(self) -> PowerPathReading:
        """Return what the contacts show now."""
        sample = self._connection.pilot(self._place)
        if sample is not self._sample:  # the page hands out the same one until it says something new
            self._sample = sample
            self._proximity_ohm = None if math.isnan(sample.proximity_ohm) else sample.proximity_ohm
        return PowerPathReading(sample.high_v, sample.low_v, self._proximity_ohm, time.monotonic())

    def state_of_charge(self) -> StateOfCharge | None:
        """See ``drivers.api.vehicle``: what the car's battery holds, where this path and the car talk of it."""
        if self._charge is None:
            return None
        self._connection.check_present()
        return self._charge.said()

    def close(self) -> None:
        """Leave. The generator keeps its setting."""
        if self._open:
            self._open = False
            release(self._connection)


def safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what puts the pilot of these options to F."""
    from drivers.api.safe import SafeSocket

    line = {
        "pilot": place_name(options["evse"], options.get("connector", 1)),
        "mode": PilotMode.STEADY_LOW.value,
        "duty_pct": 100.0,
    }
    return [SafeSocket(path=str(options["socket"]), lines=(json.dumps(HELLO), json.dumps(line)))]


SPEC = DriverSpec(
    name="bench",
    kind=DriverKind.POWER_PATH,
    target="drivers.bench.power_path:BenchPowerPath",
    options=(
        Option(name="socket", type=str, required=True, help="the bench's pins socket, DIR/pins.sock"),
        Option(name="evse", type=int, required=True, minimum=1, maximum=64, help="which EVSE of the bench"),
        Option(name="connector", type=int, default=1, minimum=1, maximum=4, help="which of its connectors"),
        Option(name="soc", type=bool, default=False, help="it talks to the car and knows its state of charge"),
    ),
    summary="Pilot and proximity of a simulated EVSE (charge-bench)",
    safe=safe,
    tells_soc=lambda options: options["soc"] is True,
)
