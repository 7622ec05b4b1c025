"""On which line of a TOML text each key stands: ``tomllib`` gives values without places.

The text was already parsed by ``tomllib``, so this scan only has to find its way through valid TOML; on anything else
it goes on with the next line and never raises. Source: TOML v1.0.0.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

KeyPath = tuple[str | int, ...]

_BARE_END: Final = frozenset(",]}#\n")
_SPACE: Final = frozenset(" \t\r")
_DEEPEST: Final = 40


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, of every table, key and list item; list items count from 0 in the path."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(i + 1 for i, letter in enumerate(text) if letter == "\n")]
        self._lines: dict[KeyPath, int] = {}
        self._lists: dict[KeyPath, int] = {}  # [[list]] -> index of its last item
        self._prefix: KeyPath = ()

    def run(self) -> dict[KeyPath, int]:
        while self._at < len(self._text):
            begin = self._at
            self._skip_blank(newlines=True)
            if self._text.startswith("[[", self._at):
                self._header(2)
            elif self._peek() == "[":
                self._header(1)
            elif self._at < len(self._text):
                self._pair(self._prefix, 0)
            if self._at == begin:
                self._skip_line()
        return self._lines

    def _header(self, brackets: int) -> None:
        start = self._at
        self._at += brackets
        parts = self._key()
        path: KeyPath = ()
        for part in parts[:-1]:
            self._note((*path, part), start)
            path = self._into_list((*path, part))
        path = (*path, *parts[-1:])
        if brackets == 2:
            self._lists[path] = self._lists.get(path, -1) + 1
            self._note(path, start)
        path = self._into_list(path)
        self._note(path, start)
        self._prefix = path
        self._skip_line()

    def _into_list(self, path: KeyPath) -> KeyPath:
        return (*path, self._lists[path]) if path in self._lists else path

    def _pair(self, prefix: KeyPath, depth: int) -> bool:
        start = self._at
        parts = self._key()
        if self._peek() != "=" or not parts:
            self._skip_line()
            return False
        for i in range(1, len(parts) + 1):
            self._note((*prefix, *parts[:i]), start)
        self._at += 1
        self._value((*prefix, *parts), depth)
        return True

    def _key(self) -> list[str]:
        parts: list[str] = []
        while self._at < len(self._text):
            self._skip_blank()
            letter = self._peek()
            if letter in ('"', "'"):
                parts.append(self._string(letter))
            else:
                start = self._at
                while (self._peek().isalnum() or self._peek() in ("-", "_")) and self._peek():
                    self._at += 1
                if self._at == start:
                    return parts
                parts.append(self._text[start : self._at])
            self._skip_blank()
            if self._peek() != ".":
                return parts
            self._at += 1
        return parts

    def _value(self, path: KeyPath, depth: int) -> None:
        self._skip_blank()
        letter = self._peek()
        if letter in ('"', "'"):
            triple = letter * 3
            if self._text.startswith(triple, self._at):
                self._long_string(triple)
            else:
                self._string(letter)
        elif depth < _DEEPEST and letter == "[":
            self._list(path, depth + 1)
        elif depth < _DEEPEST and letter == "{":
            self._inline_table(path, depth + 1)
        else:
            while self._peek() and self._peek() not in _BARE_END:
                self._at += 1

    def _list(self, path: KeyPath, depth: int) -> None:
        self._at += 1
        index = 0
        while self._at < len(self._text):
            self._skip_blank(newlines=True)
            if self._peek() == "]":
                self._at += 1
                return
            begin = self._at
            self._note((*path, index), begin)
            self._value((*path, index), depth)
            self._skip_blank(newlines=True)
            if self._peek() == ",":
                self._at += 1
            if self._at == begin:
                return
            index += 1

    def _inline_table(self, path: KeyPath, depth: int) -> None:
        self._at += 1
        while self._at < len(self._text):
            self._skip_blank(newlines=True)
            if self._peek() == "}":
                self._at += 1
                return
            if not self._pair(path, depth):
                return
            self._skip_blank(newlines=True)
            if self._peek() == ",":
                self._at += 1

    def _string(self, quote: str) -> str:
        self._at += 1
        letters: list[str] = []
        while (letter := self._peek()) not in ("", "\n", quote):
            if letter == "\\" and quote == '"':
                self._at += 1
                letter = self._peek()
            letters.append(letter)
            self._at += 1
        self._at += self._peek() == quote
        return "".join(letters)

    def _long_string(self, triple: str) -> None:
        self._at += 3
        while self._at < len(self._text) and not self._text.startswith(triple, self._at):
            self._at += 2 if triple == '"""' and self._peek() == "\\" else 1
        self._at += 3
        while self._peek() == triple[0]:  # up to two quotes may precede the end
            self._at += 1

    def _skip_blank(self, *, newlines: bool = False) -> None:
        while letter := self._peek():
            if letter in _SPACE or (newlines and letter == "\n"):
                self._at += 1
            elif newlines and letter == "#":
                self._skip_line()
            else:
                return

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end + 1

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _note(self, path: KeyPath, position: int) -> None:
        self._lines.setdefault(path, bisect_right(self._starts, position))
