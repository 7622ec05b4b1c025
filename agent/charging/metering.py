"""The samples of one EVSE: facts of its transaction; outside of one, the clock-aligned ones stand alone."""

from __future__ import annotations

from agent.charging.evse_state import EvseState
from agent.charging.samples import Beside, sample_of
from agent.charging.transaction import Transaction
from agent.charging.turn import Turn
from agent.model.effects import Record
from agent.model.facts import MetersSampled, Trigger
from agent.model.moment import Stamp, moved
from agent.model.sample import Sample, SampleContext
from drivers.api import MeterReading

_PERIODIC = ("SampledDataCtrlr", "TxUpdatedMeasurands")
_ALIGNED = ("AlignedDataCtrlr", "Measurands")


def step(evse: EvseState, turn: Turn, *, running: bool) -> None:
    """Take the samples that are due now; ``running``: a transaction goes on."""
    reading = evse.meter.fresh(turn.now_s, evse.around.layout.meter_stale_s)
    grid_utc_s = evse.clock_grid.due(turn.now)
    if running and evse.transaction is not None and evse.sampling is not None:
        _in_transaction(evse, evse.transaction, turn, reading, grid_utc_s)
    elif grid_utc_s is not None and reading is not None and evse.transaction is not None:
        _around_transaction(evse, evse.transaction, turn, reading, grid_utc_s)
    elif grid_utc_s is not None and reading is not None:
        _alone(evse, turn, reading, grid_utc_s)


def beside(evse: EvseState, since: MeterReading | None = None) -> Beside:
    """Return what a sample of this EVSE holds beside the meter's reading."""
    condition = evse.condition
    # A guard that reports and offers nothing offers 0 A; of one that is silent nothing is known.
    offer_a = None if condition is None else condition.offer_a or 0.0
    return Beside(
        offer_a=offer_a,
        temperature_c=None if condition is None else condition.temperature_c,
        soc_pct=soc_pct(evse),
        phases=evse.permit_phases,
        since=since,
    )


def soc_pct(evse: EvseState) -> float | None:
    """Return the state of charge of the vehicle that is here, %: what talks to it goes before what the meter says.

    ``None``: no part knows it, or nobody can say whether a vehicle is here. The age of a meter's word is its reading's.
    """
    if evse.condition is None or evse.plugged is not True:
        return None
    if evse.condition.soc_pct is not None:
        return evse.condition.soc_pct
    return None if evse.meter.newest is None else evse.meter.newest.soc_pct


def triggered(evse: EvseState, turn: Turn) -> None:
    """Record the running transaction's values because the CSMS asked for them."""
    if evse.transaction is None:
        return
    made = sample(evse, evse.around.variables.members(*_PERIODIC), turn.now)
    reading = evse.meter.fresh(turn.now_s, evse.around.layout.meter_stale_s)
    evse.transaction.update(turn, Trigger.TRIGGERED, evse.flow.state, reading=reading, sample=made)


class AtEvse:
    """The meter of an EVSE, for what the CSMS asks for (``asked_values.Metered``)."""

    def __init__(self, evse: EvseState) -> None:
        """Look at ``evse``."""
        self._evse = evse

    def is_fresh(self, now_s: float) -> bool:
        """Return whether there is a reading that is still good."""
        return self._evse.meter.fresh(now_s, self._evse.around.layout.meter_stale_s) is not None

    def is_silent(self, now_s: float) -> bool:
        """Return whether there is none, and the last attempt to get one failed."""
        return self._evse.meter.is_silent(now_s, self._evse.around.layout.meter_stale_s)

    def sample(self, measurands: tuple[str, ...], now: Stamp) -> Sample | None:
        """Return the measurands of the newest reading."""
        return sample(self._evse, measurands, now)


def sample(evse: EvseState, measurands: tuple[str, ...], now: Stamp) -> Sample | None:
    """Return the measurands of a fresh reading, ``None`` without one."""
    reading = evse.meter.fresh(now.mono_s, evse.around.layout.meter_stale_s)
    if reading is None:
        return None
    at = moved(now, reading.taken_s) if evse.transaction is None else evse.transaction.stamp(now, reading.taken_s)
    return sample_of(
        reading,
        at=at,
        context=SampleContext.TRIGGER,
        measurands=measurands,
        layout=evse.layout,
        beside=beside(evse),
    )


def _in_transaction(
    evse: EvseState, transaction: Transaction, turn: Turn, reading: MeterReading | None, grid_utc_s: float | None
) -> None:
    sampling = evse.sampling
    assert sampling is not None  # the caller saw it
    periodic, ended = sampling.periodic.due(turn.now), sampling.ended.due(turn.now)
    ended_utc_s = sampling.ended_clock.due(turn.now)
    if reading is not None:
        at = transaction.stamp(turn.now, reading.taken_s)
        if periodic and sampling.is_new(SampleContext.PERIODIC, reading):
            since = sampling.use(SampleContext.PERIODIC, reading)
            told_at = transaction.stamp(turn.now, sampling.moment(reading.taken_s))
            made = _made(evse, reading, told_at, SampleContext.PERIODIC, _PERIODIC, since)
            transaction.update(turn, Trigger.METER_PERIODIC, evse.flow.state, reading=reading, sample=made)
        if grid_utc_s is not None and sampling.is_new(SampleContext.CLOCK, reading):
            since = sampling.use(SampleContext.CLOCK, reading)
            on_grid = transaction.stamp(turn.now, sampling.moment(_on_grid(turn.now, grid_utc_s)))
            made = _made(evse, reading, on_grid, SampleContext.CLOCK, _ALIGNED, since)
            transaction.update(turn, Trigger.METER_CLOCK, evse.flow.state, reading=reading, sample=made)
        if ended and sampling.is_new(SampleContext.PERIODIC, reading, kept=True):
            since = sampling.use(SampleContext.PERIODIC, reading, kept=True)
            transaction.keep_for_end("SampledDataCtrlr", reading, at, SampleContext.PERIODIC, beside(evse, since), turn)
        if ended_utc_s is not None and sampling.is_new(SampleContext.CLOCK, reading, kept=True):
            since = sampling.use(SampleContext.CLOCK, reading, kept=True)
            on_grid = transaction.stamp(turn.now, _on_grid(turn.now, ended_utc_s))
            transaction.keep_for_end(
                "AlignedDataCtrlr", reading, on_grid, SampleContext.CLOCK, beside(evse, since), turn
            )
    if turn.now_s >= transaction.keep_due_s:
        transaction.keep(turn, reading)


def _around_transaction(
    evse: EvseState, transaction: Transaction, turn: Turn, reading: MeterReading, grid_utc_s: float
) -> None:
    """Tell the clock's values of a transaction that is about to end, or waits for its power: they are its own.

    Source: OCPP 1.6 errata 3.16 (the transaction that runs when the sample is taken).
    """
    at = transaction.stamp(turn.now, _on_grid(turn.now, grid_utc_s))
    since = None
    if evse.sampling is not None:
        if not evse.sampling.is_new(SampleContext.CLOCK, reading):
            return
        since = evse.sampling.use(SampleContext.CLOCK, reading)
        at = transaction.stamp(turn.now, evse.sampling.moment(at.mono_s))
    made = _made(evse, reading, at, SampleContext.CLOCK, _ALIGNED, since)
    if made is not None:
        transaction.update(turn, Trigger.METER_CLOCK, evse.flow.state, reading=reading, sample=made)


def _made(
    evse: EvseState,
    reading: MeterReading,
    at: Stamp,
    context: SampleContext,
    named: tuple[str, str],
    since: MeterReading | None,
) -> Sample | None:
    return sample_of(
        reading,
        at=at,
        context=context,
        measurands=evse.around.variables.members(*named),
        layout=evse.layout,
        beside=beside(evse, since),
    )


def _on_grid(now: Stamp, grid_utc_s: float) -> float:
    """Return the moment of the grid itself, monotonic (OCPP 1.6 §3.16.2)."""
    return now.mono_s if now.utc_s is None else now.mono_s - (now.utc_s - grid_utc_s)


def _alone(evse: EvseState, turn: Turn, reading: MeterReading, grid_utc_s: float) -> None:
    at = moved(turn.now, _on_grid(turn.now, grid_utc_s))
    since, evse.aligned_since = evse.aligned_since, reading
    made = _made(evse, reading, at, SampleContext.CLOCK, _ALIGNED, since)
    if made is not None:
        fact = MetersSampled(evse_id=evse.evse_id, connector_id=evse.connector_id, at=at, samples=(made,))
        turn.add(Record(fact=fact))
