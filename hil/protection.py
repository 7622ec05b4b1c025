"""What watches over one EVSE of the world: residual current sensor with its test line, earth, door, tilt. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

from hil.agenda import Agenda

OUTPUTS: Final = ("rcd_test",)  # driven by the station
INPUTS: Final = ("rcm", "ground", "door", "tilt")  # read by the station
RCM_TRIP_S: Final = 0.3  # from the test line to the outputs of a typical 6 mA and 30 mA sensor
RCD_TRIP_S: Final = 0.5
RELEASE_S: Final = 0.4  # from the end of the test line


class SensorMode(Enum):
    """How the residual current sensor answers its test line; real currents are ``rcd`` and ``rcm`` of the bench."""

    OK = "ok"
    DEAD = "dead"  # its outputs never trip
    HALF = "half"  # only the 6 mA output does
    STUCK = "stuck"  # they do not let go


class Protection:
    """The lines of one EVSE. Each is active while true."""

    def __init__(self, agenda: Agenda, key: str) -> None:
        self._agenda = agenda
        self._key = f"{key}.sensor"
        self.rcm_tripped = False
        self.ground_missing = False
        self.door_open = False
        self.tilted = False
        self.mode = SensorMode.OK
        self.testing = False
        self._test_rcm = False
        self._test_rcd = False

    @property
    def rcd_by_test(self) -> bool:
        """Whether the 30 mA output is tripped by the test line."""
        return self._test_rcd

    def drive_test(self, active: bool, now_s: float) -> None:
        """Drive the sensor's test line."""
        if active is self.testing:
            return
        self.testing = active
        if active and self.mode is not SensorMode.DEAD:
            self._agenda.at(now_s + RCM_TRIP_S, f"{self._key}.rcm", self._trip_rcm)
            if self.mode is not SensorMode.HALF:
                self._agenda.at(now_s + RCD_TRIP_S, f"{self._key}.rcd", self._trip_rcd)
        if not active and self.mode is not SensorMode.STUCK:
            # An impulse that is over before the sensor has answered is answered all the same.
            self._agenda.at(now_s + max(RELEASE_S, RCD_TRIP_S), f"{self._key}.release", self._release)

    def set_mode(self, mode: SensorMode, now_s: float) -> None:
        """Break or mend the sensor; a mended one lets go."""
        self.mode = mode
        if mode is not SensorMode.STUCK and not self.testing:
            self._release(now_s)

    def levels(self) -> dict[str, bool]:
        """Return the level of every line, without the EVSE's name before it."""
        return {
            "rcd_test": self.testing,
            "rcm": self.rcm_tripped or self._test_rcm,
            "ground": self.ground_missing,
            "door": self.door_open,
            "tilt": self.tilted,
        }

    def _trip_rcm(self, now_s: float) -> None:
        self._test_rcm = True

    def _trip_rcd(self, now_s: float) -> None:
        self._test_rcd = True

    def _release(self, now_s: float) -> None:
        self._test_rcm = self._test_rcd = False
