"""OpenEVSE controllers over RAPI on a serial port (docs/drivers/openevse.md).

"No current" is sleep (``$FS``): the lowest current that can be set is 6 A. Currents are set volatile (``$SC n V``),
since the other way wears the EEPROM. The heartbeat supervision (``$SY``) is switched on, so that a controller that no
longer hears us falls back to 6 A; that is no stop, and so "no current" is written on every way out all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from drivers.api import (
    DriverKind,
    DriverProtocolError,
    DriverRejected,
    DriverSpec,
    DriverTimeout,
    DriverUnavailable,
    Option,
)
from drivers.api.controllers import ControllerOrder, ControllerReading, ControllerTraits
from drivers.api.safe import SafeAction, SafeSerial
from drivers.controllers import rapi
from drivers.controllers.own_thread import OnOwnPort, Reopening
from drivers.controllers.polled import whole_steps

ANSWER_S: Final = 0.5  # OpenEVSE WiFi firmware's time-out
HEARTBEAT_FLOOR_A: Final = 6  # fallback current of $SY; less is not documented
_MISSED_PULSE: Final = "165"  # the word that acknowledges a missed pulse
_NO_SENSOR: Final = -2560
_SLOW_EVERY: Final = 10  # temperatures are asked for with every tenth look
_MOST_A: Final = 80
_NOBODY: Final = -1  # no answer is waited for


class OpenEvse(OnOwnPort):
    """One controller on a serial port of its own."""

    def __init__(self, *, port: str, baud: int, poll_s: float, heartbeat_s: int) -> None:
        """Start to talk; see ``SPEC`` for the options."""
        traits = ControllerTraits(stale_s=max(3.0, 4 * poll_s), obey_s=poll_s + 1.0)
        super().__init__(traits, poll_s=poll_s, port=port, baud=baud)
        self._heartbeat_s = heartbeat_s
        self._sequence = 0
        self._numbered: bool | None = None  # unknown until the first answer: firmware before 3.0 repeats no ids
        self._received = b""
        self._looks = 0
        self._temperature_c: float | None = None
        self._firmware: str | None = None
        self._begin("openevse")

    def _greet(self, line: Reopening) -> None:
        version = self._ask(line, "$GV")
        self._firmware = version.words[0] if version.words else None
        if self._heartbeat_s > 0:
            wanted = (str(self._heartbeat_s), str(HEARTBEAT_FLOOR_A))
            try:
                if self._ask(line, "$GY").words[:2] != wanted:
                    self._ask(line, f"$SY {' '.join(wanted)}")
            except DriverRejected:
                self._heartbeat_s = 0  # firmware without supervision

    def _obey(self, line: Reopening, order: ControllerOrder) -> None:
        if order.current_a is None:
            self._ask(line, "$FD" if order.at_once else "$FS")
            return
        amps = whole_steps(min(order.current_a, _MOST_A), 1.0)
        answer = self._ask(line, f"$SC {amps} V", refusable=True)
        held = answer.words[0] if answer.words else ""
        if int(held) > amps if held.isdigit() else not answer.accepted:
            raise DriverRejected(f"{line.path}: {amps} A was refused: {' '.join(answer.words)}")
        self._ask(line, "$FE")  # clipped to what its own limits allow, it holds less, and the order is obeyed

    def _look(self, line: Reopening) -> ControllerReading:
        state = rapi.state_of(self._ask(line, "$GS").words)
        if state is None:
            raise DriverProtocolError(f"{line.path}: the answer to $GS has no state")
        taken_s = monotonic()
        amps = self._capacity_a(line)
        held = self._held
        if held is not None and not self._holds(held, state, amps):
            self._disobeyed()
        if self._heartbeat_s > 0:
            self._pulse(line)
        if self._looks % _SLOW_EVERY == 0:
            self._temperature_c = self._temperature(line)
        self._looks += 1
        return self._reading_of(state, amps, taken_s)

    def _capacity_a(self, line: Reopening) -> float:
        """Return what the pilot signals, A; before firmware 5 what is set."""
        words = self._ask(line, "$GC").words[2:3] or self._ask(line, "$GE").words[:1]
        if not words or not words[0].isdigit():
            raise DriverProtocolError(f"{line.path}: the answer to $GC has no current")
        return float(words[0])

    def _holds(self, order: ControllerOrder, state: rapi.State, amps: float) -> bool:
        asleep = state.evse in (rapi.STATE_SLEEPING, rapi.STATE_DISABLED)
        if order.current_a is None:
            return asleep or bool(state.faults)
        return not asleep and amps <= order.current_a

    def _reading_of(self, state: rapi.State, amps: float, taken_s: float) -> ControllerReading:
        return ControllerReading(
            taken_s=taken_s,
            vehicle=state.vehicle,
            offer_a=amps if state.offers else 0.0,
            contactor_closed=None if state.flags is None else bool(state.flags & rapi.CHARGING_ON),
            faults=state.faults,
            temperature_c=self._temperature_c,
            firmware=self._firmware,
        )

    def _pulse(self, line: Reopening) -> None:
        try:
            self._ask(line, "$SY")
        except DriverRejected:  # a pulse was missed, and is to be acknowledged
            self._ask(line, f"$SY {_MISSED_PULSE}")

    def _temperature(self, line: Reopening) -> float | None:
        try:
            words = self._ask(line, "$GP").words
            found = [int(word) for word in words if int(word) != _NO_SENSOR]
        except (DriverRejected, ValueError):
            return None
        return max(found) / 10.0 if found else None

    def _ask(self, line: Reopening, text: str, *, refusable: bool = False) -> rapi.Answer:
        """Return the answer. Raises ``DriverError``, ``DriverRejected`` for ``$NK`` unless that is an answer, too."""
        try:
            answer = self._exchange(line, text)
        except DriverUnavailable:
            line.hang_up()
            raise
        if not answer.accepted and not refusable:
            raise DriverRejected(f"{line.path}: {text} was refused: $NK {' '.join(answer.words)}")
        return answer

    def _exchange(self, line: Reopening, text: str) -> rapi.Answer:
        port = line.get()
        self._take_unasked(port.read(0.0))
        self._sequence = self._sequence % 0xFF + 1
        sequence = None if self._numbered is False else self._sequence
        port.write(rapi.command(text, sequence))
        deadline_s = monotonic() + ANSWER_S
        while (left_s := deadline_s - monotonic()) > 0.0:
            answer = self._take_unasked(port.read(left_s), sequence)
            if answer is not None:
                return answer
        raise DriverTimeout(f"{line.path}: no answer to {text}")

    def _take_unasked(self, chunk: bytes, sequence: int | None = _NOBODY) -> rapi.Answer | None:
        """Take what came; return the answer with that sequence id, if it is among it."""
        lines, self._received = rapi.split_lines(self._received + chunk)
        found: rapi.Answer | None = None
        for line in lines:
            answer = rapi.answer_of(line)
            if answer is not None:
                if sequence != _NOBODY and self._numbered is None:
                    self._numbered = answer.sequence is not None
                if answer.sequence == (sequence if self._numbered else None):
                    found = answer
                continue
            told = rapi.told_state(line)
            if told is not None and self._reading is not None:
                self._reading = self._reading_of(*told, monotonic())
                self._look_s = 0.0
        return found


def open_controller(*, port: str, baud: int, poll_s: float, heartbeat_s: int) -> OpenEvse:
    """Open the controller; its port opens on its thread."""
    return OpenEvse(port=port, baud=baud, poll_s=poll_s, heartbeat_s=heartbeat_s)


def _safe(options: Mapping[str, Any]) -> list[SafeAction]:
    """Return what puts it to sleep; without a sequence id every firmware takes it."""
    return [SafeSerial(port=options["port"], baud=options["baud"], frames=(rapi.command("$FS", None),))]


SPEC = DriverSpec(
    name="openevse",
    kind=DriverKind.CONTROLLER,
    target="drivers.controllers.openevse:open_controller",
    options=(
        Option(name="port", type=str, required=True, help="device file, best one of /dev/serial/by-id"),
        Option(name="baud", type=int, default=115200, choices=(9600, 38400, 57600, 115200), help="speed"),
        Option(
            name="poll_s", type=float, default=0.5, unit="s", minimum=0.2, maximum=2.0, help="time between two looks"
        ),
        Option(
            name="heartbeat_s",
            type=int,
            default=10,
            unit="s",
            minimum=0,
            maximum=255,
            help="the controller falls back to 6 A when it hears nothing for so long; 0 switches that off",
        ),
    ),
    safe=_safe,
    summary="OpenEVSE over RAPI on a serial port",
)
