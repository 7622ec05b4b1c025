"""The meter of the whole station, where there is one: it is read, judged, told and sampled, and decides nothing.

Its values are those of connector 0 (OCPP 1.6) or EVSE 0 (2.0.1): clock-aligned, or when the CSMS asks for them, never
with a transaction. A meter that is silent or not believed is a fault that blocks nothing; it has no values meanwhile.

Source: OCPP 1.6 §3.16.2, §4.7 and errata 3.16 (connectorId 0 is the main power meter); OCPP 2.0.1 J01.
"""

from __future__ import annotations

from typing import Final

from agent.charging.readings import Meter
from agent.charging.samples import Beside, provided_by, sample_of
from agent.charging.sampling import ClockGrid
from agent.charging.surroundings import Surroundings
from agent.charging.turn import Turn
from agent.model.effects import Record
from agent.model.facts import MetersSampled
from agent.model.faults import Fault, FaultCode
from agent.model.measurands import ALIGNED
from agent.model.moment import Stamp, moved
from agent.model.sample import Measurand, Sample, SampleContext
from agent.model.station import EvseLayout, MainMeterLayout
from drivers.api import MeterReading

MAIN: Final = 0  # in place of an EVSE's number, in both versions of OCPP


class MainMeter:
    """The main meter as the core knows it."""

    def __init__(self, layout: MainMeterLayout, around: Surroundings) -> None:
        """Know nothing yet."""
        self._around = around
        self._layout = EvseLayout(
            evse_id=MAIN,
            connector_ids=(MAIN,),
            max_current_a=layout.max_current_a,
            voltage_v=layout.voltage_v,
            lockable=False,
        )
        self.meter = Meter(self._layout)
        self._grid = ClockGrid(around.variables)
        self._since: MeterReading | None = None
        self._missed_s: float | None = None

    def take(self, reading: MeterReading, turn: Turn) -> None:
        """Judge a reading."""
        self.meter.take(reading, fixed=False)
        if self.meter.exchanged:
            turn.note("main_meter.base_changed", level="warning", text=self.meter.exchanged)
            self.meter.exchanged = ""

    def step(self, turn: Turn) -> None:
        """Bring its fault up to date and take the sample that is due now."""
        self._judge(turn)
        grid_utc_s = self._grid.due(turn.now)
        reading = self.fresh(turn.now_s)
        if grid_utc_s is None or reading is None or turn.now.utc_s is None:
            return
        at = moved(turn.now, turn.now_s - (turn.now.utc_s - grid_utc_s))  # the moment of the grid itself
        since, self._since = self._since, reading
        made = self._made(reading, at, SampleContext.CLOCK, self._around.variables.members(*ALIGNED), since)
        if made is not None:
            turn.add(Record(fact=MetersSampled(evse_id=MAIN, connector_id=MAIN, at=at, samples=(made,))))

    def sample(self, measurands: tuple[str, ...], now: Stamp) -> Sample | None:
        """Return the measurands of a fresh reading that was asked for; ``None`` without one."""
        reading = self.fresh(now.mono_s)
        if reading is None:
            return None
        return self._made(reading, moved(now, reading.taken_s), SampleContext.TRIGGER, measurands, None)

    def is_fresh(self, now_s: float) -> bool:
        """Return whether there is a reading that is still good."""
        return self.fresh(now_s) is not None

    def is_silent(self, now_s: float) -> bool:
        """Return whether there is none, and the last attempt to get one failed."""
        return self.meter.is_silent(now_s, self._around.layout.meter_stale_s)

    def fresh(self, now_s: float) -> MeterReading | None:
        """Return the newest believed reading unless it is too old."""
        return self.meter.fresh(now_s, self._around.layout.meter_stale_s)

    def provided(self) -> frozenset[str]:
        """Return the names of what it measures, as far as it has been read."""
        newest = self.meter.newest
        if newest is None:
            return frozenset()
        offered = {Measurand.CURRENT_OFFERED.value, Measurand.POWER_OFFERED.value}  # by EVSEs
        return provided_by(newest, self._layout, Beside()) - offered

    def deadline_s(self, now: Stamp) -> float | None:
        """Return when something here is due without any other input, monotonic."""
        due = [self._grid.deadline_s(now)]
        if self._missed_s is not None and FaultCode.MAIN_METER_LOST not in self._around.faults:
            due.append(self._due_s(self._missed_s))
        return min((each for each in due if each is not None), default=None)

    def _judge(self, turn: Turn) -> None:
        error, faults = self.meter.error, self._around.faults
        if not error:
            self._missed_s = None
            if faults.pop(FaultCode.MAIN_METER_LOST, None) is not None:
                turn.note("fault.cleared", code=FaultCode.MAIN_METER_LOST.value)
            return
        if self._missed_s is None:
            self._missed_s = turn.now_s
        if FaultCode.MAIN_METER_LOST not in faults and turn.now_s >= self._due_s(self._missed_s):
            faults[FaultCode.MAIN_METER_LOST] = Fault(
                code=FaultCode.MAIN_METER_LOST, blocking=False, since_s=turn.now_s, text=error
            )
            turn.note(
                "fault.raised", level="warning", code=FaultCode.MAIN_METER_LOST.value, blocking=False, text=error[:200]
            )

    def _due_s(self, missed_s: float) -> float:
        newest = self.meter.newest
        return (missed_s if newest is None else newest.taken_s) + self._around.layout.meter_stale_s

    def _made(
        self,
        reading: MeterReading,
        at: Stamp,
        context: SampleContext,
        measurands: tuple[str, ...],
        since: MeterReading | None,
    ) -> Sample | None:
        beside = Beside(since=since)
        return sample_of(reading, at=at, context=context, measurands=measurands, layout=self._layout, beside=beside)
