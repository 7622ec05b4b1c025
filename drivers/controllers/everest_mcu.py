"""Microcontroller boards of the EVerest family, Yeti first (docs/drivers/everest-mcu.md). Unverified on hardware.

The board measures the pilot, drives the relays and the lock, and closes only in state C with ``allow_power_on``; the
duty cycle is set from here. It reports by itself: state, relays, errors, cable and lock when they change, and a
keep-alive once a second; without ours for five seconds it stops by itself.

Source: EVerest everest-core YetiDriver (``yeti.proto``, ``evSerial.cpp``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from drivers.api import DriverError, DriverKind, DriverSpec, DriverTimeout, DriverUnavailable, Option
from drivers.api.controllers import (
    ControllerFault,
    ControllerOrder,
    ControllerReading,
    ControllerTraits,
    VehicleState,
)
from drivers.api.safe import SafeAction, SafeSerial
from drivers.controllers import mcu_frames as frames
from drivers.controllers.own_thread import OnOwnPort, Reopening
from drivers.controllers.serial_port import SerialPort

BAUD: Final = 115200
KEEP_ALIVE_S: Final = 1.0
LOST_S: Final = 5.0  # without a keep-alive from the board
STOP_S: Final = (
    6.0  # for the vehicle to stop before the relays open under load. IEC 61851-1:2017 table A.6, sequence 10
)
LISTEN_S: Final = 0.1
DUTY_X1: Final = 10000  # constant +12 V; hundredths of a percent
_MOST_A: Final = 80.0
_STATES: Final = tuple(VehicleState)  # A 0 ... F 5
_CABLE_A: Final = {1: 13.0, 2: 20.0, 3: 32.0, 4: 70.0}
_CABLE_FAULT: Final = 5
_LOCKED: Final = {1: False, 2: True}
_ERRORS: Final = {
    1: ControllerFault.DIODE,
    2: ControllerFault.RCD_TEST,
    3: ControllerFault.RCD,
    4: ControllerFault.VENTILATION,
    5: ControllerFault.LOCK,
    6: ControllerFault.PILOT,
    7: ControllerFault.OVER_CURRENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Numbers of the messages of one family. Towards the board, then from it; ``None``: it has no such message."""

    set_keep_alive: int = 100
    set_lock: int | None = 102
    set_duty: int = 103
    set_power_on: int = 104
    keep_alive: int = 3
    cp_state: int = 102
    relays: int = 103
    errors: int = 104
    cable: int | None = 106
    lock: int | None = 107


BOARDS: Final = {"yeti": Board(), "tida-010939": Board(set_lock=None, cable=None, lock=None)}


class EverestMcu(OnOwnPort):
    """One board on a serial port of its own."""

    def __init__(self, *, port: str, board: Board) -> None:
        """Start to talk; see ``SPEC`` for the options."""
        traits = ControllerTraits(stale_s=LOST_S, step_a=0.1, fails_safe=True, contactor_sensed=True)
        super().__init__(traits, poll_s=0.0, port=port, baud=BAUD)  # the wait for the board's next word is the pause
        self._board = board
        self._seen: dict[str, int | None] = {}
        self._faults: tuple[ControllerFault, ...] = ()
        self._firmware: str | None = None
        self._heard_s = 0.0
        self._kept_s = 0.0
        self._stop_s: float | None = None
        self._received = b""
        self._begin("everest mcu")

    def _greet(self, line: Reopening) -> None:
        """The board tells everything by itself."""

    def _obey(self, line: Reopening, order: ControllerOrder) -> None:
        board, port = self._board, self._port(line)
        if order.locked is not None and board.set_lock is not None:
            self._send(port, frames.field(board.set_lock, int(order.locked)))
        if order.current_a is None:
            self._send(port, frames.field(board.set_duty, DUTY_X1))
            self._stop_s = monotonic() + (0.0 if order.at_once else STOP_S)
            self._end_power(port)
            return
        self._stop_s = None
        self._send(port, frames.field(board.set_duty, duty_for(min(order.current_a, _MOST_A))))
        self._send(port, frames.field(board.set_power_on, 1))

    def _look(self, line: Reopening) -> ControllerReading:
        port = self._port(line)
        now_s = monotonic()
        if now_s - self._kept_s >= KEEP_ALIVE_S:
            self._send(port, frames.field(self._board.set_keep_alive, b""))
            self._kept_s = now_s
        try:
            chunk = port.read(LISTEN_S)
        except DriverUnavailable:
            self._lose(line)
            raise
        *whole, self._received = (self._received + chunk).split(b"\x00")
        self._received = self._received[-frames.FRAME_MAX :]
        for frame in whole:
            self._take(frame)
        self._end_power(port)
        now_s = monotonic()
        if now_s - self._heard_s > LOST_S:
            raise DriverTimeout(f"{line.path}: nothing heard for {LOST_S:g} s")
        newest = self._reading
        return newest if newest is not None and newest.taken_s == self._heard_s else self._reading_now()

    def _end_power(self, port: SerialPort) -> None:
        """Take the permission to close back once the vehicle has stopped, or its time is over."""
        if self._stop_s is None:
            return
        drawing = self._seen.get("cp_state") in (2, 3)
        if not drawing or monotonic() >= self._stop_s:
            self._send(port, frames.field(self._board.set_power_on, 0))
            self._stop_s = None

    def _take(self, frame: bytes) -> None:
        if not frame:
            return
        try:
            told = frames.fields_of(frames.from_frame(frame))
            board = self._board
            for number, name in ((board.cp_state, "cp_state"), (board.relays, "relays")):
                if number in told:
                    self._seen[name] = _number(told, number)
            for optional, name in ((board.cable, "cable"), (board.lock, "lock")):
                if optional is not None and optional in told:
                    self._seen[name] = _number(told, optional)
            if board.errors in told:
                flags = frames.fields_of(_bytes(told, board.errors))
                self._faults = tuple(
                    fault for number, fault in _ERRORS.items() if number in flags and flags[number][-1]
                )
            if board.keep_alive in told:
                self._greeting(frames.fields_of(_bytes(told, board.keep_alive)))
        except frames.FrameError:
            return  # noise, or another version's message: not heard
        self._heard_s = monotonic()

    def _greeting(self, told: frames.Fields) -> None:
        name = told.get(6, [b""])[-1]
        if isinstance(name, bytes) and name:
            self._firmware = name.decode("utf-8", errors="replace")

    def _reading_now(self) -> ControllerReading:
        seen = self._seen
        state, relays, cable = seen.get("cp_state"), seen.get("relays"), seen.get("cable")
        faults = self._faults
        if cable == _CABLE_FAULT:
            faults = (*faults, ControllerFault.PROXIMITY)
        return ControllerReading(
            taken_s=self._heard_s,
            vehicle=_STATES[state] if state is not None and state < len(_STATES) else None,
            offer_a=None,
            cable_a=None if cable is None else _CABLE_A.get(cable),
            contactor_closed=None if relays is None else bool(relays),
            locked=_LOCKED.get(seen.get("lock") or 0),
            faults=faults,
            firmware=self._firmware,
        )

    def _port(self, line: Reopening) -> SerialPort:
        try:
            return line.get()
        except DriverError:
            self._lose(line)
            raise

    def _send(self, port: SerialPort, message: bytes) -> None:
        try:
            port.write(frames.to_frame(message))
        except DriverUnavailable:
            self._lose(self._line)
            raise

    def _lose(self, line: Reopening) -> None:
        line.hang_up()
        self._seen.clear()
        self._held = None


def duty_for(current_a: float) -> int:
    """Return the duty cycle for ``current_a`` (6-80 A) in hundredths of a percent, rounded down.

    Source: IEC 61851-1:2017 Annex A, duty cycle and current; between 51 and 52.5 A there is none: 51 A is offered.
    """
    if current_a < 52.5:
        return int(min(current_a, 51.0) / 0.6 * 100.0 + 1e-6)
    return int((current_a / 2.5 + 64.0) * 100.0 + 1e-6)


def _number(told: frames.Fields, number: int) -> int | None:
    value = told[number][-1]
    return value if isinstance(value, int) else None


def _bytes(told: frames.Fields, number: int) -> bytes:
    value = told[number][-1]
    if not isinstance(value, bytes):
        raise frames.FrameError(f"field {number} is a number, expected a message")
    return value


def open_controller(*, port: str, model: str, lock: bool) -> EverestMcu:
    """Open the board; its port opens on its thread. ``lock`` is the agent's: whether there is a lock to drive."""
    return EverestMcu(port=port, board=BOARDS[model])


def _safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what ends the offer and takes the permission to close back."""
    board = BOARDS[options["model"]]
    messages = (frames.field(board.set_duty, DUTY_X1), frames.field(board.set_power_on, 0))
    return [SafeSerial(port=options["port"], baud=BAUD, frames=tuple(frames.to_frame(each) for each in messages))]


SPEC = DriverSpec(
    name="everest-mcu",
    kind=DriverKind.CONTROLLER,
    target="drivers.controllers.everest_mcu:open_controller",
    options=(
        Option(name="port", type=str, required=True, help="device file, best one of /dev/serial/by-id"),
        Option(name="model", type=str, default="yeti", choices=tuple(BOARDS), help="the board"),
        Option(name="lock", type=bool, default=False, help="the board drives a socket's lock"),
    ),
    safe=_safe,
    summary="Yeti and relatives of the EVerest family on a serial port (unverified)",
)
