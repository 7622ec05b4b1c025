"""What is wrong with a station file, each with its place and what was expected."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from agent.errors import AgentError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes:
        file: the station file as it was named by the caller.
        line: counted from 1; ``None`` where no line is at fault (a missing file, a missing table).
        key: where in the file, ``evse[1].meter.profile``; lists count from 1; empty for the file itself.
        text: the value and what was expected.
        hint: what was probably meant, or empty.
    """

    file: str
    line: int | None
    key: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}: {self.key}{' ' if self.key else ''}{self.text}{hint}"


class SettingsError(AgentError):
    """A station file cannot be used. ``problems`` is never empty and holds everything that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
