"""Who may charge: what is decided about a token, as pure functions of what is known of it and of the rules in force.

The same functions decide, and answer ``charge-agent auth explain``. Nothing here remembers anything; what is known of a
token comes from ``known_tokens``. Sources: OCPP 1.6 §3.5 and §4.1, OCPP 2.0.1 C01, C10-C16.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from agent.model.facts import Trigger
from agent.model.ids import IdToken
from agent.model.profiles import Profile
from agent.model.variables import VariableBook
from agent.model.verdicts import TokenVerdict, Verdict


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody may charge.

    Attributes:
        at_s: monotonic time at which it was given; with the connection time-out it lapses.
        remote: the CSMS asked for it.
        connector_id: the connector that the CSMS named.
        free_vend: nobody in particular; it lives as long as the cable is in.
        profile: the transaction's own charging profile.
    """

    token: IdToken
    at_s: float
    group: str | None = None
    remote: bool = False
    remote_start_id: int | None = None
    connector_id: int | None = None
    free_vend: bool = False
    profile: Profile | None = None

    def trigger(self, plugged_s: float) -> Trigger:
        """Return what completed the conditions of a start: the later of authorization and cable."""
        if self.remote:
            return Trigger.REMOTE_START
        if self.free_vend or plugged_s > self.at_s:
            return Trigger.CABLE_PLUGGED_IN
        return Trigger.AUTHORIZED


class Source(Enum):
    """Who said something about a token; the earlier one wins over the later ones."""

    LIST = "local list"  # of the CSMS. It wins over the cache: OCPP 1.6 §3.5.3
    CARD = "local card"  # of the station's own
    CACHE = "cache"  # what the CSMS last answered


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token, by whom; an expired verdict is already ``EXPIRED``."""

    source: Source
    verdict: TokenVerdict

    @property
    def accepted(self) -> bool:
        """Return whether it may charge as far as this source knows."""
        return self.verdict.verdict is Verdict.ACCEPTED


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The variables that decide, by their names of OCPP 1.6.

    Attributes:
        master_group: tokens of this group end transactions and start none; "": there is no such group.
    """

    local_pre_authorize: bool
    local_authorize_offline: bool
    allow_offline_unknown: bool
    stop_on_invalid: bool
    max_energy_wh: int
    master_group: str

    @classmethod
    def of(cls, variables: VariableBook) -> Rules:
        """Read them."""
        return cls(
            local_pre_authorize=variables.flag("AuthCtrlr", "LocalPreAuthorize"),
            local_authorize_offline=variables.flag("AuthCtrlr", "LocalAuthorizeOffline"),
            allow_offline_unknown=variables.flag("AuthCtrlr", "OfflineTxForUnknownIdEnabled"),
            stop_on_invalid=variables.flag("TxCtrlr", "StopTxOnInvalidId"),
            max_energy_wh=max(0, variables.integer("TxCtrlr", "MaxEnergyOnInvalidId")),
            master_group=variables.text("AuthCtrlr", "MasterPassGroupId"),
        )

    def is_master(self, group: str | None) -> bool:
        """Return whether tokens of ``group`` end transactions and start none (OCPP 2.0.1 C16)."""
        return bool(self.master_group) and group is not None and group.casefold() == self.master_group.casefold()


class Say(Enum):
    """What to do about a token."""

    YES = "yes"
    NO = "no"
    ASK = "ask"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """The decision about a token, with its reason; ``group`` where it is known."""

    say: Say
    why: str
    group: str | None = None


def judge(known: Known | None, rules: Rules, *, online: bool) -> Word:
    """Return what to do about a token that wants to charge.

    Online: what is known as accepted starts at once where LocalPreAuthorize is set; everything else is asked, a known
    refusal too (OCPP 1.6 §3.5.1). Offline: what is known as accepted, where LocalAuthorizeOffline is set; what is not
    explicitly authorised, where AllowOfflineTxForUnknownId is set; a token known to be refused or expired never
    (§3.5.4).
    """
    group = None if known is None else known.verdict.group
    accepted = known is not None and known.accepted
    if accepted and rules.is_master(group):
        return Word(say=Say.NO, why="a master pass ends transactions and starts none", group=group)
    if online:
        return _online(known, rules)
    if known is not None and not accepted:
        return Word(say=Say.NO, why=f"{known.verdict.verdict.value} in the {known.source.value}", group=group)
    if known is not None and rules.local_authorize_offline:
        return Word(say=Say.YES, why=f"accepted in the {known.source.value} (LocalAuthorizeOffline)", group=group)
    if rules.allow_offline_unknown:
        return Word(say=Say.YES, why="unknown tokens are allowed (AllowOfflineTxForUnknownId)", group=group)
    if known is None:
        return Word(say=Say.NO, why="unknown, and unknown tokens are not allowed (AllowOfflineTxForUnknownId)")
    why = f"accepted in the {known.source.value}, which may not be used (LocalAuthorizeOffline)"
    return Word(say=Say.NO, why=why, group=group)


def _online(known: Known | None, rules: Rules) -> Word:
    if known is None:
        return Word(say=Say.ASK, why="unknown here")
    place = known.source.value
    if not known.accepted:
        return Word(say=Say.ASK, why=f"{known.verdict.verdict.value} in the {place}; the CSMS may know better")
    if not rules.local_pre_authorize:
        why = f"accepted in the {place}, and the CSMS is asked all the same (LocalPreAuthorize)"
        return Word(say=Say.ASK, why=why)
    return Word(say=Say.YES, why=f"accepted in the {place} (LocalPreAuthorize)", group=known.verdict.group)


def usable_group(known: Known | None, rules: Rules, *, online: bool) -> str | None:
    """Return the group of a token as far as it may be used without asking: it ends transactions of that group."""
    if known is None or not known.accepted:
        return None
    return known.verdict.group if may_use_known(rules, online=online) else None


def may_use_known(rules: Rules, *, online: bool) -> bool:
    """Return whether what is known here may be used without the CSMS."""
    return rules.local_pre_authorize if online else rules.local_authorize_offline
