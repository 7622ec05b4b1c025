"""One suite over every installer: the bench's, a manufacturer's command, RAUC on a bus that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from drivers.api import DriverError, DriverKind, DriverTimeout, DriverUnavailable
from drivers.api.installers import ImageRejected, Installer
from drivers.installer.bench import BenchInstaller
from drivers.installer.command import CommandInstaller
from drivers.installer.rauc import RaucInstaller, refuses
from drivers.installer.rauc_bus import RaucBusy
from drivers.registry import check_options, find


class Machine(Protocol):
    """The world's side of an installer."""

    installer: Installer

    def next_installation(self, outcome: str) -> None:
        """``installed`` (in force after a restart), ``reject`` or ``fail``."""

    def restart(self, *, into_new: bool) -> None:
        """The machine has restarted."""

    def kept(self) -> bool:
        """Return whether the new image was kept for good."""


class BenchMachine:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "bench"
        self._folder.mkdir()
        self.installer: Installer = BenchInstaller(dir=str(self._folder))

    def next_installation(self, outcome: str) -> None:
        (self._folder / "plan").write_text({"installed": "reboot"}.get(outcome, outcome))

    def restart(self, *, into_new: bool) -> None:
        staged = self._folder / "staged"
        if into_new and staged.exists():
            staged.replace(self._folder / "version")

    def kept(self) -> bool:
        return "confirm" in (self._folder / "log").read_text()


INSTALL = """#!/bin/sh
read outcome < {folder}/outcome
echo "progress 10"
echo "writing $1 ($CHARGE_AGENT_IMAGE)" >> {folder}/log
echo "progress 100"
case $outcome in
  reject) echo "wrong signature"; exit 11;;
  fail) echo "no space"; exit 1;;
  slow) sleep 30 & echo $! > {folder}/child; wait;;
esac
exit 10
"""


class CommandMachine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "command"
        self.folder.mkdir()
        self._script("install", INSTALL.format(folder=self.folder))
        self._script("version", f"#!/bin/sh\ncat {self.folder}/version\n")
        self._script("confirm", f"#!/bin/sh\necho kept $CHARGE_AGENT_BEFORE >> {self.folder}/log\n")
        self._script("reboot", f"#!/bin/sh\ntouch {self.folder}/rebooting\n")
        self._put("version", "1.0")
        self.installer: Installer = self.made()

    def made(self, **options: Any) -> CommandInstaller:
        words = {name: f"{self.folder}/{name}.sh" for name in ("install", "version", "confirm", "reboot")}
        return CommandInstaller(**(words | {"timeout_s": 10.0} | options))

    def next_installation(self, outcome: str) -> None:
        self._put("outcome", outcome)

    def restart(self, *, into_new: bool) -> None:
        if into_new:
            self._put("version", "2.0")

    def kept(self) -> bool:
        return "kept 1.0" in (self.folder / "log").read_text()

    def _put(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text + "\n")

    def _script(self, name: str, text: str) -> None:
        path = self.folder / f"{name}.sh"
        path.write_text(text)
        path.chmod(0o755)


@dataclass(slots=True)
class RaucService:
    """RAUC as its D-Bus reference describes it."""

    slot: str = "A"
    outcome: str = "installed"
    error: str = ""
    marked: list[tuple[str, str]] = field(default_factory=list)
    bundles: list[str] = field(default_factory=list)
    done: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    async def get(self, name: str) -> Any:
        return {"BootSlot": self.slot, "LastError": self.error, "Progress": (50, "Copying", 1)}[name]

    async def install(self, bundle: str) -> None:
        self.bundles.append(bundle)
        self.error = {
            "installed": "",
            "reject": "signature verification failed: unable to get local issuer certificate",
            "fail": "Failed to mount: no space left on device",
        }[self.outcome]
        self.done.put_nowait(1 if self.error else 0)

    async def mark(self, state: str, slot: str) -> None:
        self.marked.append((state, slot))

    async def completed(self) -> int:
        return await self.done.get()

    async def close(self) -> None:
        pass


class RaucMachine:
    def __init__(self, _folder: Path) -> None:
        self.service = RaucService()
        self.installer: Installer = RaucInstaller(reboot="/bin/true", bus=self.service)

    def next_installation(self, outcome: str) -> None:
        self.service.outcome = outcome

    def restart(self, *, into_new: bool) -> None:
        self.service.slot = "B" if into_new else "A"

    def kept(self) -> bool:
        return self.service.marked == [("good", "booted")]


@pytest.fixture(params=[BenchMachine, CommandMachine, RaucMachine])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    made: Callable[[Path], Machine] = request.param
    return made(tmp_path)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(b"version=2.0\n" + b"x" * 1000)
    return path


async def test_an_image_is_installed_and_kept_after_the_restart(machine: Machine, image: Path) -> None:
    machine.next_installation("installed")
    before = await machine.installer.running()
    percents: list[int] = []
    assert await machine.installer.install(image, percents.append) is True
    assert all(0 <= each <= 100 for each in percents)
    assert await machine.installer.running() == before
    await machine.installer.reboot()
    machine.restart(into_new=True)
    assert await machine.installer.running() != before
    await machine.installer.confirm(before)
    assert machine.kept()
    await machine.installer.close()


async def test_an_old_image_that_runs_again_is_not_kept(machine: Machine, image: Path) -> None:
    machine.next_installation("installed")
    before = await machine.installer.running()
    await machine.installer.install(image, lambda _percent: None)
    machine.restart(into_new=False)
    with pytest.raises(DriverError):
        await machine.installer.confirm(before)
    assert not machine.kept()


async def test_an_image_that_is_refused_is_told_apart_from_an_installation_that_fails(
    machine: Machine, image: Path
) -> None:
    machine.next_installation("reject")
    with pytest.raises(ImageRejected):
        await machine.installer.install(image, lambda _percent: None)
    machine.next_installation("fail")
    with pytest.raises(DriverError) as caught:
        await machine.installer.install(image, lambda _percent: None)
    assert not isinstance(caught.value, ImageRejected)


# ---- a manufacturer's command ----------------------------------------------------------------------------------------


async def test_a_commands_progress_image_and_last_words_are_understood(tmp_path: Path, image: Path) -> None:
    machine = CommandMachine(tmp_path)
    machine.next_installation("fail")
    percents: list[int] = []
    with pytest.raises(DriverError, match=r"ended with 1: .*no space"):
        await machine.installer.install(image, percents.append)
    assert percents == [10, 100]
    assert f"writing {image} ({image})" in (machine.folder / "log").read_text()
    named = machine.made(install=f"{machine.folder}/install.sh --slot=auto:{{image}}")
    with pytest.raises(DriverError):
        await named.install(image, percents.append)
    assert f"writing --slot=auto:{image} " in (machine.folder / "log").read_text()


async def test_a_command_that_takes_too_long_ends_with_everything_that_it_started(tmp_path: Path, image: Path) -> None:
    machine = CommandMachine(tmp_path)
    machine.next_installation("slow")
    with pytest.raises(DriverTimeout):
        await machine.made(timeout_s=0.3).install(image, lambda _percent: None)
    child = (machine.folder / "child").read_text().strip()
    async with asyncio.timeout(5):
        while _runs(child):
            await asyncio.sleep(0.01)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_that_is_not_there_is_unavailable(tmp_path: Path, image: Path) -> None:
    with pytest.raises(DriverUnavailable):
        await CommandInstaller(install=str(tmp_path / "nothing")).install(image, lambda _percent: None)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "is missing"),
        ({"install": ""}, "is empty"),
        ({"install": "install.sh"}, "absolute path"),
        ({"install": "/bin/x 'open"}, "is no command"),
        ({"install": "/bin/x", "reboot_code": 11}, "two different codes"),
        ({"install": "/bin/x", "timeout_s": 0.1}, "outside"),
    ],
)
def test_a_commands_options_are_checked(options: dict[str, Any], problem: str) -> None:
    _, problems = check_options(find(DriverKind.INSTALLER, "command"), options)
    assert [problem in each.problem for each in problems] == [True]


# ---- RAUC ------------------------------------------------------------------------------------------------------------


async def test_a_slot_that_did_not_come_up_is_marked_bad(tmp_path: Path) -> None:
    machine = RaucMachine(tmp_path)
    with pytest.raises(DriverError, match="booted again"):
        await machine.installer.confirm("A")
    assert machine.service.marked == [("bad", "other")]


async def test_rauc_without_its_bus_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("dbus_fast")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    with pytest.raises(DriverUnavailable, match="system bus"):
        await RaucInstaller().running()


class PlayedBus:
    """A message bus on which RAUC answers: dbus-fast's own messages, no socket."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.calls: list[Any] = []
        self.handlers: list[Callable[[Any], Any]] = []
        self.refuses = ""
        self.left = False
        self.lost = asyncio.Event()

    def add_message_handler(self, handler: Callable[[Any], Any]) -> None:
        self.handlers.append(handler)

    async def call(self, message: Any) -> Any:
        message.serial = len(self.calls) + 1
        self.calls.append(message)
        reply = self._reply(message)
        self._tell(reply)
        return reply

    def _reply(self, message: Any) -> Any:
        if self.refuses:
            return self.library.Message.new_error(message, "de.pengutronix.rauc.Error", self.refuses)
        if message.member == "Get":
            return self.library.Message.new_method_return(message, "v", [self.library.Variant("s", "rootfs.0")])
        return self.library.Message.new_method_return(message)

    def completes(self, result: int) -> None:
        self._tell(self.library.Message.new_signal("/", "de.pengutronix.rauc.Installer", "Completed", "i", [result]))

    def ends(self) -> None:
        """RAUC's process is gone; the bus says so."""
        name, bus = "de.pengutronix.rauc", "org.freedesktop.DBus"
        body = [name, ":1.7", ""]
        self._tell(self.library.Message.new_signal(f"/{bus.replace('.', '/')}", bus, "NameOwnerChanged", "sss", body))

    async def wait_for_disconnect(self) -> None:
        await self.lost.wait()

    def _tell(self, message: Any) -> None:
        for handler in self.handlers:
            handler(message)

    def disconnect(self) -> None:
        self.left = True


async def test_rauc_is_asked_as_its_reference_says() -> None:
    library = pytest.importorskip("dbus_fast")
    from drivers.installer.rauc_bus import SystemBus

    bus = PlayedBus(library)
    rauc = SystemBus(library, bus)
    assert await rauc.get("BootSlot") == "rootfs.0"
    bus.completes(0)  # another's, before ours was taken
    await rauc.install("/var/lib/x/firmware.bin")
    bus.completes(1)
    assert await rauc.completed() == 1
    await rauc.mark("good", "booted")
    said = [(each.destination, each.interface, each.member, each.signature, each.body) for each in bus.calls]
    assert said == [
        ("de.pengutronix.rauc", "org.freedesktop.DBus.Properties", "Get", "ss", [*said[0][4]]),
        ("de.pengutronix.rauc", "de.pengutronix.rauc.Installer", "InstallBundle", "sa{sv}", [*said[1][4]]),
        ("de.pengutronix.rauc", "de.pengutronix.rauc.Installer", "Mark", "ss", ["good", "booted"]),
    ]
    assert said[0][4] == ["de.pengutronix.rauc.Installer", "BootSlot"]
    assert said[1][4] == ["/var/lib/x/firmware.bin", {}]
    for busy in ("Already processing a different method", "already processing a different method"):  # RAUC 1.8 has both
        bus.refuses = busy
        with pytest.raises(RaucBusy, match=f"InstallBundle: {busy}"):
            await rauc.install("/x")
    bus.refuses = "no such thing"
    with pytest.raises(DriverError, match="InstallBundle: no such thing"):
        await rauc.install("/x")
    await rauc.close()
    assert bus.left


async def test_an_installation_ends_with_rauc_and_with_the_bus() -> None:
    library = pytest.importorskip("dbus_fast")
    from drivers.installer.rauc_bus import SystemBus

    bus = PlayedBus(library)
    rauc = SystemBus(library, bus)
    for end in (bus.ends, bus.lost.set):
        await rauc.install("/x")
        waiting = asyncio.ensure_future(rauc.completed())
        await asyncio.sleep(0)
        end()
        with pytest.raises(DriverUnavailable, match="in the middle"):
            await waiting


@pytest.mark.parametrize(
    ("said", "the_bundle"),
    [
        ("signature verification failed: Verify error: self-signed certificate", True),
        ("signature verification failed: error:1700009E:CMS routines::verification failure", True),
        ("Installation error: Compatible mismatch: Expected 'a' but bundle manifest has 'b'", True),
        ("Invalid bundle format: Signature size (15448712489273942763) exceeds bundle size", True),
        ("Installation error: Bundle rejected: Hook returned: hardware too old", True),
        ("Invalid bundle format: Failed to open bundle for reading: Error opening file /x: No such file", False),
        ("failed to load CA file '/etc/rauc/keyring.pem' and/or directory '(null)'", False),
        ("Installation error: Destination device '/dev/mmcblk0p3' not found", False),
        ("Failed mounting bundle: Failed to open /dev/mapper/control: No such file or directory", False),
        ("Installation error: Failed marking slot rootfs.1 non-bootable: custom backend: Failed to start", False),
    ],
)
def test_what_rauc_says_of_a_bundle_is_told_from_what_it_says_of_the_machine(said: str, the_bundle: bool) -> None:
    assert refuses(said) is the_bundle
