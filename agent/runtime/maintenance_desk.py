"""Answers what the CSMS asks about firmware, diagnostics and logs; the work itself is other tasks'.

Everything that is quick is looked at before the answer: the address, the certificate of who signed, what is under way.
What is accepted is durable by then.

Source: OCPP 1.6 §5.9, §5.19; security whitepaper ed. 3 L01, N01.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.errors import StoreError
from agent.log import get_logger
from agent.maintenance.address import AddressRefused, parse_address
from agent.maintenance.transfer import Means, usable
from agent.maintenance.update import Update
from agent.maintenance.upload import Upload
from agent.model.commands import AnyOutcome, Command
from agent.model.maintenance import (
    LogKind,
    UpdateAnswer,
    UpdateFirmware,
    UpdateOutcome,
    UploadAnswer,
    UploadLog,
    UploadOutcome,
)
from agent.model.security import SecurityEventKind
from agent.runtime.firmware_around import Note
from agent.runtime.firmware_task import FirmwareTask
from agent.runtime.upload_task import UploadTask


class SignerRefused(Exception):
    """The certificate of who signed a firmware is not acceptable. ``revoked``: its issuer took it back."""

    def __init__(self, text: str, *, revoked: bool = False) -> None:
        self.revoked = revoked
        super().__init__(text)


class MaintenanceDesk:
    """See the module's text.

    Args:
        can_install: there is an installer.
        unsigned: returns whether firmware is taken that nobody signed.
        check_signer: checks a signing certificate; raises ``SignerRefused``; blocking.
        name: makes the name of a bundle.
    """

    def __init__(
        self,
        *,
        firmware: FirmwareTask,
        uploads: UploadTask,
        means: Callable[[], Means],
        can_install: bool,
        unsigned: Callable[[], bool],
        check_signer: Callable[[str], None],
        name: Callable[[LogKind], str],
        note: Note,
    ) -> None:
        self._firmware = firmware
        self._uploads = uploads
        self._means = means
        self._can_install = can_install
        self._unsigned = unsigned
        self._check_signer = check_signer
        self._name = name
        self._note = note
        self._log = get_logger("maintenance")

    def takes(self, command: Command) -> bool:
        """Return whether this desk answers the command."""
        return isinstance(command, UpdateFirmware | UploadLog)

    async def handle(self, command: Command) -> AnyOutcome:
        """Return the outcome; what was accepted is durable by then."""
        match command:
            case UpdateFirmware():
                outcome = await self._update(command)
                if outcome.why:
                    self._log.warning("firmware_request.refused", answer=outcome.answer.value, why=outcome.why)
                return outcome
            case UploadLog():
                upload = await self._upload(command)
                if upload.why:
                    self._log.warning("upload_request.refused", answer=upload.answer.value, why=upload.why)
                return upload
        raise AssertionError(command)

    async def _update(self, request: UpdateFirmware) -> UpdateOutcome:
        if not request.signed and not self._unsigned():
            return UpdateOutcome(answer=UpdateAnswer.SIGNED_ONLY, why="the firmware is not signed")
        before = self._firmware.update
        if before is not None and before.under_way and not before.replaceable:
            return UpdateOutcome(answer=UpdateAnswer.REJECTED, why="another firmware is being installed")
        if request.signed:  # an unsigned one has no answer but its states
            refused = await self._refused(request)
            if refused is not None:
                return refused
        try:
            canceled = await self._firmware.take(Update(request=request))
        except StoreError as error:
            return UpdateOutcome(answer=UpdateAnswer.REJECTED, why=f"it cannot be kept: {error}")
        return UpdateOutcome(answer=UpdateAnswer.ACCEPTED_CANCELED if canceled else UpdateAnswer.ACCEPTED)

    async def _refused(self, request: UpdateFirmware) -> UpdateOutcome | None:
        try:
            await asyncio.to_thread(self._check_signer, request.certificate_pem or "")
        except SignerRefused as error:
            self._note(SecurityEventKind.INVALID_FIRMWARE_CERTIFICATE, f"not taken: {error}", asked=True)
            answer = UpdateAnswer.REVOKED_CERTIFICATE if error.revoked else UpdateAnswer.INVALID_CERTIFICATE
            return UpdateOutcome(answer=answer, why=str(error))
        if not self._can_install:
            return UpdateOutcome(answer=UpdateAnswer.REJECTED, why="there is no installer ([maintenance] installer)")
        problem = self._problem_of(request.location)
        return UpdateOutcome(answer=UpdateAnswer.REJECTED, why=problem) if problem else None

    async def _upload(self, request: UploadLog) -> UploadOutcome:
        problem = self._problem_of(request.location)
        upload = Upload(request=request, filename=self._name(request.kind))
        try:
            if problem:
                if request.request_id is None:  # its answer has no word for a refusal
                    await self._uploads.refuse(request)
                return UploadOutcome(answer=UploadAnswer.REJECTED, why=problem)
            canceled = await self._uploads.take(upload)
        except StoreError as error:
            return UploadOutcome(answer=UploadAnswer.REJECTED, why=f"it cannot be kept: {error}")
        answer = UploadAnswer.ACCEPTED_CANCELED if canceled else UploadAnswer.ACCEPTED
        return UploadOutcome(answer=answer, filename=upload.filename)

    def _problem_of(self, location: str) -> str:
        try:
            parse_address(location, usable(self._means().schemes))
        except AddressRefused as error:
            return str(error)
        return ""
