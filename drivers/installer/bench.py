"""The bench's installer: a folder in which a test says what happens and sees what happened.

``plan`` says what an installation does: ``reboot`` (the default), ``installed`` (without a restart), ``fallback`` (it
restarts into the old image), ``reject``, ``fail``, ``wait`` (it goes on when the file says something else). ``version``
is the running image, ``log`` one line for everything that was done. A new image's version is its first line
``version=...``, else the beginning of its SHA-256; without a plan, an image that begins with ``broken`` fails.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final

from drivers.api import DriverError, DriverKind, DriverSpec, DriverUnavailable, Option
from drivers.api.installers import ImageRejected, Progress

PLANS: Final = ("installed", "reboot", "fallback", "reject", "fail", "wait")
LOOK_S: Final = 0.02
FIRST_LINE_B: Final = 200


class BenchInstaller:
    """See the module's text."""

    def __init__(self, *, dir: str) -> None:
        self._folder = Path(dir)

    async def running(self) -> str:
        """Return the running version."""
        return self._read("version") or "bench-0"

    async def install(self, image: Path, progress: Progress) -> bool:
        """Do what the plan says."""
        self._note(f"install {image.name}")
        while (plan := self._read("plan")) == "wait":
            await asyncio.sleep(LOOK_S)
        content = await asyncio.to_thread(_content, image)
        plan = plan or ("fail" if content.startswith(b"broken") else "reboot")
        if plan not in PLANS:
            raise DriverUnavailable(f"plan {plan!r} is not one of {', '.join(PLANS)}")
        progress(50)
        if plan == "reject":
            raise ImageRejected("the plan refuses the image")
        if plan == "fail":
            raise DriverError("the plan lets the installation fail")
        digest = sha256(content).hexdigest()
        first = content[:FIRST_LINE_B].partition(b"\n")[0].decode("ascii", "replace").strip()
        version = first.removeprefix("version=") if first.startswith("version=") else digest[:12]
        self._note(f"installed {digest}")
        progress(100)
        if plan == "installed":
            self._write("version", version)
            return False
        if plan == "reboot":
            self._write("staged", version)
        return True

    async def reboot(self) -> bool:
        """Put the new image into force; only the software restarts."""
        self._note("reboot")
        staged = self._folder / "staged"
        if staged.exists():
            staged.replace(self._folder / "version")
        return False

    async def confirm(self, before: str) -> None:
        """Note that the image is kept."""
        now = await self.running()
        if now == before:
            raise DriverError(f"{before} still runs")
        self._note(f"confirm {now}")

    async def close(self) -> None:
        """Nothing is held."""

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise DriverUnavailable(f"{self._folder / name} cannot be read: {error}") from error

    def _write(self, name: str, text: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_text(text + "\n", "utf-8")
        except OSError as error:
            raise DriverUnavailable(f"{self._folder / name} cannot be written: {error}") from error

    def _note(self, line: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "log").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise DriverUnavailable(f"{self._folder / 'log'} cannot be written: {error}") from error


def _content(image: Path) -> bytes:
    try:
        return image.read_bytes()
    except OSError as error:
        raise DriverUnavailable(f"{image} cannot be read: {error}") from error


SPEC = DriverSpec(
    name="bench",
    kind=DriverKind.INSTALLER,
    target="drivers.installer.bench:BenchInstaller",
    options=(Option(name="dir", type=str, required=True, help="folder of the bench's installer"),),
    summary="The bench's installer, driven by files",
)
