"""Phoenix Contact charge controllers: EM-CP-PP-ETH, EV-CC-AC1, CHARX control (docs/drivers/phoenix.md).

"No current" is the enable bit taken back: the current register takes nothing below 6 A. None of them is known to have a
communication watchdog that can be relied on: what was written stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from drivers.api import DriverKind, DriverRejected, DriverSpec, Option, OptionProblem
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
from drivers.api.vehicle import StateOfCharge
from drivers.controllers.modbus_frames import READ_COILS, READ_HOLDING, READ_INPUT, NotThere
from drivers.controllers.phoenix_models import MODELS, Model
from drivers.controllers.polled import Polled, whole_steps

CHARGE_EVERY_S: Final = 5.0  # a battery fills slowly, and the line has other things to do; house rule
_CONNECTED: Final = (VehicleState.B, VehicleState.C, VehicleState.D)
_NO_CABLE: Final = (0, 0xFFFF)  # PP open; PP shorted to PE


class Phoenix(Polled[RegisterLine]):
    """One controller on a shared bus, serial or TCP."""

    def __init__(self, *, bus: SharedBus, model: Model, unit: int, connector: int, poll_s: float, tenths: bool) -> None:
        """Attach to ``bus``; see ``SPEC`` for the options."""
        # Several small reads make a look, and a refused one is repeated a second later.
        super().__init__(ControllerTraits(stale_s=max(3.0, 4 * poll_s), obey_s=poll_s + 1.5), poll_s=poll_s)
        self._model = model
        self._unit = unit
        self._offset = model.stride * connector
        self._step_a = 0.1 if tenths else 1.0
        self._function = model.function
        self._missing: set[int] = set()
        self._charge: StateOfCharge | None = None
        self._charge_due_s = 0.0
        self._wake = bus.attach(self.turn)

    def state_of_charge(self) -> StateOfCharge | None:
        """See ``drivers.api.vehicle``; only a CHARX with a modem for ISO 15118 knows it."""
        return self._charge

    def close(self) -> None:
        """The bus goes on; what is ordered stays."""

    def _greet(self, line: RegisterLine) -> None:
        self._missing.clear()
        for must in self._model.must:
            address = must.address + self._offset
            try:
                held = line.read_registers(self._unit, READ_HOLDING, address, 1)[0]
            except NotThere:
                continue  # firmware without this setting obeys without it
            if held != must.value:
                raise DriverRejected(
                    f"register {address} holds {held}, expected {must.value} ({must.means}): set it on the controller"
                )

    def _obey(self, line: RegisterLine, order: ControllerOrder) -> None:
        if order.current_a is not None:
            current = self._steps(order.current_a)
            several = self._model.enable_is_register
            line.write_register(self._unit, self._model.current + self._offset, current, several=several)
        self._enable(line, order.current_a is not None)

    def _enable(self, line: RegisterLine, on: bool) -> None:
        address = self._model.enable + self._offset
        if self._model.enable_is_register:
            line.write_register(self._unit, address, int(on), several=True)
        else:
            line.write_coil(self._unit, address, on)

    def _look(self, line: RegisterLine) -> ControllerReading:
        model = self._model
        try:
            status = self._one(line, model.status)
        except NotThere:  # the serial manual and evcc differ in the table of these registers
            self._function = READ_INPUT if self._function == READ_HOLDING else READ_HOLDING
            status = self._one(line, model.status)
        taken_s = monotonic()
        enabled = self._enabled(line)
        current_a = line.read_registers(self._unit, READ_HOLDING, model.current + self._offset, 1)[0] * self._step_a
        held = self._held
        if held is not None and not self._holds(held, enabled=enabled, current_a=current_a):
            self._disobeyed()
        faults, state = self._faults(line), state_of(status, high=model.status_high)
        self._learn_charge(line, state)
        return ControllerReading(
            taken_s=taken_s,
            vehicle=state,
            offer_a=self._offer_a(line, enabled=enabled, current_a=current_a),
            cable_a=self._cable_a(line),
            faults=faults,
        )

    def _learn_charge(self, line: RegisterLine, state: VehicleState | None) -> None:
        """Ask for the state of charge now and then while a vehicle is there; 0, and more than 100, is unknown.

        That an idle register holds 0 is unverified; a battery that is really empty is not told then.
        """
        if state not in _CONNECTED:
            self._charge, self._charge_due_s = None, 0.0
            return
        now_s = monotonic()
        if self._model.soc is None or now_s < self._charge_due_s:
            return
        self._charge_due_s = now_s + CHARGE_EVERY_S
        soc_pct = self._optional(line, self._model.soc)
        known = soc_pct is not None and 0 < soc_pct <= 100
        self._charge = StateOfCharge(float(soc_pct or 0), now_s) if known else None

    def _holds(self, order: ControllerOrder, *, enabled: bool, current_a: float) -> bool:
        if order.current_a is None:
            return not enabled
        return enabled and round(current_a / self._step_a) == self._steps(order.current_a)

    def _enabled(self, line: RegisterLine) -> bool:
        address = self._model.enable + self._offset
        if self._model.enable_is_register:
            return line.read_registers(self._unit, READ_HOLDING, address, 1)[0] != 0
        return line.read_bits(self._unit, READ_COILS, address, 1)[0]

    def _offer_a(self, line: RegisterLine, *, enabled: bool, current_a: float) -> float:
        model = self._model
        if model.duty is None or model.duty_current is None:
            return current_a if enabled else 0.0
        duty_pct, signalled_a = self._optional(line, model.duty), self._optional(line, model.duty_current)
        if duty_pct is None or signalled_a is None:
            return current_a if enabled else 0.0
        return float(signalled_a) if 0 < duty_pct < 100 else 0.0

    def _cable_a(self, line: RegisterLine) -> float | None:
        cable = self._optional(line, self._model.cable)
        return None if cable is None or cable in _NO_CABLE else float(cable)

    def _faults(self, line: RegisterLine) -> tuple[ControllerFault, ...]:
        bits = self._optional(line, self._model.errors) or 0
        return tuple(dict.fromkeys(fault for bit, fault in self._model.faults if bits >> bit & 1))

    def _optional(self, line: RegisterLine, address: int | None) -> int | None:
        """Return a register that not every firmware has; ``None`` where it is refused, or the family has none."""
        if address is None or address in self._missing:
            return None
        try:
            return self._one(line, address)
        except NotThere:
            self._missing.add(address)
            return None

    def _one(self, line: RegisterLine, address: int) -> int:
        return line.read_registers(self._unit, self._function, address + self._offset, 1)[0]

    def _steps(self, current_a: float) -> int:
        return whole_steps(min(current_a, self._model.most_a), self._step_a)


def state_of(status: int, *, high: bool) -> VehicleState | None:
    """Return the state that a status register spells in ASCII, ``None`` for none of A to F."""
    letter = chr(status >> 8 if high else status & 0xFF)
    return VehicleState(letter) if letter in "ABCDEF" else None


def open_controller(
    *, bus: SharedBus, model: str, connector: int, poll_s: float, tenths: bool, unit: int | None = None
) -> Phoenix:
    """Open the controller on the guard's bus."""
    found = MODELS[model]
    return Phoenix(
        bus=bus,
        model=found,
        unit=found.unit if unit is None else unit,
        connector=connector,
        poll_s=poll_s,
        tenths=tenths,
    )


def _check(options: Mapping[str, Any]) -> list[OptionProblem]:
    model = MODELS[options["model"]]
    if options["connector"] > 1 and not model.stride:
        return [OptionProblem(option="connector", problem=f"{options['connector']} is only for charx")]
    if options["tenths"] and model.name != "ev-cc-eth":
        return [OptionProblem(option="tenths", problem="is only for ev-cc-eth")]
    return []


def _safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what takes the enable bit back. ``options`` are the driver's and the bus's."""
    from drivers.controllers import modbus_frames as frames
    from drivers.controllers.safe_frames import to_bus

    model = MODELS[options["model"]]
    address = model.enable + model.stride * options["connector"]
    if model.enable_is_register:
        request = frames.write_register(address, 0, several=True)
    else:
        request = frames.write_coil(address, False)
    return [to_bus(options, options.get("unit", model.unit), [request])]


SPEC = DriverSpec(
    name="phoenix",
    kind=DriverKind.CONTROLLER,
    target="drivers.controllers.phoenix:open_controller",
    options=(
        Option(name="bus", type=str, required=True, help="name of the bus, one of the [bus.NAME] tables"),
        Option(name="model", type=str, required=True, choices=tuple(MODELS), help="the family"),
        Option(name="unit", type=int, minimum=1, maximum=255, help="Modbus address; none: the family's own"),
        Option(
            name="connector", type=int, default=1, minimum=1, maximum=12, help="which controller behind a CHARX, from 1"
        ),
        Option(
            name="poll_s", type=float, default=0.5, unit="s", minimum=0.2, maximum=2.0, help="time between two looks"
        ),
        Option(
            name="tenths", type=bool, default=False, help="firmware whose current register counts tenths of an ampere"
        ),
    ),
    summary="Phoenix Contact EM-CP-PP-ETH, EV-CC-AC1, CHARX control",
    check=_check,
    safe=_safe,
    tells_soc=lambda options: MODELS[options["model"]].soc is not None,
)
