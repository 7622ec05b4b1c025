"""The charging profiles that are installed: set, replaced, cleared, and kept over restarts.

Rules
    1. A profile replaces the one with the same id, and the one with the same purpose and stack level in the same place.
    2. A transaction's profile is set while its transaction runs (or comes with the order to start it), and goes when
       the transaction is over.
    3. Profiles that are over for good make room when the station is full.
    4. Only what is different is written: for a single limit without an end the moment of its start tells nothing any
       more, and energy controllers set such a profile again and again with another start.

Sources: OCPP 1.6 §3.13.2, §3.13.6, §5.5, §5.16 and errata 3.25, 3.26, 3.37, 3.42; OCPP 2.0.1 K01, K10.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from agent.charging.profile_rules import CONTROLLER, refusal_of, refusal_of_place
from agent.charging.turn import Turn
from agent.model.commands import Answered, Outcome
from agent.model.effects import SaveDocument
from agent.model.profiles import (
    DOCUMENTS,
    ClearProfiles,
    InstalledProfile,
    Profile,
    ProfileKind,
    ProfilePurpose,
    ProfilesCleared,
    SetProfile,
)
from agent.model.variables import VariableBook


class Profiles:
    """Installed profiles. Every change is an effect; this is the copy in memory."""

    def __init__(self, variables: VariableBook) -> None:
        """Begin with none."""
        self._variables = variables
        self._installed: dict[int, InstalledProfile] = {}
        self.revision = 0

    def restore(self, documents: Mapping[str, bytes], turn: Turn) -> None:
        """Take over what the store kept; what cannot be read is told and forgotten."""
        for key, body in documents.items():
            try:
                kept = msgspec.json.decode(body, type=InstalledProfile)
            except msgspec.MsgspecError as error:
                turn.note("profile.unreadable", level="error", key=key, error=str(error))
                turn.add(SaveDocument(kind=DOCUMENTS, key=key, body=None))
                continue
            self._installed[kept.profile.profile_id] = kept
        self.revision += 1

    def remember(self) -> Callable[[], None]:
        """Return what puts things back as they are now."""
        installed = dict(self._installed)

        def put_back() -> None:
            self._installed = installed
            self.revision += 1

        return put_back

    def installed(self) -> tuple[InstalledProfile, ...]:
        """Return every installed profile."""
        return tuple(self._installed.values())

    def set(self, command: SetProfile, transaction_id: str | None, turn: Turn) -> Outcome:
        """Install a profile.

        Args:
            command: what the CSMS wants.
            transaction_id: our name of the transaction that a ``TX`` profile is for; ``None``: the one that the CSMS
                means does not run there.
            turn: the moment.
        """
        profile = command.profile
        why = refusal_of_place(profile.purpose, command.evse_id) or refusal_of(profile, self._variables)
        own = profile.purpose is ProfilePurpose.TX
        if why is None and own and transaction_id is None:
            why = "no transaction runs there" if command.transaction is None else "no such transaction runs there"
        if why is not None:
            return Outcome(answered=Answered.REJECTED, why=why)
        wanted = InstalledProfile(
            profile=profile,
            evse_id=command.evse_id,
            connector_id=command.connector_id,
            transaction_id=transaction_id if own else None,
            set_utc_s=_set_utc_s(profile, turn),
        )
        return self._install(wanted, turn)

    def set_with_start(
        self, profile: Profile, evse_id: int, connector_id: int | None, transaction_id: str, turn: Turn
    ) -> None:
        """Give a transaction that has just begun the profile that came with the order to start it.

        It was accepted with that order, so it is taken even if the station is full by now: one per EVSE at most.
        """
        wanted = InstalledProfile(
            profile=profile, evse_id=evse_id, connector_id=connector_id, transaction_id=transaction_id
        )
        self._put(wanted, turn)

    def clear(self, command: ClearProfiles, turn: Turn) -> ProfilesCleared:
        """Remove what the command names."""
        named = [profile_id for profile_id, each in self._installed.items() if _fits(each, command)]
        for profile_id in named:
            self._remove(profile_id, turn, "cleared")
        return ProfilesCleared(count=len(named))

    def keep_transactions(self, running: Collection[str], turn: Turn) -> None:
        """Remove the profiles of transactions that are over."""
        gone = [
            profile_id
            for profile_id, each in self._installed.items()
            if each.transaction_id is not None and each.transaction_id not in running
        ]
        for profile_id in gone:
            self._remove(profile_id, turn, "the transaction is over")

    def _install(self, wanted: InstalledProfile, turn: Turn) -> Outcome:
        replaced = [profile_id for profile_id, each in self._installed.items() if _replaces(wanted, each)]
        most = self._variables.integer(CONTROLLER, "Entries", "ChargingProfiles")
        if len(self._installed) - len(replaced) >= most:
            self._make_room(replaced, turn)
        if len(self._installed) - len(replaced) >= most:
            return Outcome(answered=Answered.REJECTED, why=f"{most} charging profiles are installed already")
        self._put(wanted, turn)
        return Outcome(answered=Answered.ACCEPTED)

    def _put(self, wanted: InstalledProfile, turn: Turn) -> None:
        profile = wanted.profile
        replaced = [profile_id for profile_id, each in self._installed.items() if _replaces(wanted, each)]
        before = self._installed.get(profile.profile_id)
        for profile_id in replaced:
            if profile_id != profile.profile_id:
                self._remove(profile_id, turn, f"replaced by {profile.profile_id}")
        self._installed.pop(profile.profile_id, None)
        self._installed[profile.profile_id] = wanted
        self.revision += 1
        utc_s = turn.now.utc_s
        body = _document(wanted, utc_s)
        if before is None or _document(before, utc_s) != body:
            turn.add(SaveDocument(kind=DOCUMENTS, key=str(profile.profile_id), body=body))
        turn.note(
            "profile.set",
            wanted.evse_id,
            profile_id=profile.profile_id,
            purpose=profile.purpose.value,
            stack_level=profile.stack_level,
        )

    def _make_room(self, spared: Collection[int], turn: Turn) -> None:
        utc_s = turn.now.utc_s
        if utc_s is None:
            return
        for profile_id, each in tuple(self._installed.items()):
            over_s = each.profile.valid_to_utc_s
            if over_s is not None and over_s <= utc_s and profile_id not in spared:
                self._remove(profile_id, turn, "not valid any more")

    def _remove(self, profile_id: int, turn: Turn, why: str) -> None:
        gone = self._installed.pop(profile_id)
        self.revision += 1
        turn.add(SaveDocument(kind=DOCUMENTS, key=str(profile_id), body=None))
        turn.note("profile.removed", gone.evse_id, profile_id=profile_id, reason=why)


def _replaces(wanted: InstalledProfile, other: InstalledProfile) -> bool:
    if wanted.profile.profile_id == other.profile.profile_id:
        return True
    same_rank = (wanted.profile.purpose, wanted.profile.stack_level) == (
        other.profile.purpose,
        other.profile.stack_level,
    )
    same_place = (wanted.evse_id, wanted.connector_id, wanted.transaction_id) == (
        other.evse_id,
        other.connector_id,
        other.transaction_id,
    )
    return same_rank and same_place


def _fits(installed: InstalledProfile, command: ClearProfiles) -> bool:
    profile = installed.profile
    if command.profile_id is not None:
        return profile.profile_id == command.profile_id
    return (
        command.place in (None, (installed.evse_id, installed.connector_id))
        and command.purpose in (None, profile.purpose)
        and command.stack_level in (None, profile.stack_level)
    )


def _set_utc_s(profile: Profile, turn: Turn) -> float | None:
    """Only what the moment of setting decides about is told apart by it; else the same profile would be rewritten."""
    startless = profile.schedule.start_utc_s is None or profile.kind is ProfileKind.RELATIVE
    return turn.now.utc_s if startless and profile.purpose is ProfilePurpose.STATION_MAX else None


def _document(installed: InstalledProfile, utc_s: float | None) -> bytes:
    """Return what is written: rule 4 takes a start away that is past and decides nothing."""
    profile, schedule = installed.profile, installed.profile.schedule
    start_s = installed.set_utc_s if schedule.start_utc_s is None else schedule.start_utc_s
    past = start_s is not None and utc_s is not None and start_s <= utc_s
    constant = len(schedule.periods) == 1 and schedule.duration_s is None and profile.kind is ProfileKind.ABSOLUTE
    if constant and past:
        schedule = msgspec.structs.replace(schedule, start_utc_s=0.0)
        installed = msgspec.structs.replace(
            installed, profile=msgspec.structs.replace(profile, schedule=schedule), set_utc_s=None
        )
    return msgspec.json.encode(installed)
