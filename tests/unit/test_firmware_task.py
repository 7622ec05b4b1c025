"""The tasks of updates and uploads by themselves: killed in the middle of a file, with a store that refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from agent.clock import Clock
from agent.console.screens import status_screen
from agent.errors import StoreError
from agent.maintenance.part_file import CHECKPOINT_B
from agent.maintenance.transfer import Means
from agent.maintenance.update import KEY, Phase, Update, decode_update
from agent.model.effects import Durable, Record, SaveDocument
from agent.model.maintenance import FirmwareProgressed, FirmwareState, UpdateFirmware
from agent.model.security import SecurityEventKind
from agent.runtime.firmware_around import Surroundings
from agent.runtime.firmware_task import FirmwareTask
from drivers.installer.bench import BenchInstaller
from tests.scenario.secured_world import Source
from tests.unit.file_hosts import http_host

CONTENT = bytes(range(256)) * 4096


@dataclass(slots=True)
class Journal:
    """A store: what is durable, and how often it refuses."""

    documents: dict[str, bytes] = field(default_factory=dict)
    states: list[FirmwareState] = field(default_factory=list)
    refusals: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def commit(self, durables: Sequence[Durable]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the disk is full")
        for each in durables:
            match each:
                case SaveDocument(key=key, body=body) if body is not None:
                    self.documents[key] = body
                case Record(fact=FirmwareProgressed(state=state)):
                    self.states.append(state)
        self.changed.set()

    async def until(self, state: FirmwareState) -> None:
        async with asyncio.timeout(10):
            while state not in self.states:
                self.changed.clear()
                await self.changed.wait()


def around(folder: Path, journal: Journal, events: list[Any] | None = None) -> Surroundings:
    async def untold() -> int:
        return 0

    def note(event: SecurityEventKind, text: str = "", *, asked: bool = False) -> None:
        (events if events is not None else []).append(event)

    (folder / "bench").mkdir(exist_ok=True)
    (folder / "bench" / "plan").write_text("installed")
    return Surroundings(
        clock=Clock(Source()),
        store=journal,
        folder=folder / "maintenance",
        most_b=1 << 30,
        keep_free_b=0,
        means=lambda: Means(schemes=("http",)),
        installer=lambda: BenchInstaller(dir=str(folder / "bench")),
        check=lambda _image, _request: None,
        hold=lambda _held: None,
        views=lambda: (SimpleNamespace(operative=False, transaction_id=None),),
        online=lambda: True,
        untold=untold,
        restart=lambda: None,
        facts_waiting=lambda: None,
        note=note,
        store_retry_s=0.01,
    )


@asynccontextmanager
async def running(task: FirmwareTask) -> Any:
    work = asyncio.create_task(task.run())
    try:
        yield task
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def wanted(port: int, **more: Any) -> Update:
    location = f"http://127.0.0.1:{port}/fw"
    return Update(request=UpdateFirmware(location=location, retrieve_utc_s=time.time() - 1, **more))


@pytest.mark.req("OCPP 1.6 §4.5, §5.19: a download goes on after a restart; a state is told once")
async def test_an_agent_that_is_killed_in_the_middle_of_a_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    journal, events = Journal(), []
    part = tmp_path / "maintenance" / "firmware.bin.part.json"
    with http_host(fw=CONTENT * 6) as host:
        host.stalls, host.stalls_after_b = True, CHECKPOINT_B + 1000
        async with running(FirmwareTask(around(tmp_path, journal), None)) as task:
            await task.take(wanted(host.port))
            async with asyncio.timeout(10):
                while not part.exists() or b'"durable_b":0' in part.read_bytes():
                    await asyncio.sleep(0.01)
            began_s = time.monotonic()
            assert task.current().state is FirmwareState.DOWNLOADING  # whoever asks is answered meanwhile
        assert time.monotonic() - began_s < 5
        host.stalls = False
        kept = decode_update(journal.documents[KEY])
        assert kept.phase is Phase.DOWNLOAD
        async with running(FirmwareTask(around(tmp_path, journal, events), kept)):
            await journal.until(FirmwareState.INSTALLED)
        [begin] = host.ranges
        assert int(begin.removeprefix("bytes=").rstrip("-")) >= CHECKPOINT_B
    assert journal.states == [
        FirmwareState.DOWNLOADING,
        FirmwareState.DOWNLOADED,
        FirmwareState.INSTALLING,
        FirmwareState.INSTALLED,
    ]
    assert decode_update(journal.documents[KEY]).phase is Phase.DONE
    assert events == [SecurityEventKind.FIRMWARE_UPDATED]
    assert not list((tmp_path / "maintenance").iterdir())


@pytest.mark.req("security whitepaper L01.FR.24")
async def test_a_newer_request_ends_a_download_that_hangs_at_once(tmp_path: Path) -> None:
    journal = Journal()
    with http_host(fw=CONTENT) as host, http_host(fw=b"small") as other:
        host.stalls = True
        async with running(FirmwareTask(around(tmp_path, journal), None)) as task:
            assert await task.take(wanted(host.port)) is False
            await asyncio.to_thread(host.asked_one.wait)
            assert await task.take(wanted(other.port)) is True
            await journal.until(FirmwareState.INSTALLED)
    assert (tmp_path / "bench" / "log").read_text().count("install ") == 1


class WholeMachine(BenchInstaller):
    """Restarts the machine and not the software alone; ``asked`` says how often."""

    asked = 0

    async def reboot(self) -> bool:
        type(self).asked += 1
        await super().reboot()
        return True


class Boot(Source):
    def __init__(self, name: str) -> None:
        self.name = name

    def boot_id(self) -> str:
        return self.name


@pytest.mark.req("security whitepaper L01: InstallRebooting, Installed by the new image")
async def test_an_update_is_confirmed_after_the_restart_of_the_machine_and_not_before(tmp_path: Path) -> None:
    journal = Journal()
    plain = around(tmp_path, journal)
    (tmp_path / "bench" / "plan").write_text("reboot")
    (tmp_path / "bench" / "staged").write_text("2.0")
    (tmp_path / "maintenance").mkdir()
    update = msgspec.structs.replace(
        wanted(1, request_id=7, certificate_pem="", signature=""),
        phase=Phase.REBOOT,
        boot_id="before",
        running_before="bench-0",
        told=FirmwareState.INSTALL_REBOOTING,
    )
    WholeMachine.asked = 0
    installer = lambda: WholeMachine(dir=str(tmp_path / "bench"))  # noqa: E731

    def at(boot: str, *, online: bool = True) -> Surroundings:
        clock = Clock(Boot(boot))
        return msgspec.structs.replace(plain, clock=clock, installer=installer, online=lambda: online)

    async with running(FirmwareTask(at("before"), update)):  # the agent died before the machine restarted
        async with asyncio.timeout(5):
            while not WholeMachine.asked:
                await asyncio.sleep(0.01)
        assert journal.states == []
    async with running(FirmwareTask(at("after", online=False), update)) as task:
        for _ in range(20):
            await asyncio.sleep(0)
        assert journal.states == []  # it has not reached the CSMS yet
        assert task.update.phase is Phase.REBOOT
    async with running(FirmwareTask(at("after"), update)):
        await journal.until(FirmwareState.INSTALLED)
    assert WholeMachine.asked == 1
    assert (tmp_path / "bench" / "log").read_text().splitlines()[-1] == "confirm 2.0"


async def test_a_store_that_refuses_for_a_while_costs_no_state(tmp_path: Path) -> None:
    journal = Journal()
    with http_host(fw=b"small") as host:
        async with running(FirmwareTask(around(tmp_path, journal), None)) as task:
            await task.take(wanted(host.port))
            journal.refusals = 5
            await journal.until(FirmwareState.INSTALLED)
            journal.refusals = 1
            with pytest.raises(StoreError):
                await task.take(wanted(host.port))
            assert task.update.phase is Phase.DONE  # what was not kept was not begun
    assert len(journal.states) == 4


@pytest.mark.req("OCPP 1.6 §5.19: no installation while a charge runs, also right after a restart")
async def test_an_update_that_waits_is_not_installed_before_the_core_stands_and_its_charge_has_ended(
    tmp_path: Path,
) -> None:
    journal, seen = Journal(), []
    charging = SimpleNamespace(operative=True, transaction_id="T")
    held = msgspec.structs.replace(around(tmp_path, journal), views=lambda: seen)
    (tmp_path / "maintenance").mkdir()
    (tmp_path / "maintenance" / "firmware.bin").write_bytes(b"image")
    update = msgspec.structs.replace(wanted(1), phase=Phase.READY, told=FirmwareState.DOWNLOADED)
    async with running(FirmwareTask(held, update)) as task:
        for views in ([], [charging]):
            seen[:] = views
            task.changed()
            for _ in range(20):
                await asyncio.sleep(0)
            assert journal.states == []
        seen[:] = [SimpleNamespace(operative=False, transaction_id=None)]
        task.changed()
        await journal.until(FirmwareState.INSTALLED)


async def test_without_an_installer_nothing_is_fetched_and_the_csms_is_told(tmp_path: Path) -> None:
    journal = Journal()
    nobody = msgspec.structs.replace(around(tmp_path, journal), installer=None)
    with http_host(fw=b"small") as host:
        async with running(FirmwareTask(nobody, None)) as task:
            await task.take(wanted(host.port))
            await journal.until(FirmwareState.DOWNLOAD_FAILED)
        assert host.asked == []
        assert "no installer" in task.update.why


def test_the_screen_tells_of_updates_and_uploads() -> None:
    firmware = {"state": "installing", "phase": "install", "signed": True, "percent": 40, "why": ""}
    upload = {"filename": "CP-diagnostics.tar.gz", "failures": 2}
    status = {
        "station": {
            "id": "CP", "vendor": "V", "model": "M", "version": "1", "uptime_s": 1, "settings": "file",
            "utc": None, "time_quality": "unknown",
        },
        "csms": {"state": "accepted", "since_s": 1, "version": "1.6", "url": "ws://x", "error": ""},
        "guard": {"connected": True, "error": ""},
        "store": {"waiting": 0, "dead": 0, "ok": True, "recovered": ""},
        "faults": [], "evses": [], "variables": [],
        "maintenance": {"firmware": firmware, "upload": upload},
    }  # fmt: skip
    screen = status_screen(status)
    assert "firmware update (signed) installing 40 %" in screen
    assert "upload of CP-diagnostics.tar.gz is under way, failed 2 times" in screen
