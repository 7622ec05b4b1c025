"""The part of the composition root that maintains a station: firmware, uploads, bundles.

Only ``Maintained`` itself is there before the boot notification; everything that it builds loads with the journal, and
what transfers files or looks at signatures when that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agent.model.commands import TriggerKind
from agent.settings.station import Settings, UnsignedFirmware

if TYPE_CHECKING:
    from pathlib import Path

    from agent.clock import Clock
    from agent.console.door import Reply
    from agent.maintenance.transfer import Means
    from agent.model.evse import EvseView
    from agent.model.inputs import Input
    from agent.model.maintenance import LogKind, UpdateFirmware, UploadLog
    from agent.ocpp.dialect import Dialect
    from agent.runtime.csms_link import CsmsLink
    from agent.runtime.firmware_task import FirmwareTask
    from agent.runtime.maintenance_desk import MaintenanceDesk
    from agent.runtime.supervisor import Supervisor
    from agent.runtime.upload_task import UploadTask
    from agent.secured import Secured
    from agent.store import StoreThread
    from drivers.api.installers import Installer

T = TypeVar("T")
FOLDER: Final = "maintenance"
VERSION_CHARS: Final = 50  # OCPP 1.6 and 2.0.1 BootNotification, firmwareVersion
MB: Final = 1_000_000
_STATUSES: Final = (
    TriggerKind.FIRMWARE_STATUS,
    TriggerKind.SIGNED_FIRMWARE_STATUS,
    TriggerKind.DIAGNOSTICS_STATUS,
    TriggerKind.LOG_STATUS,
)


def image_version(settings: Settings) -> str | None:
    """Return the version of the whole image, as the file says that the station file names; ``None`` without one."""
    path = settings.maintenance.version_file
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            line = file.readline(1024).decode("utf-8", "replace").strip()
    except OSError:
        return None
    return "".join(each for each in line if each.isprintable())[:VERSION_CHARS] or None


class Maintained:
    """See the module's text."""

    def __init__(self, settings: Settings, dialect: Dialect, clock: Clock) -> None:
        self._settings = settings
        self._dialect = dialect
        self._clock = clock
        self._secured: Secured
        self._csms: CsmsLink
        self._firmware: FirmwareTask | None = None
        self._uploads: UploadTask | None = None
        self._replies: Mapping[str, Reply] = {}
        self._protocols: Mapping[str, str] = {}

    # ---- what happens ----------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """An EVSE or the link looks different now."""
        if self._firmware is not None:
            self._firmware.changed()

    def triggered(self, kind: TriggerKind) -> None:
        """Tell how updates or uploads go on, if that is what the CSMS asks."""
        if kind not in _STATUSES:
            return
        firmware = None if self._firmware is None else self._firmware.current()
        upload = None if self._uploads is None else self._uploads.current()
        message = self._dialect.maintenance_status(kind, firmware, upload)
        if message is not None:
            self._csms.send(message)

    # ---- the parts that come with the journal ----------------------------------------------------------------------

    def begin(
        self,
        *,
        supervisor: Supervisor,
        csms: CsmsLink,
        secured: Secured,
        store: StoreThread,
        documents: Mapping[str, Mapping[str, bytes]],
        deliver: Callable[[Input], None],
        views: Callable[[], Sequence[EvseView]],
        replies: Mapping[str, Reply],
        restart: Callable[[], None],
    ) -> MaintenanceDesk:
        """Build and start what updates and uploads; return the desk that answers for it.

        Args:
            documents: what the journal kept, by kind and key. deliver: takes inputs for the core.
            replies: what can be asked at the station's door, as it is then. restart: starts this software anew.
        """
        from agent.runtime.maintenance_desk import MaintenanceDesk

        self._secured, self._csms, self._replies = secured, csms, replies
        self._keep_log_lines()
        self._firmware = firmware = self._firmware_task(store, documents, deliver, views, restart)
        self._uploads = uploads = self._upload_task(store, documents)
        supervisor.add("firmware", firmware.run)
        supervisor.add("uploads", uploads.run)
        return MaintenanceDesk(
            firmware=firmware,
            uploads=uploads,
            means=self._means,
            can_install=self._settings.maintenance.installer is not None,
            unsigned=self._takes_unsigned,
            check_signer=self._check_signer,
            name=self._bundle_name,
            note=secured.note,
        )

    def _keep_log_lines(self) -> None:
        from agent.log import keep_lines
        from agent.maintenance.log_lines import LogRing

        keep_lines(LogRing(self._settings.station.run_dir).write)

    def _firmware_task(
        self,
        store: StoreThread,
        documents: Mapping[str, Mapping[str, bytes]],
        deliver: Callable[[Input], None],
        views: Callable[[], Sequence[EvseView]],
        restart: Callable[[], None],
    ) -> FirmwareTask:
        from agent.maintenance.update import KEY, decode_update
        from agent.model.inputs import MaintenanceHeld
        from agent.model.maintenance import FIRMWARE_DOCUMENTS
        from agent.runtime.firmware_around import Surroundings
        from agent.runtime.firmware_task import FirmwareTask

        async def untold() -> int:
            return (await store.counts()).waiting

        own = self._settings.maintenance
        around = Surroundings(
            clock=self._clock,
            store=store,
            folder=self._folder(),
            most_b=own.max_firmware_mb * MB,
            keep_free_b=own.keep_free_mb * MB,
            means=self._means,
            installer=None if own.installer is None else self._open_installer,
            check=self._check_image,
            hold=lambda held: deliver(MaintenanceHeld(held=held)),
            views=views,
            online=lambda: self._csms.session.online,
            untold=untold,
            restart=restart,
            facts_waiting=self._csms.facts_waiting,
            note=self._secured.note,
            new_sessions=own.new_sessions_before_install,
        )
        body = documents.get(FIRMWARE_DOCUMENTS, {}).get(KEY)
        return FirmwareTask(around, self._read(body, decode_update))

    def _upload_task(self, store: StoreThread, documents: Mapping[str, Mapping[str, bytes]]) -> UploadTask:
        from agent.maintenance.upload import KEY, decode_upload
        from agent.model.maintenance import UPLOAD_DOCUMENTS
        from agent.runtime.upload_task import UploadTask

        return UploadTask(
            clock=self._clock,
            store=store,
            folder=self._folder(),
            means=self._means,
            make=self._make_bundle,
            facts_waiting=self._csms.facts_waiting,
            upload=self._read(documents.get(UPLOAD_DOCUMENTS, {}).get(KEY), decode_upload),
        )

    def _read(self, body: bytes | None, decode: Callable[[bytes], T]) -> T | None:
        if body is None:
            return None
        try:
            return decode(body)
        except ValueError as error:
            from agent.log import get_logger

            get_logger("maintenance").error("maintenance_record.unreadable", error=str(error))
            return None

    def _folder(self) -> Path:
        return self._settings.station.state_dir / FOLDER

    # ---- what the tasks and the desk ask for -----------------------------------------------------------------------

    def _open_installer(self) -> Installer:
        from drivers.registry import open_driver

        driver = self._settings.maintenance.installer
        assert driver is not None  # asked for only where there is one
        installer: Installer = open_driver(driver.target, driver.options)
        return installer

    def _means(self) -> Means:
        from agent.maintenance.transfer import Means

        own = self._settings.maintenance
        try:
            roots = "\n".join(self._secured.vault.trusted_for_csms())
        except (OSError, ValueError):  # what is wrong with them is told by the link
            roots = ""
        return Means(schemes=own.allowed_schemes, roots_pem=roots, known_hosts=own.known_hosts, ssh_key=own.ssh_key)

    def _signers(self) -> tuple[str, ...]:
        """Return the roots of the manufacturer, PEM. Raises ``OSError``, ``ValueError``."""
        from agent.model.security import RootPurpose

        given = (path.read_text("utf-8") for path in self._settings.maintenance.firmware_roots)
        return (*given, *self._secured.vault.roots.installed(RootPurpose.MANUFACTURER))

    def _takes_unsigned(self) -> bool:
        match self._settings.maintenance.unsigned_firmware:
            case UnsignedFirmware.ALLOW:
                return True
            case UnsignedFirmware.REFUSE:
                return False
            case UnsignedFirmware.AUTO:
                try:
                    return not self._signers()
                except (OSError, ValueError):
                    return False

    def _check_signer(self, certificate_pem: str) -> None:
        from agent.runtime.maintenance_desk import SignerRefused
        from agent.security.certificates import Rejected, Revoked, check_signing_chain

        crl = self._settings.maintenance.firmware_crl
        try:
            revoked = "" if crl is None else crl.read_text("utf-8")
            check_signing_chain(certificate_pem, roots=self._signers(), revoked=revoked, now_s=self._clock.utc_s())
        except Revoked as error:
            raise SignerRefused(str(error), revoked=True) from error
        except (Rejected, OSError, ValueError) as error:
            raise SignerRefused(str(error)) from error

    def _check_image(self, image: Path, request: UpdateFirmware) -> None:
        from agent.runtime.firmware_around import ImageUntrusted
        from agent.runtime.maintenance_desk import SignerRefused
        from agent.security.firmware_signature import SignatureWrong, check_signature

        certificate = request.certificate_pem or ""
        try:
            self._check_signer(certificate)
            check_signature(image, request.signature or "", certificate)
        except (SignerRefused, SignatureWrong) as error:
            raise ImageUntrusted(str(error)) from error

    def _bundle_name(self, kind: LogKind) -> str:
        from agent.maintenance.upload import name_of_file

        return name_of_file(self._settings.station.id, kind, self._clock.utc_s(), self._clock.boot_id)

    async def _make_bundle(self, path: Path, request: UploadLog) -> int:
        from agent.runtime.bundles import Bundles

        bundles = Bundles(settings=self._settings, vault=self._secured.vault, clock=self._clock, replies=self._replies)
        return await bundles.make(path, request)

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def live_variables(self) -> Mapping[str, str]:
        """Return the variables that mirror what the station has for transfers, by ``key_of``."""
        if not self._dialect.transfers_files:
            return {}
        if not self._protocols:
            own = self._settings.maintenance
            usable = own.allowed_schemes
            if "sftp" in usable and (own.known_hosts is None or not _has_sftp()):
                usable = tuple(each for each in usable if each != "sftp")
            self._protocols = {"ocppcommctrlr.filetransferprotocols": ",".join(sorted(each.upper() for each in usable))}
        return self._protocols

    def beside(self, status: Reply) -> Reply:
        """Return the answer ``status`` with how updates and uploads stand."""

        async def answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
            return {**await status(request), "maintenance": self._status()}

        return answer

    def _status(self) -> Mapping[str, Any]:
        update = None if self._firmware is None else self._firmware.update
        upload = None if self._uploads is None else self._uploads.upload
        return {
            "firmware": None
            if update is None or self._firmware is None
            else {
                "state": None if update.told is None else update.told.value,
                "phase": update.phase.value,
                "signed": update.request.signed,
                "request_id": update.request.request_id,
                "failures": update.failures,
                "percent": self._firmware.percent,
                "why": update.why,
            },
            "upload": None
            if upload is None
            else {
                "filename": upload.filename,
                "kind": upload.request.kind.value,
                "request_id": upload.request.request_id,
                "failures": upload.failures,
            },
        }


def _has_sftp() -> bool:
    from agent.maintenance.transfer import usable

    return bool(usable(("sftp",)))
