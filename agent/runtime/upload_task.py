"""The task that makes bundles and uploads them; an upload that a restart interrupted begins again.

One upload at a time: a newer request takes the older one's place. Every change of the record is committed together
with the state that it tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from agent.clock import Clock
from agent.errors import StoreError
from agent.log import Condition, get_logger
from agent.maintenance.address import AddressRefused, parse_address
from agent.maintenance.transfer import HOPELESS, LASTING, Means, TransferFailed, Trouble, send, usable
from agent.maintenance.upload import KEY, MOST_BEGUN, Upload, encode_upload, state_of
from agent.model.effects import Durable, Record, SaveDocument
from agent.model.maintenance import UPLOAD_DOCUMENTS, UploadLog, UploadProgressed, UploadState
from agent.runtime.firmware_around import DocumentStore
from agent.runtime.replaceable import Superseded, until_replaced

STORE_RETRY_S: Final = 5.0

MakeBundle = Callable[[Path, UploadLog], Awaitable[int]]
"""Writes the bundle that a request asks for into a file; returns its size in bytes. Raises ``OSError``."""


class UploadTask:
    """See the module's text.

    Args:
        folder: for bundles on their way. upload: what the journal kept; ``None``: nothing.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        store: DocumentStore,
        folder: Path,
        means: Callable[[], Means],
        make: MakeBundle,
        facts_waiting: Callable[[], None],
        upload: Upload | None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._folder = folder
        self._means = means
        self._make = make
        self._facts_waiting = facts_waiting
        self._upload = upload
        self._generation = 0
        self._size_b = 0  # of the bundle that was made; 0: none yet
        self._saving = asyncio.Lock()
        self._replaced = asyncio.Event()
        self._log = get_logger("upload")
        self._unkept = Condition(self._log, "upload_record.unkept")

    @property
    def upload(self) -> Upload | None:
        """Return the upload under way; ``None``: there is none."""
        return self._upload

    def current(self) -> UploadProgressed | None:
        """Return the state that a trigger tells; ``None``: idle."""
        upload = self._upload
        if upload is None or upload.told is None:
            return None
        return self._fact(upload.request, upload.told)

    async def take(self, upload: Upload) -> bool:
        """Begin an upload; one that is under way ends. Return whether one did.

        Raises:
            StoreError: it cannot be kept; nothing changed.
        """
        async with self._saving:
            before = self._upload
            durables: list[Durable] = [_document(upload)]
            if before is not None:
                durables.append(Record(fact=self._fact(before.request, UploadState.CANCELED)))
            await self._store.commit(durables)
            self._upload = upload
            self._generation += 1
        self._replaced.set()
        return before is not None

    async def refuse(self, request: UploadLog) -> None:
        """Tell that an upload that has no other answer cannot be. Raises ``StoreError``."""
        await self._store.commit([Record(fact=self._fact(request, UploadState.FAILED))])
        self._facts_waiting()

    async def run(self) -> None:
        """Carry out uploads for ever."""
        await asyncio.to_thread(self._tidy)
        while True:
            self._replaced.clear()
            if self._upload is None:
                await self._replaced.wait()
                continue
            try:
                await until_replaced(self._carry_out(self._generation), self._replaced)
            except Superseded:
                self._log.info("upload.superseded")

    def _tidy(self) -> None:
        """Remove what an earlier run left behind when it was killed."""
        try:
            for pattern in (".*.new", "*.tar.gz"):
                for path in self._folder.glob(pattern):
                    path.unlink(missing_ok=True)
        except OSError as error:
            self._log.warning("upload_files.not_removed", error=str(error))

    async def _carry_out(self, generation: int) -> None:
        upload = self._upload
        assert upload is not None  # run looked
        path = self._folder / upload.filename
        self._size_b = 0
        upload = msgspec.structs.replace(upload, begun=upload.begun + 1)
        if upload.begun > MOST_BEGUN:
            await self._save(generation, upload, UploadState.FAILED, ended=True)
            return
        upload = await self._save(generation, upload, UploadState.UPLOADING)
        try:
            while True:
                try:
                    await self._attempt(upload, path)
                except TransferFailed as error:
                    self._log.warning("upload.failed", why=str(error), trouble=error.trouble.value)
                    upload = msgspec.structs.replace(upload, failures=upload.failures + 1)
                    lasting = error.trouble in LASTING and upload.request.retries is None
                    if error.trouble in HOPELESS or lasting or upload.failures > upload.retries:
                        await self._save(generation, upload, state_of(error.trouble), ended=True)
                        return
                    await self._save(generation, upload)
                    await asyncio.sleep(upload.interval_s)
                else:
                    await self._save(generation, upload, UploadState.UPLOADED, ended=True)
                    return
        finally:
            path.unlink(missing_ok=True)

    async def _attempt(self, upload: Upload, path: Path) -> None:
        means = self._means()
        try:
            address = parse_address(upload.request.location, usable(means.schemes))
        except AddressRefused as error:
            raise TransferFailed(Trouble.NO_MEANS, str(error)) from error
        if not self._size_b:
            try:
                self._size_b = await self._make(path, upload.request)
            except OSError as error:
                raise TransferFailed(Trouble.NO_ROOM, f"the bundle cannot be made: {error}") from error
        self._log.info("upload.began", destination=address.shown, size_b=self._size_b, attempt=upload.failures + 1)
        await send(address, path, upload.filename, means)

    async def _save(
        self, generation: int, upload: Upload, state: UploadState | None = None, *, ended: bool = False
    ) -> Upload:
        """Make the record durable together with the state that it tells, if that is news; return it."""
        news = state is not None and state is not upload.told
        if news:
            upload = msgspec.structs.replace(upload, told=state)
        durables: list[Durable] = [
            SaveDocument(kind=UPLOAD_DOCUMENTS, key=KEY, body=None) if ended else _document(upload)
        ]
        if news and state is not None:
            durables.append(Record(fact=self._fact(upload.request, state)))
        while True:
            try:
                async with self._saving:
                    if generation != self._generation:
                        raise Superseded
                    await self._store.commit(durables)
                    self._upload = None if ended else upload
                    break
            except StoreError as error:
                self._unkept.set(True, error=str(error))
                await asyncio.sleep(STORE_RETRY_S)
        self._unkept.set(False)
        if news and state is not None:
            self._log.info("upload.progressed", state=state.value, request_id=upload.request.request_id)
            self._facts_waiting()
        return upload

    def _fact(self, request: UploadLog, state: UploadState) -> UploadProgressed:
        return UploadProgressed(state=state, at=self._clock.now(), request_id=request.request_id)


def _document(upload: Upload) -> SaveDocument:
    return SaveDocument(kind=UPLOAD_DOCUMENTS, key=KEY, body=encode_upload(upload))
