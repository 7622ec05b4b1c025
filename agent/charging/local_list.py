"""The CSMS's local authorization list. Only ``SendLocalList`` changes it.

A full list replaces, whatever its version; a differential one must have a higher version than the list has. A list that
is refused leaves the old one untouched. Version 0 says that the list is empty, so no list may be called 0 or less.
Source: OCPP 1.6 §3.5.2, §5.10, §5.15, errata 3.52; OCPP 2.0.1 D01, D02.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from agent.charging.turn import Turn
from agent.model.effects import ReplaceDocuments, SaveDocument
from agent.model.ids import IdToken
from agent.model.local_list import ListEntry, ListStatus, ListUpdate, LocalListOutcome, SendLocalList
from agent.model.variables import VariableBook
from agent.model.verdicts import TokenVerdict

LIST: Final = "local_list"
VERSION: Final = "local_list_version"
_VERSION_KEY: Final = "version"


class LocalList:
    """The list and its version."""

    def __init__(self, variables: VariableBook) -> None:
        """Begin empty."""
        self._variables = variables
        self._entries: dict[str, TokenVerdict] = {}
        self._version = 0

    def restore(self, documents: Mapping[str, Mapping[str, bytes]]) -> tuple[str, ...]:
        """Take over what the store kept; return what could not be read, in words.

        A list with an unreadable part is forgotten as a whole, so that the CSMS sees version 0 and sends it anew.
        """
        try:
            self._version = msgspec.json.decode(documents.get(VERSION, {}).get(_VERSION_KEY, b"0"), type=int)
            read = (msgspec.json.decode(body, type=ListEntry) for body in documents.get(LIST, {}).values())
            self._entries = {each.token.value.casefold(): each.verdict for each in read if each.verdict is not None}
        except msgspec.DecodeError as error:  # a validation error is one, too
            self._version, self._entries = 0, {}
            return (f"the local list cannot be read and is empty now: {error}",)
        return ()

    def remember(self) -> Callable[[], None]:
        """Return what puts the list back as it is now."""
        entries, version = dict(self._entries), self._version

        def put_back() -> None:
            self._entries, self._version = entries, version

        return put_back

    @property
    def enabled(self) -> bool:
        """Return whether the list is in use."""
        return self._variables.flag("LocalAuthListCtrlr", "Enabled")

    @property
    def version(self) -> int | None:
        """Return what the CSMS is told: 0 for an empty list, ``None`` while it is not in use."""
        if not self.enabled:
            return None
        return self._version if self._entries else 0

    @property
    def entries(self) -> Mapping[str, TokenVerdict]:
        """Return the verdicts by case-folded token."""
        return self._entries

    def holds(self, token: IdToken) -> bool:
        """Return whether the token is on the list and the list is in use."""
        return self.enabled and token.value.casefold() in self._entries

    def verdict(self, token: IdToken) -> TokenVerdict | None:
        """Return what the list says; ``None`` also while it is not in use."""
        return self._entries.get(token.value.casefold()) if self.enabled else None

    def take(self, sent: SendLocalList, turn: Turn) -> LocalListOutcome:
        """Replace or change the list."""
        refusal = self._refusal(sent)
        if refusal is not None:
            return refusal
        if sent.update is ListUpdate.FULL:
            self._entries = {each.token.value.casefold(): each.verdict for each in sent.entries if each.verdict}
            turn.add(ReplaceDocuments(kind=LIST, bodies={_key(each): _body(each) for each in sent.entries}))
        else:
            for entry in sent.entries:
                if entry.verdict is not None:
                    self._entries[_key(entry)] = entry.verdict
                    turn.add(SaveDocument(kind=LIST, key=_key(entry), body=_body(entry)))
                elif self._entries.pop(_key(entry), None) is not None:
                    turn.add(SaveDocument(kind=LIST, key=_key(entry), body=None))
        self._version = sent.version
        turn.add(SaveDocument(kind=VERSION, key=_VERSION_KEY, body=str(self._version).encode()))
        turn.note("local_list.changed", version=self._version, update=sent.update.value, entries=len(self._entries))
        return LocalListOutcome(status=ListStatus.ACCEPTED)

    def _refusal(self, sent: SendLocalList) -> LocalListOutcome | None:
        if not self.enabled:
            return LocalListOutcome(status=ListStatus.NOT_SUPPORTED, why="LocalAuthListEnabled is false")
        now = self.version or 0
        if sent.update is ListUpdate.DIFFERENTIAL and sent.version <= now:
            why = f"version {sent.version} is not above {now}"
            return LocalListOutcome(status=ListStatus.VERSION_MISMATCH, why=why)
        fault = self._fault_of(sent)
        return None if fault is None else LocalListOutcome(status=ListStatus.FAILED, why=fault)

    def _fault_of(self, sent: SendLocalList) -> str | None:
        most = self._variables.integer("LocalAuthListCtrlr", "ItemsPerMessage")
        keys = [_key(each) for each in sent.entries]
        if sent.version <= 0:
            return f"version {sent.version} is not 1 or more"
        if len(keys) > most:
            return f"{len(keys)} entries are more than {most} in one message"
        if len(set(keys)) != len(keys):
            return "a token is named twice"
        if not all(keys):
            return "a token is empty"
        if sent.update is ListUpdate.FULL and any(each.verdict is None for each in sent.entries):
            return "a full list has an entry without idTagInfo"
        gone = {_key(each) for each in sent.entries if each.verdict is None}
        before = set() if sent.update is ListUpdate.FULL else set(self._entries)
        after = (before | set(keys)) - gone
        longest = self._variables.integer("LocalAuthListCtrlr", "Entries")
        return f"{len(after)} entries are more than {longest}" if len(after) > longest else None


def _key(entry: ListEntry) -> str:
    return entry.token.value.casefold()


def _body(entry: ListEntry) -> bytes:
    return msgspec.json.encode(entry)
