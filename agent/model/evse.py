"""The condition of an EVSE as the guard reports it, and the view of it that everybody else gets."""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.facts import ChargingState
from agent.model.faults import Fault, FaultCode
from agent.model.ids import IdToken


class EvseCondition(msgspec.Struct, frozen=True, kw_only=True):
    """What the guard saw and does at one connector, translated from its report. ``None`` is unknown.

    Attributes:
        at_s: monotonic time of the guard's scan.
        pilot: letter of the pilot state, ``fault`` or ``unknown``.
        plugged: a vehicle is connected. vehicle_ready: it asks for energy (C or D).
        contactor_closed: confirmed by the mirror; ``None`` in motion or unknown.
        contactor_since_s: monotonic time of the last confirmed change.
        offer_a: current signalled now; ``None`` no offer.
        waiting_for: the guard's reasons for not closing.
        permit_id: the permit in force, ``None`` without one.
        temperature_c: of the hottest sensor, degC.
        reduced_a: most that the temperatures allow, A; ``None``: no reduction. reduced_why: which sensor.
        fault_texts: what the guard can say about some of ``faults``.
        soc_pct: the vehicle's state of charge as a part that talks to it says, %.
        simplified: a vehicle that cannot tell when it is ready was recognised; it gets 10 A at most.
    """

    evse_id: int
    at_s: float
    pilot: str
    plugged: bool | None
    vehicle_ready: bool | None
    contactor_closed: bool | None
    contactor_since_s: float
    offer_a: float | None
    cable_a: float | None
    cable_locked: bool | None
    faults: tuple[FaultCode, ...]
    waiting_for: tuple[str, ...]
    permit_id: int | None
    open_reason: str = ""
    temperature_c: float | None = None
    simplified: bool = False
    reduced_a: float | None = None
    fault_texts: tuple[tuple[FaultCode, str], ...] = ()
    reduced_why: str = ""
    connector_id: int = 1
    soc_pct: float | None = None


class Occupancy(Enum):
    """Where an EVSE is in its life; dialects project their connector statuses from it (never stored as status)."""

    FREE = "free"
    PREPARING = "preparing"  # plugged or authorised, no transaction yet
    CHARGING = "charging"  # transaction, energy may flow, the EV draws or may draw
    SUSPENDED_EV = "suspended_ev"
    SUSPENDED_EVSE = "suspended_evse"
    FINISHING = "finishing"  # transaction over, cable still in


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of the current on an EVSE. ``current_a`` ``None`` forbids charging altogether."""

    source: str
    current_a: float | None
    text: str


class ConnectorView(msgspec.Struct, frozen=True, kw_only=True):
    """One of several connectors of an EVSE.

    Attributes:
        faults: its own and those of the EVSE as a whole. max_current_a: the most that its wiring carries, per phase.
        served: its vehicle has had its turn and is still there.
    """

    connector_id: int
    operative: bool
    pilot: str
    plugged: bool | None
    contactor_closed: bool | None
    cable_locked: bool | None
    faults: tuple[Fault, ...]
    served: bool
    max_current_a: float

    @property
    def blocked(self) -> bool:
        """Return whether a present fault forbids charging here."""
        return any(fault.blocking for fault in self.faults)


class EvseView(msgspec.Struct, frozen=True, kw_only=True):
    """Snapshot of one EVSE for dialects, the console and the logs.

    Attributes:
        operative: effective availability; ``connector_operative`` per connector id.
        plugged: the guard's word; ``None`` unknown.
        side_info: short text for the status message ("EV side disconnected", "meter silent").
        reserved: kept free for somebody who has not come yet. reserved_connector_id: of several connectors, this one.
        limits: why it charges at this current or not at all, the binding one first.
        reading_at_s: monotonic time of the newest reading.
        connector_id: the connector that is in use, or would be; ``None``: the only one.
        connectors: each of several that the guard sees for itself; of the one in use the other fields tell more.
        soc_pct: state of charge of the vehicle that is here, %; ``None`` unknown.
        awaited: the guard is about to say whether a vehicle is here: until then what is told may be long untrue.
    """

    evse_id: int
    connector_ids: tuple[int, ...]
    occupancy: Occupancy
    operative: bool
    connector_operative: dict[int, bool]
    faults: tuple[Fault, ...]
    plugged: bool | None
    transaction_id: str | None
    csms_id: str | None
    charging_state: ChargingState
    token: IdToken | None
    offer_a: float | None
    permit_a: float | None
    energy_wh: float | None
    power_w: float | None
    current_a: tuple[float | None, float | None, float | None]
    reading_at_s: float | None
    session_wh: float | None
    contactor_closed: bool | None
    pilot: str
    limits: tuple[Limit, ...]
    side_info: str = ""
    connector_id: int | None = None
    reserved: bool = False
    reserved_connector_id: int | None = None
    connectors: tuple[ConnectorView, ...] = ()
    soc_pct: float | None = None
    awaited: bool = False

    @property
    def blocked(self) -> bool:
        """Return whether a present fault forbids charging."""
        return any(fault.blocking for fault in self.faults)


def amperes(current_a: float) -> str:
    """Return a current as people read it: at most one decimal, "16 A" for 15.9996."""
    return f"{round(current_a, 1):g} A"
