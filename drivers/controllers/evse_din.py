"""EVSE-DIN, EVSE-WB, SimpleEVSE: charge controllers on Modbus RTU (docs/drivers/evse-din.md).

Register map: evse-wb-din manual as used by openWB core ``modules/common/evse.py``, evcc ``charger/evsedin.go``
(function 16 for writes, status 1002, current 1000) and SimpleEVSE-WiFi. Not checked against a device of ours.
The controller has no communication watchdog that anybody knows of: what was written stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from drivers.api import DriverKind, DriverRejected, DriverSpec, Option
from drivers.api.controllers import (
    ControllerFault,
    ControllerOrder,
    ControllerReading,
    ControllerTraits,
    RegisterLine,
    SharedBus,
    VehicleState,
)
from drivers.api.safe import SafeAction
from drivers.controllers.modbus_frames import READ_HOLDING, NotThere
from drivers.controllers.polled import Polled, whole_steps

SET_CURRENT: Final = 1000  # A, or 0.01 A with bit 7 of CONFIG; 0 is off. Volatile
ACTUAL_CURRENT: Final = 1001
VEHICLE: Final = 1002
CABLE: Final = 1003
COMMAND: Final = 1004
FIRMWARE: Final = 1005
PILOT: Final = 1006
STATUS: Final = 1007
BOOT_CURRENT: Final = 2000  # offered after power-on, before anybody has written SET_CURRENT. Kept in EEPROM
CONFIG: Final = 2005

_BLOCK: Final = PILOT - SET_CURRENT + 1  # SimpleEVSE-WiFi reads these seven at once; 1007 is missing in old firmware
_TURN_OFF: Final = 0x01  # COMMAND bit 0: turn off charging now
_FINE_STEPS: Final = 0x80  # CONFIG bit 7, firmware 17 and later
_PILOT_PWM: Final = 2
_VEHICLES: Final = {1: VehicleState.A, 2: VehicleState.B, 3: VehicleState.C, 4: VehicleState.D}
_FAILURE: Final = 5
_RELAY: Final = 0x01
_STATUS_FAULTS: Final = (
    (0x02, ControllerFault.DIODE),
    (0x04, ControllerFault.VENTILATION),
    (0x20, ControllerFault.RCD),
)
_MAX_A: Final = 80


class EvseDin(Polled[RegisterLine]):
    """One controller on a shared bus."""

    def __init__(self, *, bus: SharedBus, unit: int, poll_s: float, boot_current_a: int) -> None:
        """Attach to ``bus``; see ``SPEC`` for the options."""
        # A refused read is asked again after LATE_S at the soonest, so one lost answer must not be taken for silence.
        super().__init__(ControllerTraits(stale_s=max(3.0, 4 * poll_s), obey_s=poll_s + 1.0), poll_s=poll_s)
        self._unit = unit
        self._boot_current_a = boot_current_a
        self._step_a: float | None = None
        self._missing: set[int] = set()  # registers that this firmware refuses
        self._several = True
        self._turned_off = False
        self._wake = bus.attach(self.turn)

    def close(self) -> None:
        """The bus goes on; what is ordered stays."""

    def _greet(self, line: RegisterLine) -> None:
        self._missing.clear()
        config = self._one(line, CONFIG)
        step_a = 0.01 if config is not None and config & _FINE_STEPS else 1.0
        if self._step_a not in (None, step_a):
            self._disobeyed()  # it was written in another unit
        self._step_a = step_a
        if self._boot_current_a < 0 or self._one(line, BOOT_CURRENT) in (None, self._boot_current_a):
            return
        with suppress(DriverRejected):  # not every firmware takes every value; it is read again at the next start
            self._write(line, BOOT_CURRENT, self._boot_current_a)

    def _obey(self, line: RegisterLine, order: ControllerOrder) -> None:
        if order.current_a is None:
            self._write(line, SET_CURRENT, 0)
            if order.at_once:
                with suppress(DriverRejected):  # the current is 0 already
                    self._write(line, COMMAND, _TURN_OFF)
                    self._turned_off = True
            return
        if self._step_a is None:
            self._greet(line)
        if self._turned_off:
            self._write(line, COMMAND, 0)
            self._turned_off = False
        self._write(line, SET_CURRENT, self._steps(order))

    def _look(self, line: RegisterLine) -> ControllerReading:
        block = line.read_registers(self._unit, READ_HOLDING, SET_CURRENT, _BLOCK)
        taken_s = monotonic()
        status = self._one(line, STATUS)
        self._turned_off = self._turned_off or bool(block[COMMAND - SET_CURRENT] & _TURN_OFF)
        if self._held is not None and block[0] != self._steps(self._held):
            self._disobeyed()
        return reading_of(block, status, step_a=self._step_a or 1.0, taken_s=taken_s)

    def _one(self, line: RegisterLine, address: int) -> int | None:
        """Return a register, ``None`` where this firmware has none."""
        if address in self._missing:
            return None
        try:
            return line.read_registers(self._unit, READ_HOLDING, address, 1)[0]
        except NotThere:
            self._missing.add(address)
            return None

    def _write(self, line: RegisterLine, address: int, value: int) -> None:
        try:
            line.write_register(self._unit, address, value, several=self._several)
        except NotThere:  # or its firmware knows the other function only
            line.write_register(self._unit, address, value, several=not self._several)
            self._several = not self._several

    def _steps(self, order: ControllerOrder) -> int:
        if order.current_a is None:
            return 0
        return whole_steps(min(order.current_a, _MAX_A), self._step_a or 1.0)


def reading_of(block: Sequence[int], status: int | None, *, step_a: float, taken_s: float) -> ControllerReading:
    """Return what registers 1000-1006 and 1007 (``None``: not there) say. Pure."""
    _, actual, vehicle, cable, _, firmware, pilot = block
    faults = [fault for bit, fault in _STATUS_FAULTS if status is not None and status & bit]
    if vehicle == _FAILURE and not faults:
        faults.append(ControllerFault.PILOT)
    return ControllerReading(
        taken_s=taken_s,
        vehicle=_VEHICLES.get(vehicle),
        offer_a=actual * step_a if pilot == _PILOT_PWM else 0.0,
        cable_a=float(cable) if 6 <= cable <= _MAX_A else None,
        contactor_closed=None if status is None else bool(status & _RELAY),
        faults=tuple(faults),
        firmware=str(firmware),
    )


def open_controller(*, bus: SharedBus, unit: int, poll_s: float, boot_current_a: int) -> EvseDin:
    """Open the controller on the guard's bus."""
    return EvseDin(bus=bus, unit=unit, poll_s=poll_s, boot_current_a=boot_current_a)


def _safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what writes 0 A and turns off. ``options`` are the driver's and the bus's."""
    from drivers.controllers.modbus_frames import write_register
    from drivers.controllers.safe_frames import to_bus

    zero = write_register(SET_CURRENT, 0, several=True)
    return [to_bus(options, options["unit"], [zero, write_register(COMMAND, _TURN_OFF, several=True)])]


SPEC = DriverSpec(
    name="evse-din",
    kind=DriverKind.CONTROLLER,
    target="drivers.controllers.evse_din:open_controller",
    options=(
        Option(name="bus", type=str, required=True, help="name of the bus, one of the [bus.NAME] tables"),
        Option(name="unit", type=int, default=1, minimum=1, maximum=247, help="Modbus address (register 2001)"),
        Option(
            name="poll_s", type=float, default=0.5, unit="s", minimum=0.2, maximum=2.0, help="time between two looks"
        ),
        Option(
            name="boot_current_a",
            type=int,
            default=0,
            unit="A",
            minimum=-1,
            maximum=80,
            help="what it shall offer by itself after power-on (register 2000, written where it differs); -1: as it is",
        ),
    ),
    safe=_safe,
    summary="EVSE-DIN, EVSE-WB, SimpleEVSE on Modbus RTU",
)
