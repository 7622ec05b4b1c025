"""Names of measurands in lists of variables: ``Voltage``, or with a phase behind it ``Voltage.L1`` or ``Voltage.L1-N``.

Source: OCPP 1.6 §3.16.4 and §7.31; back ends write the phase behind the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from agent.model.sample import Measurand, Phase
from agent.model.station import StationLayout

BY_METER: Final = frozenset(Measurand) - {Measurand.TEMPERATURE, Measurand.SOC}
"""What a meter and the offer provide at most: what may be asked for until the station's own parts are known."""


def expected_measurands(layout: StationLayout) -> frozenset[Measurand]:
    """Return what may be asked for until every part has spoken: what a meter measures, what the parts may know."""
    soc = {Measurand.SOC} if any(each.tells_soc for each in layout.evses) else set()
    temperature = {Measurand.TEMPERATURE} if any(each.tells_temperature for each in layout.evses) else set()
    return BY_METER | soc | temperature


ALIGNED: Final = ("AlignedDataCtrlr", "Measurands")  # those sent of every meter, the main meter included
LISTS: Final = (
    ("SampledDataCtrlr", "TxStartedMeasurands"),
    ("SampledDataCtrlr", "TxUpdatedMeasurands"),
    ("SampledDataCtrlr", "TxEndedMeasurands"),
    ALIGNED,
    ("AlignedDataCtrlr", "TxEndedMeasurands"),
)
"""The variables that are lists of measurands."""

_EACH: Final = (Phase.L1, Phase.L2, Phase.L3)
_PHASES_OF: Final = {
    Measurand.ENERGY_IMPORT_REGISTER: _EACH,
    Measurand.POWER_IMPORT: _EACH,
    Measurand.CURRENT_IMPORT: (*_EACH, Phase.N),
    Measurand.VOLTAGE: (*_EACH, Phase.L1_N, Phase.L2_N, Phase.L3_N),
}


def names_of(measurands: Iterable[Measurand], *, with_phases: bool) -> tuple[str, ...]:
    """Return the names that a list may have for ``measurands``, in the order of the enumeration."""
    wanted = frozenset(measurands)
    plain = [each for each in Measurand if each in wanted]
    phased = [f"{each.value}.{phase.value}" for each in plain for phase in _PHASES_OF.get(each, ())]
    return (*(each.value for each in plain), *(phased if with_phases else ()))


def in_order(names: frozenset[str]) -> tuple[str, ...]:
    """Return names in the order of ``names_of``."""
    return tuple(each for each in names_of(Measurand, with_phases=True) if each in names)


def names_for(measurand: Measurand, phase: Phase | None) -> tuple[str, ...]:
    """Return the names that a value has: its measurand's, and with its phase; L1 to neutral is also called L1."""
    if phase is None:
        return (measurand.value,)
    return tuple(dict.fromkeys(f"{measurand.value}.{each}" for each in (phase.value, phase.value.removesuffix("-N"))))


@lru_cache(maxsize=64)
def split(name: str) -> tuple[Measurand, Phase | None]:
    """Return the measurand and the phase of a checked name. Raises ``ValueError`` for one that is no name."""
    for phase in Phase:
        plain = name.removesuffix(f".{phase.value}")
        if plain != name:
            return Measurand(plain), phase
    return Measurand(name), None
