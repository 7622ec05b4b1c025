"""Names of variables in a station file: both OCPP versions' words for the one book of variables.

``HeartbeatInterval`` (a 1.6 configuration key) and ``OCPPCommCtrlr.HeartbeatInterval`` (2.0.1) preset the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout
from agent.model.variables import Access, Variable, key_of

_SECURITY_PROFILE: Final = "securityctrlr.securityprofile"
_PHASES_3_TO_1: Final = "smartchargingctrlr.phases3to1"
_OFFLINE_UNKNOWN: Final = "authctrlr.offlinetxforunknownidenabled"


@cache
def _definitions() -> Mapping[str, Variable]:
    from agent.ocpp.v16.dialect import Dialect16
    from agent.ocpp.v201.dialect import Dialect201

    one = (EvseLayout(evse_id=1, has_light=True),)
    every = (*STANDARD_VARIABLES, *Dialect16(one).variables(), *Dialect201(one).variables())
    return {key_of(each.ref): each for each in every}


def preset_key(name: str) -> str | None:
    """Return the book's key of a name as written in a station file, or ``None`` for an unknown one."""
    plain = name.strip().casefold()
    if any(key_of(each.ref) == plain for each in STANDARD_VARIABLES):
        return plain
    from agent.ocpp.v16 import keys

    return keys.key_named(name.strip()) or (plain if plain in _definitions() else None)


class PresetCheck:
    """Judges the lines of ``[variables]``; without state."""

    def __call__(self, name: str, text: str) -> str | None:
        """Return what is wrong with one line, or ``None``."""
        return _problem(name, text)

    def key(self, name: str) -> str | None:
        """Return the book's key of a name in either version's words."""
        return preset_key(name)


check_variable = PresetCheck()


def _problem(name: str, text: str) -> str | None:
    key = preset_key(name)
    if key is None:
        from agent.ocpp.v16 import keys

        known = [keys.name_of(ref) for ref in keys.all_refs()]
        known += [f"{each.component}.{each.variable}" for each in _definitions().values()]
        import difflib  # only needed when something is wrong already

        close = difflib.get_close_matches(name, known, n=1)
        return "is no variable of OCPP 1.6 or 2.0.1" + (f"; did you mean {close[0]!r}?" if close else "")
    definition = _definitions()[key]
    if definition.access is Access.READ_ONLY and not definition.file_may_set:
        return "is read-only: the station itself decides it"
    if key == _SECURITY_PROFILE:
        return "stands in [csms]: security_profile"
    if definition.access is Access.WRITE_ONLY:
        return "is a secret, which has no place in this file; use charge-agent secret set csms-password"
    try:
        definition.normalise(text, kept=True)
    except ValueError as error:
        return str(error)
    return None


def presets_of(variables: Mapping[str, str], *, offline_unknown: bool, phase_switching: bool = False) -> dict[str, str]:
    """Return the station file's checked variables by the book's keys.

    ``offline_unknown``, the file's own word for one of them, is overruled by that variable itself. ``phase_switching``:
    some EVSE can do it.
    """
    keyed = ((preset_key(name), text) for name, text in variables.items())
    own = {_OFFLINE_UNKNOWN: "true"} if offline_unknown else {}
    if phase_switching:
        own[_PHASES_3_TO_1] = "true"
    return own | {key: text for key, text in keyed if key is not None}
