"""When a heartbeat is due, and what time the CSMS says it is. Pure.

Any CALL of ours replaces a heartbeat, but one goes at least once in 24 h for the clock, and one a minute while nobody
knows the time of day.

Source: OCPP 1.6 §4.6, OCPP-J §5.3; OCPP 2.0.1 G02.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.model.variables import VariableBook

DAY_S: Final = 86_400.0
CLOCKLESS_INTERVAL_S: Final = 60.0
OWN_INTERVAL_S: Final = 300.0
EARLIEST_UTC_S: Final = 1_577_836_800.0  # 2020: a CSMS that says an earlier time does not know it


class HeartbeatClock:
    """The heartbeat's interval: what the CSMS said at registration, until the variable is changed."""

    def __init__(self, variables: VariableBook) -> None:
        self._variables = variables
        self._accepted_s = 0.0
        self._variable_then_s = 0
        self._last_call_s = 0.0
        self._last_heartbeat_s = 0.0

    def accepted(self, interval_s: float, now_s: float) -> float:
        """Take over the interval of a registration (0: none was given); return the one in use, s."""
        self._variable_then_s = self._variable_s()
        self._accepted_s = interval_s if interval_s > 0 else float(self._variable_then_s or OWN_INTERVAL_S)
        self._last_call_s = self._last_heartbeat_s = now_s
        return self._accepted_s

    def called(self, now_s: float, *, heartbeat: bool) -> None:
        """A CALL of ours left."""
        self._last_call_s = now_s
        if heartbeat:
            self._last_heartbeat_s = now_s

    def due_s(self, *, time_known: bool) -> float:
        """Return when the next heartbeat is due."""
        variable_s = self._variable_s()
        interval_s = self._accepted_s if variable_s == self._variable_then_s else float(variable_s or DAY_S)
        if not time_known:
            interval_s = min(interval_s, CLOCKLESS_INTERVAL_S)
        return min(self._last_call_s + interval_s, self._last_heartbeat_s + DAY_S)

    def _variable_s(self) -> int:
        return self._variables.integer("OCPPCommCtrlr", "HeartbeatInterval")


class TimeOfDay:
    """UTC of monotonic moments: the station's clock where it knows, else what the CSMS last said."""

    def __init__(self, utc: Callable[[], float | None]) -> None:
        self._utc = utc
        self._heard: tuple[float, float] | None = None

    @property
    def known(self) -> bool:
        """Return whether anybody knows the time."""
        return self._heard is not None or self._utc() is not None

    @property
    def station_knows(self) -> bool:
        """Return whether the station's own clock knows the time: facts wait for it."""
        return self._utc() is not None

    def heard(self, utc_s: float | None, now_s: float) -> bool:
        """Take note of what the CSMS said; return whether it can be true."""
        if utc_s is None or utc_s < EARLIEST_UTC_S:
            return False
        self._heard = (utc_s, now_s)
        return True

    def of(self, at_s: float, now_s: float) -> float | None:
        """Return the time of day of a monotonic moment; ``None`` while it is unknown."""
        utc_s = self._utc()
        if utc_s is not None:
            return utc_s - (now_s - at_s)
        return None if self._heard is None else self._heard[0] + (at_s - self._heard[1])
