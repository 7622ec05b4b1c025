"""OpenEVSE's RAPI on a serial line. Pure; written without the master's code.

Source: OpenEVSE/open_evse ``rapi_proc.h``.
"""

from __future__ import annotations

from typing import Final

from hil.bought_controller import BoughtController, ControllerMode

FIRMWARE: Final = "8.2.1"
_LEAST_A, _MOST_A = 6, 48
_STATES: Final = {"A": 0x01, "B": 0x02, "C": 0x03, "D": 0x04, "E": 0x07}
_SLEEPING, _DISABLED, _STUCK, _GFI, _DIODE = 0xFE, 0xFF, 0x08, 0x06, 0x05


class RapiController:
    """One OpenEVSE: ``feed`` takes what comes and returns what goes; ``notice`` tells a changed state unasked."""

    def __init__(self, controller: BoughtController, *, numbered: bool = True) -> None:
        """With ``numbered`` false it is firmware before 3.0, which repeats no sequence ids."""
        self.controller = controller
        self._numbered = numbered
        self._pending = b""
        self._capacity_a = 16
        self._awake = False
        self._disabled = False
        self._heartbeat = ("0", "0")
        self._told: tuple[int, ...] = ()
        controller.on_power_loss(self._forget)

    def feed(self, chunk: bytes) -> bytes:
        """Return the answers to the lines that ``chunk`` completes."""
        *lines, self._pending = (self._pending + chunk).split(b"\r")
        return b"".join(self._take(line.decode("ascii", errors="replace")) for line in lines)

    def notice(self) -> bytes:
        """Return the ``$AT`` line of a state that changed since the last call, ``b""`` for none."""
        now = (self._evse_state, self._pilot_state, self._flags)
        before, self._told = self._told, now
        if not before or now == before or self.controller.mode is ControllerMode.SILENT:
            return b""
        return self._line(f"$AT {now[0]:02X} {now[1]:02X} {self._capacity_a} {now[2]:04X}")

    def _forget(self) -> None:
        self._awake = self._disabled = False

    def _take(self, line: str) -> bytes:
        start = line.rfind("$")
        body, mark, given = line[start:].rpartition("^") if start >= 0 else ("", "", "")
        if not mark or given != f"{_xor(body):02X}" or self.controller.mode is ControllerMode.SILENT:
            return b""
        words = body.split()
        sequence = words.pop() if len(words) > 1 and words[-1].startswith(":") else None
        accepted, said = self._do(words[0][1:], words[1:])
        repeated = [sequence] if sequence is not None and self._numbered else []
        answer = " ".join(("$OK" if accepted else "$NK", *said, *repeated))
        return self._line(answer)

    def _line(self, body: str) -> bytes:
        checksum = _xor(body) ^ (0x55 if self.controller.mode is ControllerMode.GARBAGE else 0)
        return f"{body}^{checksum:02X}\r".encode("ascii")

    def _do(self, command: str, given: list[str]) -> tuple[bool, tuple[str, ...]]:
        match command:
            case "GV":
                return True, (FIRMWARE, "5.2.1")
            case "GS":
                return True, (f"{self._evse_state:02X}", "0", f"{self._pilot_state:02X}", f"{self._flags:04X}")
            case "GC":
                return True, (str(_LEAST_A), str(_MOST_A), str(self._capacity_a), str(_MOST_A))
            case "GP":
                return True, ("312", "-2560", "-2560")
            case "GY":
                return True, (*self._heartbeat, "0")
            case "SY":
                if len(given) == 2:
                    self._heartbeat = (given[0], given[1])
                return True, (*self._heartbeat, "0")
            case "SC":
                return self._set_capacity(int(given[0]))
            case "FE" | "FS" | "FD":
                self._set(awake=command == "FE", disabled=command == "FD")
                return True, ()
        return False, ()

    def _set_capacity(self, amps: int) -> tuple[bool, tuple[str, ...]]:
        within = min(max(amps, _LEAST_A), _MOST_A)
        if self.controller.mode is not ControllerMode.DISOBEY:
            self._capacity_a = within
            self._allow()
        return within == amps, (str(within),)

    def _set(self, *, awake: bool, disabled: bool) -> None:
        if self.controller.mode is ControllerMode.DISOBEY:
            return
        self._awake, self._disabled = awake, disabled
        if disabled:
            self.controller.turn_off()
        self._allow()

    def _allow(self) -> None:
        if self._awake:
            self.controller.allow(float(self._capacity_a))
        elif not self._disabled:
            self.controller.allow(0.0)

    @property
    def _evse_state(self) -> int:
        controller = self.controller
        if controller.stuck_closed:
            return _STUCK
        if controller.rcd_tripped:
            return _GFI
        if controller.evse.diode_shorted:
            return _DIODE
        if not self._awake:
            return _DISABLED if self._disabled else _SLEEPING
        return _STATES.get(controller.state, 0x00)

    @property
    def _pilot_state(self) -> int:
        return _STATES.get(self.controller.state, 0x00)

    @property
    def _flags(self) -> int:
        connected = self.controller.state in ("B", "C", "D")
        return self.controller.relay * 0x0040 | connected * 0x0100


def _xor(body: str) -> int:
    total = 0
    for character in body:
        total ^= ord(character)
    return total
