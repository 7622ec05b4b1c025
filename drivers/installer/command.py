"""A manufacturer's own installer: commands with agreed exit codes.

``install`` gets the image's path as ``{image}`` (else as its last word) and in ``CHARGE_AGENT_IMAGE``; a line
``progress 42`` says how far it is. It ends with 0 (installed and in force), ``reboot_code`` (in force after a restart),
``rejected_code`` (the image is not acceptable), or anything else (it did not work).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drivers.api import DriverError, DriverKind, DriverSpec, Option, OptionProblem
from drivers.api.installers import ImageRejected, Progress
from drivers.installer.commands import output_of, run_command, words_of

_PROGRESS: Final = re.compile(r"progress:?\s+(\d{1,3})\s*%?", re.IGNORECASE)
QUESTION_S: Final = 30.0  # how long a version or a restart may take to be told


class CommandInstaller:
    """See the module's text; the options are those of ``SPEC``."""

    def __init__(
        self,
        *,
        install: str,
        version: str = "",
        confirm: str = "",
        reboot: str = "systemctl reboot",
        reboot_code: int = 10,
        rejected_code: int = 11,
        timeout_s: float = 1800.0,
    ) -> None:
        self._install = words_of(install)
        self._version = words_of(version)
        self._confirm = words_of(confirm)
        self._reboot = words_of(reboot)
        self._reboot_code = reboot_code
        self._rejected_code = rejected_code
        self._timeout_s = timeout_s

    async def running(self) -> str:
        """Return what the version command says; "" without one. Raises ``DriverError``."""
        return await output_of(self._version, variables={}, timeout_s=QUESTION_S) if self._version else ""

    async def install(self, image: Path, progress: Progress) -> bool:
        """Run the command; return whether a restart is needed. Raises ``ImageRejected``, ``DriverError``."""

        def said(line: str) -> None:
            found = _PROGRESS.fullmatch(line)
            if found is not None:
                progress(min(int(found[1]), 100))

        named = any("{image}" in word for word in self._install)
        words = [word.replace("{image}", str(image)) for word in self._install] + ([] if named else [str(image)])
        code, last = await run_command(
            words, variables={"CHARGE_AGENT_IMAGE": str(image)}, timeout_s=self._timeout_s, said=said
        )
        if code == self._rejected_code:
            raise ImageRejected(last or "the installer refuses the image", code)
        if code not in (0, self._reboot_code):
            raise DriverError(f"the installer ended with {code}: {last or 'it said nothing'}")
        return code == self._reboot_code

    async def reboot(self) -> bool:
        """Run the restart's command. Raises ``DriverError``."""
        code, last = await run_command(self._reboot, variables={}, timeout_s=QUESTION_S)
        if code != 0:
            raise DriverError(f"{self._reboot[0]} ended with {code}: {last or 'it said nothing'}")
        return True

    async def confirm(self, before: str) -> None:
        """Ask the command that confirms, or compare versions; without either the restart itself is the proof."""
        if self._version and await self.running() == before:
            raise DriverError(f"{before or 'the old image'} still runs")
        if self._confirm:
            code, last = await run_command(
                self._confirm, variables={"CHARGE_AGENT_BEFORE": before}, timeout_s=self._timeout_s
            )
            if code != 0:
                raise DriverError(f"{self._confirm[0]} ended with {code}: {last or 'it said nothing'}")

    async def close(self) -> None:
        """Nothing is held."""


def check(options: Mapping[str, Any]) -> list[OptionProblem]:
    """Return what is wrong with checked options."""
    problems = []
    for name in ("install", "version", "confirm", "reboot"):
        text = options.get(name, "")
        try:
            words = words_of(text)
        except ValueError as error:
            problems.append(OptionProblem(option=name, problem=f"{text!r} is no command: {str(error).lower()}"))
            continue
        if not words and name in ("install", "reboot"):
            problems.append(OptionProblem(option=name, problem="is empty, expected a command"))
        elif words and not words[0].startswith("/") and name != "reboot":
            problems.append(
                OptionProblem(option=name, problem=f"{words[0]!r} is no absolute path, expected one like /usr/lib/x")
            )
    codes = [0, options.get("reboot_code"), options.get("rejected_code")]
    if len(set(codes)) < len(codes):
        problems.append(OptionProblem(option="reboot_code", problem="and rejected_code must be two different codes"))
    return problems


SPEC = DriverSpec(
    name="command",
    kind=DriverKind.INSTALLER,
    target="drivers.installer.command:CommandInstaller",
    options=(
        Option(name="install", type=str, required=True, help="command that installs; {image} is the image's path"),
        Option(name="version", type=str, help="command that says which image runs, in one line"),
        Option(name="confirm", type=str, help="command that keeps a new image after its restart; 0: it is good"),
        Option(name="reboot", type=str, default="systemctl reboot", help="command that restarts the machine"),
        Option(name="reboot_code", type=int, default=10, minimum=1, maximum=255, help="exit code: restart needed"),
        Option(name="rejected_code", type=int, default=11, minimum=1, maximum=255, help="exit code: image refused"),
        Option(
            name="timeout_s", type=float, default=1800.0, unit="s", minimum=1, maximum=86400, help="longest run of one"
        ),
    ),
    summary="Commands of the manufacturer with agreed exit codes",
    check=check,
)
