"""The task that carries out a firmware update, step by step, over restarts and power cuts.

What it does next follows from the update's record alone; every change of the record is committed together with the
state that it tells. See ``agent.maintenance.update`` for the steps and docs/maintenance.md for what a CSMS sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from agent.errors import StoreError
from agent.log import Condition, get_logger
from agent.maintenance.address import AddressRefused, parse_address
from agent.maintenance.part_file import PartFile
from agent.maintenance.transfer import HOPELESS, LASTING, TransferFailed, Trouble, fetch, usable
from agent.maintenance.update import (
    KEY,
    MOST_INSTALLATIONS,
    Phase,
    Update,
    encode_update,
    failed_installation,
    tells,
)
from agent.model.effects import Durable, Record, SaveDocument
from agent.model.evse import EvseView
from agent.model.maintenance import (
    FINAL_STATES,
    FIRMWARE_DOCUMENTS,
    FirmwareProgressed,
    FirmwareState,
)
from agent.model.security import SecurityEventKind
from agent.runtime.firmware_around import ImageUntrusted, Surroundings
from agent.runtime.replaceable import Superseded, until_replaced
from drivers.api import DriverError
from drivers.api.installers import ImageRejected, Installer

LOOK_S: Final = 3600.0  # a date is looked at so often at least: clocks are set
UNKNOWN_TIME_S: Final = 30.0
TELL_S: Final = 10.0  # how long a restart waits until the CSMS was told of it
REBOOT_S: Final = 600.0  # a machine that still runs after so long does not restart
CONFIRM_S: Final = 600.0  # a new image is kept once the CSMS was reached, or after so long
IMAGE: Final = "firmware.bin"


class FirmwareTask:
    """See the module's text.

    Args:
        update: what the journal kept; ``None``: nothing.
    """

    def __init__(self, around: Surroundings, update: Update | None) -> None:
        self._around = around
        self._update = update
        self._generation = 0
        self._installer: Installer | None = None
        self._saving = asyncio.Lock()
        self._replaced = asyncio.Event()
        self._changed = asyncio.Event()
        self._log = get_logger("firmware")
        self._unkept = Condition(self._log, "firmware_record.unkept")
        self._percent = 0

    # ---- what others ask -----------------------------------------------------------------------------------------

    @property
    def update(self) -> Update | None:
        """Return the update as it stands; ``None``: there never was one."""
        return self._update

    @property
    def percent(self) -> int:
        """Return how far the installation is, as the installer says."""
        return self._percent

    def current(self) -> FirmwareProgressed | None:
        """Return the state that a trigger tells; ``None``: idle."""
        update = self._update
        if update is None or update.current is None:
            return None
        return self._fact(update, update.current)

    async def take(self, update: Update) -> bool:
        """Begin an update; one that is under way ends. Return whether one did.

        Raises:
            StoreError: it cannot be kept; nothing changed. ``Superseded`` never leaves this class.
        """
        async with self._saving:
            before = self._update
            await self._around.store.commit([_document(update)])
            self._update = update
            self._generation += 1
        self._replaced.set()
        return before is not None and before.under_way

    def changed(self) -> None:
        """An EVSE or the link looks different now."""
        self._changed.set()

    # ---- the task ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Carry out updates for ever."""
        if self._update is None or not self._update.under_way:
            await asyncio.to_thread(self._tidy)
        while True:
            self._replaced.clear()
            update = self._update
            if update is None or not update.under_way:
                await self._replaced.wait()
                continue
            try:
                await until_replaced(self._carry_out(self._generation), self._replaced)
            except Superseded:
                self._log.info("firmware.superseded")
            finally:
                self._around.hold(False)

    async def _carry_out(self, generation: int) -> None:
        while (update := self._update) is not None and update.under_way:
            if generation != self._generation:
                raise Superseded
            match update.phase:
                case Phase.WAIT:
                    await self._wait(generation, update)
                case Phase.DOWNLOAD:
                    await self._download(generation, update)
                case Phase.VERIFY:
                    await self._verify(generation, update)
                case Phase.READY:
                    await self._get_ready(generation, update)
                case Phase.INSTALL:
                    await self._install(generation, update)
                case Phase.REBOOT:
                    await self._restart(generation, update)

    async def _wait(self, generation: int, update: Update) -> None:
        if not self._is_due(update.request.retrieve_utc_s):
            update = await self._save(generation, update, FirmwareState.DOWNLOAD_SCHEDULED)
            await self._until(update.request.retrieve_utc_s)
        self._image().discard()
        await self._save(generation, update, FirmwareState.DOWNLOADING, phase=Phase.DOWNLOAD)

    async def _download(self, generation: int, update: Update) -> None:
        around, text = self._around, update.request.location
        try:
            if around.installer is None:
                raise TransferFailed(Trouble.NO_MEANS, "there is no installer for it ([maintenance] installer)")
            means = around.means()
            try:
                address = parse_address(text, usable(means.schemes))
            except AddressRefused as error:
                raise TransferFailed(Trouble.NO_MEANS, str(error)) from error
            self._log.info("firmware_download.began", source=address.shown, attempt=update.failures + 1)
            await fetch(address, self._image(), means)
        except TransferFailed as error:
            await self._missed(generation, update, error)
            return
        except OSError as error:
            await self._missed(generation, update, TransferFailed(Trouble.NO_ROOM, str(error)))
            return
        after = Phase.VERIFY if update.request.signed else Phase.READY
        await self._save(generation, update, FirmwareState.DOWNLOADED, phase=after)

    async def _missed(self, generation: int, update: Update, error: TransferFailed) -> None:
        self._log.warning("firmware_download.failed", why=str(error), trouble=error.trouble.value)
        update = msgspec.structs.replace(update, failures=update.failures + 1, why=str(error))
        lasting = error.trouble in LASTING and update.request.retries is None
        if error.trouble in HOPELESS or lasting or update.failures > update.retries:
            await self._end(generation, update, FirmwareState.DOWNLOAD_FAILED)
            return
        await self._save(generation, update)
        await asyncio.sleep(update.interval_s)

    async def _verify(self, generation: int, update: Update) -> None:
        why = await self._distrusted(update)
        if why:
            await self._end(generation, update, FirmwareState.INVALID_SIGNATURE, why=why)
            self._around.note(SecurityEventKind.INVALID_FIRMWARE_SIGNATURE, why, asked=True)
            return
        await self._save(generation, update, FirmwareState.SIGNATURE_VERIFIED, phase=Phase.READY)

    async def _get_ready(self, generation: int, update: Update) -> None:
        """Wait for the date of the installation and for the end of the charges."""
        around, date_s = self._around, update.request.install_utc_s
        if date_s is not None and not self._is_due(date_s):
            update = await self._save(generation, update, FirmwareState.INSTALL_SCHEDULED)
            await self._until(date_s)
        if around.new_sessions:
            update = await self._until_still(generation, update, lambda each: each.transaction_id is None)
        around.hold(True)
        update = await self._until_still(generation, update, lambda each: not each.operative)
        if update.request.signed:  # the file has lain on the disk meanwhile, perhaps over a power cut
            why = await self._distrusted(update)
            if why:
                await self._end(generation, update, FirmwareState.INVALID_SIGNATURE, why=why)
                around.note(SecurityEventKind.INVALID_FIRMWARE_SIGNATURE, why, asked=True)
                return
        try:
            before = await self._opened().running()
        except DriverError as error:
            await self._end(generation, update, FirmwareState.INSTALLATION_FAILED, why=str(error))
            return
        await self._save(
            generation, update, FirmwareState.INSTALLING, phase=Phase.INSTALL, running_before=before, installations=0
        )

    async def _install(self, generation: int, update: Update) -> None:
        around = self._around
        around.hold(True)
        update = await self._until_still(generation, update, lambda each: not each.operative)
        try:
            installer = self._opened()
            if update.installations and await installer.running() != update.running_before:
                # The installer restarted us itself, and the new image runs.
                await self._save(generation, update, phase=Phase.REBOOT, agent_restart=True)
                return
            if update.installations >= MOST_INSTALLATIONS:
                raise DriverError(f"it was interrupted {update.installations} times")
            update = await self._save(generation, update, installations=update.installations + 1)
            self._percent = 0
            self._log.info("firmware_installation.began", running=update.running_before)
            restart = await installer.install(self._image().path, self._progressed)
        except ImageRejected as error:
            await self._end(generation, update, failed_installation(update, image_refused=True), why=str(error))
        except DriverError as error:
            await self._end(generation, update, failed_installation(update, image_refused=False), why=str(error))
        else:
            if restart:
                boot_id = around.clock.boot_id
                state = FirmwareState.INSTALL_REBOOTING
                await self._save(generation, update, state, phase=Phase.REBOOT, boot_id=boot_id)
            else:
                await self._installed(generation, update)

    async def _restart(self, generation: int, update: Update) -> None:
        if update.agent_restart or update.boot_id != self._around.clock.boot_id:
            await self._confirm(generation, update)
            return
        self._around.hold(True)
        await self._told()
        try:
            machine = await self._opened().reboot()
        except DriverError as error:
            await self._end(generation, update, FirmwareState.INSTALLATION_FAILED, why=str(error))
            return
        if not machine:
            await self._save(generation, update, agent_restart=True)
            self._around.restart()
        self._log.warning("firmware.restarts", machine=machine)
        await asyncio.sleep(REBOOT_S)
        why = f"the machine did not restart within {REBOOT_S:.0f} s"
        await self._end(generation, update, FirmwareState.INSTALLATION_FAILED, why=why)

    async def _confirm(self, generation: int, update: Update) -> None:
        """Keep the image that came up, once it has reached the CSMS."""
        try:
            async with asyncio.timeout(CONFIRM_S):
                while not self._around.online():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self._log.warning("firmware.kept_unproven", waited_s=CONFIRM_S)
        try:
            await self._opened().confirm(update.running_before)
        except DriverError as error:
            await self._end(generation, update, FirmwareState.INSTALLATION_FAILED, why=str(error))
            return
        await self._installed(generation, update)

    async def _installed(self, generation: int, update: Update) -> None:
        try:
            now = await self._opened().running()
        except DriverError:
            now = ""
        await self._end(generation, update, FirmwareState.INSTALLED)
        text = f"{update.running_before or 'the old image'} was replaced by {now or 'a new one'}"
        self._around.note(SecurityEventKind.FIRMWARE_UPDATED, text)

    # ---- parts of steps ------------------------------------------------------------------------------------------

    async def _save(
        self, generation: int, update: Update, state: FirmwareState | None = None, **changes: Any
    ) -> Update:
        """Make the record durable together with the state that it tells, if that is news; return it.

        A failing store is tried again for ever: a state must not be lost.
        """
        news = state is not None and tells(update, state)
        if news:
            changes["told"] = state
        update = msgspec.structs.replace(update, **changes)
        durables: list[Durable] = [_document(update)]
        if news and state is not None:
            durables.append(Record(fact=self._fact(update, state)))
        while True:
            try:
                async with self._saving:
                    if generation != self._generation:
                        raise Superseded
                    await self._around.store.commit(durables)
                    self._update = update
                    break
            except StoreError as error:
                self._unkept.set(True, error=str(error))
                await asyncio.sleep(self._around.store_retry_s)
        self._unkept.set(False)
        if news and state is not None:
            level = "warning" if state in FINAL_STATES and state is not FirmwareState.INSTALLED else "info"
            getattr(self._log, level)("firmware.progressed", state=state.value, request_id=update.request.request_id)
            self._around.facts_waiting()
        return update

    async def _end(self, generation: int, update: Update, state: FirmwareState, **changes: Any) -> None:
        update = await self._save(generation, update, state, phase=Phase.DONE, **changes)
        if state is not FirmwareState.INSTALLED:
            self._log.warning("firmware.failed", state=state.value, why=update.why)
        self._around.hold(False)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what was fetched."""
        try:
            self._image().discard()
        except OSError as error:
            self._log.warning("firmware_file.not_removed", error=str(error))

    async def _distrusted(self, update: Update) -> str:
        """Return why the image is not trusted, "" where it is."""
        try:
            await asyncio.to_thread(self._around.check, self._image().path, update.request)
        except (ImageUntrusted, OSError) as error:
            return str(error)
        return ""

    async def _until_still(self, generation: int, update: Update, still: Callable[[EvseView], bool]) -> Update:
        """Wait until every EVSE is still; an update that has to wait for a charge is told to be scheduled."""
        while True:
            self._changed.clear()
            views = self._around.views()  # none before the core stands
            if views and all(still(view) for view in views):
                return update
            if update.phase is Phase.READY and any(view.transaction_id is not None for view in views):
                update = await self._save(generation, update, FirmwareState.INSTALL_SCHEDULED)
            await self._changed.wait()

    async def _told(self) -> None:
        """Wait a little until the CSMS has heard of the restart."""
        try:
            async with asyncio.timeout(TELL_S):
                while self._around.online() and await self._around.untold():
                    await asyncio.sleep(0.1)
        except (TimeoutError, StoreError):
            return

    def _is_due(self, utc_s: float) -> bool:
        now_s = self._around.clock.utc_s()
        return now_s is not None and now_s >= utc_s

    async def _until(self, utc_s: float) -> None:
        while not self._is_due(utc_s):
            now_s = self._around.clock.utc_s()
            await asyncio.sleep(UNKNOWN_TIME_S if now_s is None else min(utc_s - now_s, LOOK_S))

    def _opened(self) -> Installer:
        if self._around.installer is None:
            raise DriverError("there is no installer any more ([maintenance] installer)")
        if self._installer is None:
            self._installer = self._around.installer()
        return self._installer

    def _image(self) -> PartFile:
        location = "" if self._update is None else self._update.request.location
        around = self._around
        return PartFile(around.folder / IMAGE, location, most_b=around.most_b, keep_free_b=around.keep_free_b)

    def _progressed(self, percent: int) -> None:
        if percent // 10 != self._percent // 10:
            self._log.info("firmware_installation.progressed", percent=percent)
        self._percent = percent

    def _fact(self, update: Update, state: FirmwareState) -> FirmwareProgressed:
        request = update.request
        return FirmwareProgressed(
            state=state, at=self._around.clock.now(), request_id=request.request_id, signed=request.signed
        )


def _document(update: Update) -> SaveDocument:
    return SaveDocument(kind=FIRMWARE_DOCUMENTS, key=KEY, body=encode_update(update))
