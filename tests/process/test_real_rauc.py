"""RAUC itself, on a message bus of its own, with two slots that are files. Skipped where there is no RAUC.

To play it: as root, after ``apt-get install rauc dbus squashfs-tools openssl`` (Debian 12: RAUC 1.8).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.api import DriverError, DriverUnavailable
from drivers.api.installers import ImageRejected
from drivers.installer.rauc import RaucInstaller

NEEDED = ("rauc", "dbus-daemon", "mksquashfs", "openssl")
MISSING = [each for each in NEEDED if shutil.which(each) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/dev/loop-control").exists(),
        reason="RAUC mounts bundles, which needs root and loop devices",
    ),
]
READY_S = 10.0

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""
SYSTEM = """[system]
compatible=our-station
bootloader=custom
mountprefix={folder}/mnt
statusfile={folder}/slots.status

[handlers]
bootloader-custom-backend={folder}/boot.sh
pre-install={folder}/wait.sh

[keyring]
path={folder}/maker.crt

[slot.rootfs.0]
device={folder}/slot-A
type=raw
bootname=A

[slot.rootfs.1]
device={folder}/slot-B
type=raw
bootname=B
"""
MANIFEST = """[update]
compatible={compatible}
version=2.0.0

[image.rootfs]
filename=rootfs.img
"""
BOOT = """#!/bin/sh
cd {folder}
case $1 in
  get-primary) cat primary;;
  set-primary) echo $2 > primary;;
  get-state) cat state.$2;;
  set-state) echo $3 > state.$2;;
esac
"""
WAIT = "#!/bin/sh\nwhile [ -e {folder}/hold ]; do sleep 0.02; done\n"


class RealRauc:
    """A machine with two slots; RAUC's service and its bus run as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        (folder / "mnt").mkdir()
        for name, text in (("system.conf", SYSTEM), ("bus.conf", BUS), ("boot.sh", BOOT), ("wait.sh", WAIT)):
            (folder / name).write_text(text.format(folder=folder))
            (folder / name).chmod(0o755)
        for name, text in (("primary", "A"), ("state.A", "good"), ("state.B", "good")):
            (folder / name).write_text(text + "\n")
        for slot in "AB":
            with (folder / f"slot-{slot}").open("wb") as file:
                file.truncate(1 << 20)
        for who in ("maker", "stranger"):
            key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{who}.key")
            self._run("openssl", "req", "-x509", *key, "-out", f"{who}.crt", "-subj", f"/CN={who}")
        self.log = (folder / "rauc.log").open("wb")
        self.bus = subprocess.Popen(["dbus-daemon", "--nofork", f"--config-file={folder}/bus.conf"], stderr=self.log)
        self.service: subprocess.Popen[bytes] | None = None

    def bundle(self, name: str, *, signed_by: str = "maker", compatible: str = "our-station") -> Path:
        content = self.folder / "content"
        content.mkdir()
        (content / "rootfs.img").write_bytes(os.urandom(50_000))
        (content / "manifest.raucm").write_text(MANIFEST.format(compatible=compatible))
        self._run("rauc", "bundle", f"--cert={signed_by}.crt", f"--key={signed_by}.key", "content", name)
        shutil.rmtree(content)
        return self.folder / name

    async def boot(self, slot: str) -> None:
        """The machine comes up with a slot."""
        self.end()
        self._serve(slot)
        async with asyncio.timeout(READY_S):
            while True:
                with contextlib.suppress(DriverError):
                    assert await RaucInstaller().running() == slot
                    return
                await asyncio.sleep(0.02)

    def _serve(self, slot: str) -> None:
        command = ["rauc", f"--conf={self.folder}/system.conf", f"--override-boot-slot={slot}", "service"]
        environ = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        self.service = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environ)

    def end(self) -> None:
        """RAUC's service dies, with no time for anything."""
        if self.service is not None:
            self.service.kill()
            self.service.wait()
            self.service = None

    def hold(self, held: bool) -> None:
        """Installations wait before they write, or go on."""
        (self.folder / "hold").touch() if held else (self.folder / "hold").unlink(missing_ok=True)

    def holds(self, name: str) -> str:
        return (self.folder / name).read_text().strip()

    def close(self) -> None:
        self.hold(False)
        self.end()
        self.bus.kill()
        self.bus.wait()
        self.log.close()
        subprocess.run(["umount", "--lazy", self.folder / "mnt" / "bundle"], check=False, capture_output=True)

    def _run(self, *words: str) -> None:
        subprocess.run(words, cwd=self.folder, check=True, capture_output=True)


@pytest.fixture
def rauc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealRauc]:
    pytest.importorskip("dbus_fast")
    made = RealRauc(tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    yield made
    made.close()


async def test_a_real_rauc_installs_refuses_is_waited_for_and_falls_back(rauc: RealRauc) -> None:
    good = rauc.bundle("firmware.bin")
    foreign = rauc.bundle("foreign.bin", signed_by="stranger")
    other = rauc.bundle("other.bin", compatible="other-station")
    cut = rauc.folder / "cut.bin"
    cut.write_bytes(good.read_bytes()[:30_000])
    installer = RaucInstaller(timeout_s=20.0)
    percents: list[int] = []
    with pytest.raises(DriverError):
        await installer.running()  # RAUC does not run yet
    await rauc.boot("A")
    for refused in (foreign, other, cut):
        with pytest.raises(ImageRejected):
            await installer.install(refused, percents.append)
    with pytest.raises(DriverError) as caught:
        await installer.install(rauc.folder / "nothing.bin", percents.append)
    assert not isinstance(caught.value, ImageRejected)
    assert rauc.holds("primary") == "A"

    # Two at once, as when the agent was restarted in the middle: the second waits for the first.
    rauc.hold(True)

    def told(percent: int) -> None:
        percents.append(percent)
        rauc.hold(False)

    first, second = installer.install(good, told), installer.install(good, percents.append)
    assert all(await asyncio.gather(first, second))
    assert percents
    assert all(0 <= each <= 100 for each in percents)
    assert rauc.holds("primary") == "B"
    assert rauc.holds("state.B") == "bad", "not bootable for good before it has been confirmed"

    (rauc.folder / "state.B").write_text("good\n")  # a boot loader that would try it once more
    with pytest.raises(DriverError, match="booted again"):
        await installer.confirm("A")  # it fell back
    assert rauc.holds("state.B") == "bad", "it would come up by itself later"
    await rauc.boot("B")
    await installer.confirm("A")
    assert rauc.holds("state.B") == "good"


async def test_a_real_rauc_that_dies_in_the_middle_ends_the_installation(rauc: RealRauc) -> None:
    good = rauc.bundle("firmware.bin")
    await rauc.boot("A")
    rauc.hold(True)
    installation = asyncio.ensure_future(RaucInstaller().install(good, lambda _percent: rauc.end()))
    with pytest.raises(DriverUnavailable, match="in the middle"):
        async with asyncio.timeout(READY_S):
            await installation
    assert rauc.holds("primary") == "A"
