"""Answers the commands that need no charging decision: variables, reports, vendor messages, queue questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from agent.errors import StoreError
from agent.log import get_logger
from agent.model.commands import (
    Answered,
    AnyOutcome,
    Command,
    GetTransactionStatus,
    GetVariables,
    Outcome,
    ReportBase,
    ReportVariables,
    SetVariables,
    TransactionStatusOutcome,
    VariableResult,
    VariablesOutcome,
    VariableStatus,
    VendorMessage,
    VendorOutcome,
)
from agent.model.variables import Access, StoredValue, VariableBook, VariableEntry

_TAKEN: Final = (GetVariables, SetVariables, ReportVariables, VendorMessage, GetTransactionStatus)


class Waiting(Protocol):
    """How much the journal holds."""

    @property
    def waiting(self) -> int:
        """Return how many facts are undelivered."""


class VariableStore(Protocol):
    """What the desk needs of the store."""

    async def commit(self, *, values: Sequence[StoredValue]) -> object:
        """Make values durable or raise ``StoreError``."""

    async def counts(self) -> Waiting:
        """Return how much is undelivered."""


class CommandDesk:
    """Holds the variable book for commands.

    Args:
        changed: called with the rows after values changed and are durable.
        running: returns the ids (ours and the CSMS's) of running transactions.
        report: sends the parts of a report after its command was answered.
        before_set: brings what may be set up to date with the station's parts.
    """

    def __init__(
        self,
        book: VariableBook,
        store: VariableStore,
        *,
        changed: Callable[[Sequence[StoredValue]], None],
        running: Callable[[], frozenset[str]],
        report: Callable[[int, Sequence[VariableEntry]], None],
        before_set: Callable[[], None] = lambda: None,
    ) -> None:
        self._book = book
        self._store = store
        self._changed = changed
        self._running = running
        self._report = report
        self._before_set = before_set
        self._log = get_logger("desk")

    def takes(self, command: Command) -> bool:
        """Return whether this desk answers the command."""
        return isinstance(command, _TAKEN)

    async def handle(self, command: Command) -> AnyOutcome:
        """Return the outcome; what it changed is durable by then."""
        match command:
            case GetVariables():
                return VariablesOutcome(results=tuple(self._book.get(*query) for query in command.queries))
            case SetVariables():
                return await self._set(command)
            case ReportVariables():
                return self._begin_report(command)
            case VendorMessage():
                return VendorOutcome()
            case GetTransactionStatus():
                ongoing = None if command.transaction is None else command.transaction in self._running()
                return TransactionStatusOutcome(
                    ongoing=ongoing, messages_in_queue=(await self._store.counts()).waiting > 0
                )
            case _:
                return Outcome(answered=Answered.NOT_SUPPORTED)

    async def _set(self, command: SetVariables) -> VariablesOutcome:
        self._before_set()
        results = [self._book.check(ref, attribute, text) for ref, attribute, text in command.assignments]
        rows: dict[str, StoredValue] = {}
        for result in results:
            if result.status in (VariableStatus.ACCEPTED, VariableStatus.REBOOT_REQUIRED) and result.value is not None:
                row = self._book.changed(result.ref, result.value)
                if row is not None:
                    rows[row.key] = row
        if rows:
            try:
                await self._store.commit(values=tuple(rows.values()))
            except StoreError as error:
                self._log.error("variables.unsaved", keys=list(rows), error=str(error))
                return VariablesOutcome(results=tuple(_refused(each, str(error)) for each in results))
            for row in rows.values():
                self._book.apply(row)
                definition = next((r for r in results if r.value == row.value), None)
                secret = definition is not None and self._is_secret(definition)
                self._log.info("variable.changed", variable=row.key, value="***" if secret else row.value, by="csms")
            self._changed(tuple(rows.values()))
        return VariablesOutcome(results=tuple(results))

    def _is_secret(self, result: VariableResult) -> bool:
        definition = self._book.definition(result.ref)
        return definition is not None and definition.access is Access.WRITE_ONLY

    def _begin_report(self, command: ReportVariables) -> Outcome:
        entries = self._book.entries()
        match command.base:
            case ReportBase.FULL:
                chosen = entries
            case ReportBase.CONFIGURATION:
                chosen = tuple(each for each in entries if each.definition.access is not Access.READ_ONLY)
            case ReportBase.SUMMARY:
                return Outcome(answered=Answered.NOT_SUPPORTED, why="no summary is kept")
        self._report(command.request_id, chosen)
        return Outcome(answered=Answered.ACCEPTED)


def _refused(result: VariableResult, why: str) -> VariableResult:
    if result.status not in (VariableStatus.ACCEPTED, VariableStatus.REBOOT_REQUIRED):
        return result
    return VariableResult(ref=result.ref, attribute=result.attribute, status=VariableStatus.REJECTED, why=why)
