"""Part of the composition root: how a run ends, and what the next one is told of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from agent.boot_note import DIALLING, BootNote, write_note
from agent.log import get_logger
from agent.model.commands import ResetKind
from agent.model.variables import StoredValue
from agent.runtime.supervisor import Kind, Supervisor, retry_restart

LAST_WORDS_S: Final = 10.0  # how long a graceful restart may wait for what it ended to be delivered

_BOOT_REASON: Final[Mapping[ResetKind, str]] = {
    ResetKind.GRACEFUL: "remote_reset",
    ResetKind.IMMEDIATE: "remote_reset",
    ResetKind.ON_IDLE: "scheduled_reset",
    ResetKind.POWER_FAILING: "local_reset",
}


class Ending:
    """Restarts that somebody decided on; any other end leaves no reason behind.

    Args:
        state_dir: where the note for the next start is left.
        boot_id: which boot of the machine this is.
        delivered: waits until the CSMS has been told everything, at most so many s.
        retries: how often a restart that fails is retried.
        own_process: the process is the agent's, and systemd starts it again.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        state_dir: Path,
        boot_id: str,
        *,
        delivered: Callable[[float], Awaitable[None]],
        retries: Callable[[], int],
        own_process: bool,
    ) -> None:
        self._supervisor = supervisor
        self._state_dir = state_dir
        self._boot_id = boot_id
        self._delivered = delivered
        self._retries = retries
        self._own_process = own_process
        self._log = get_logger("app")
        self._reason = ""
        self._values: tuple[StoredValue, ...] = ()

    def started(self, values: Sequence[StoredValue]) -> None:
        """The station stands; ``values`` are what the CSMS has set. Until somebody decides otherwise, an end that comes
        now is nobody's decision.
        """
        self._values = tuple(each for each in values if each.key.startswith(DIALLING))
        self._leave_note("")

    def restart(self, kind: ResetKind) -> None:
        """Restart: at once, or after the last words are said (OCPP 1.6 §5.14)."""
        self._log.warning("agent.restarts", kind=kind.value)
        self._reason = _BOOT_REASON[kind]
        if self._own_process:
            self._leave_note(self._reason)  # a process that is ended from outside leaves none
            retry_restart(self._retries())
        if kind is ResetKind.IMMEDIATE:
            self._supervisor.stop()
        else:
            self._supervisor.add("last_words", self._say_last_words, Kind.ONCE)

    def restart_into_new_image(self) -> None:
        """Restart because an update wants it."""
        self._log.warning("agent.restarts", kind="firmware_update")
        self._reason = "firmware_update"
        self._supervisor.stop()

    def ended(self) -> None:
        """The run is over: tell the next one why."""
        if self._reason:
            self._leave_note(self._reason)

    async def _say_last_words(self) -> None:
        await self._delivered(LAST_WORDS_S)
        self._supervisor.stop()

    def _leave_note(self, reason: str) -> None:
        try:
            write_note(self._state_dir, BootNote(boot_id=self._boot_id, reason=reason, values=self._values))
        except OSError as error:
            self._log.warning("note.not_kept", error=str(error))
