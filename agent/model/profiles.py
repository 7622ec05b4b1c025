"""Charging profiles: limits over time, set by the CSMS, and the commands and outcomes around them.

The shape fits OCPP 1.6 and 2.0.1: a profile has a purpose, a stack level, a validity and a schedule of periods. Times
of day are seconds since 1970 UTC; ``start_s`` of a period counts from the start of its schedule.

Sources: OCPP 1.6 §3.13, §5.5, §5.7, §5.16, §7.8-7.14 with errata 3.8, 3.24-3.26, 3.34, 3.42-3.45, 3.56, 3.57, 3.69;
OCPP 2.0.1 K01, K08, K10.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

DOCUMENTS: Final = "charging_profile"
"""Kind of the durable documents; the key is the profile's id as text, the body an ``InstalledProfile`` as JSON."""


class ProfilePurpose(Enum):
    """What a profile limits."""

    STATION_MAX = "station_max"  # all EVSEs together (1.6 ChargePointMaxProfile, 2.0.1 ChargingStationMaxProfile)
    TX_DEFAULT = "tx_default"  # every transaction that has no profile of its own
    TX = "tx"  # one transaction


class ProfileKind(Enum):
    """How a profile lies in time."""

    ABSOLUTE = "absolute"  # from its start
    RECURRING = "recurring"  # from its start, again every day or week
    RELATIVE = "relative"  # from the start of the transaction


class Recurrence(Enum):
    """After what time a recurring profile starts again."""

    DAILY = "daily"
    WEEKLY = "weekly"


class RateUnit(Enum):
    """Unit of the limits: amperes per phase, or watts over all phases together."""

    AMPERES = "A"
    WATTS = "W"


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A limit from ``start_s`` (s after the start of the schedule) until the next period.

    Attributes:
        limit: in the schedule's unit, in steps of 0.1.
        phases: number of phases that the CSMS counted on; ``None``: three (OCPP 1.6 §7.13).
    """

    start_s: int
    limit: float
    phases: int | None = None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Periods in order of their start; the first starts at 0.

    Attributes:
        duration_s: the last period ends there; ``None``: it never ends.
        start_utc_s: ``None``: it starts with the transaction.
        min_rate: below it charging is inefficient, in the schedule's unit; a hint only.
    """

    unit: RateUnit
    periods: tuple[Period, ...]
    duration_s: int | None = None
    start_utc_s: float | None = None
    min_rate: float | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile as the CSMS sent it. It is valid from ``valid_from`` (included) to ``valid_to`` (excluded)."""

    profile_id: int
    stack_level: int
    purpose: ProfilePurpose
    kind: ProfileKind
    schedule: Schedule
    recurrence: Recurrence | None = None
    valid_from_utc_s: float | None = None
    valid_to_utc_s: float | None = None


class InstalledProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile and where it counts.

    Attributes:
        evse_id: ``None``: the station as a whole. connector_id: ``None``: every connector of the EVSE.
        transaction_id: the station's own name of the transaction that a ``TX`` profile belongs to.
        set_utc_s: when it was set; a ``STATION_MAX`` profile without a start begins there.
    """

    profile: Profile
    evse_id: int | None = None
    connector_id: int | None = None
    transaction_id: str | None = None
    set_utc_s: float | None = None


class SetProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Install a profile, or replace one. ``transaction``: the CSMS's name of the transaction that it means."""

    profile: Profile
    evse_id: int | None = None
    connector_id: int | None = None
    transaction: str | None = None


class ClearProfiles(msgspec.Struct, frozen=True, kw_only=True):
    """Remove the profile with this id, or every profile that fits all criteria given; none given fits all.

    ``place`` is (EVSE, connector) as in ``InstalledProfile``; (``None``, ``None``): those set on the station itself.
    """

    profile_id: int | None = None
    place: tuple[int | None, int | None] | None = None
    purpose: ProfilePurpose | None = None
    stack_level: int | None = None


class GetComposite(msgspec.Struct, frozen=True, kw_only=True):
    """What will be the limit from now on? ``evse_id`` ``None``: of the station as a whole. ``unit`` ``None``: any."""

    duration_s: int
    evse_id: int | None = None
    connector_id: int | None = None
    unit: RateUnit | None = None


class ProfilesCleared(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``ClearProfiles``: how many were removed."""

    count: int


class Composite(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that result, from ``start_utc_s`` on (``None``: the time of day is unknown) for ``duration_s``.

    The phases of a period are those on which the EVSE charges; ``None`` for the station as a whole.
    """

    unit: RateUnit
    duration_s: int
    periods: tuple[Period, ...]
    start_utc_s: float | None = None


class CompositeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of ``GetComposite``; ``composite`` ``None``: refused, ``why`` says it."""

    composite: Composite | None
    why: str = ""
