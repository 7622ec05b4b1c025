"""What a firmware update needs of the station around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from agent.clock import Clock
from agent.maintenance.transfer import Means
from agent.model.effects import Durable
from agent.model.evse import EvseView
from agent.model.maintenance import UpdateFirmware
from agent.model.security import SecurityEventKind
from drivers.api.installers import Installer


class DocumentStore(Protocol):
    """What the task needs of the store."""

    async def commit(self, durables: Sequence[Durable]) -> object:
        """Make everything durable or raise ``StoreError``."""


class Note(Protocol):
    """Takes security events."""

    def __call__(self, event: SecurityEventKind, text: str = "", *, asked: bool = False) -> None:
        """Take one."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the task needs of the station.

    Attributes:
        folder: for what is fetched. most_b: of one image. keep_free_b: of the disk.
        means: returns what there is for transfers. installer: opens the installer; ``None``: there is none.
        check: checks the image's signature; raises ``ImageUntrusted``; blocking.
        hold: nothing new may begin to charge, or it may again. views: the EVSEs now.
        online: the CSMS is reached. untold: how many facts it has not acknowledged.
        restart: ends this software so that it starts again. facts_waiting: the journal has something new.
        new_sessions: charges may begin while an image waits. store_retry_s: pause before a store that refuses is asked
            again.
    """

    clock: Clock
    store: DocumentStore
    folder: Path
    most_b: int
    keep_free_b: int
    means: Callable[[], Means]
    installer: Callable[[], Installer] | None
    check: Callable[[Path, UpdateFirmware], None]
    hold: Callable[[bool], None]
    views: Callable[[], Sequence[EvseView]]
    online: Callable[[], bool]
    untold: Callable[[], Awaitable[int]]
    restart: Callable[[], None]
    facts_waiting: Callable[[], None]
    note: Note
    new_sessions: bool = False
    store_retry_s: float = 5.0


class ImageUntrusted(Exception):
    """The image is not signed as it must be; the text says why."""
