"""The technician at the terminal: what is told, what is asked. Without one nothing is asked, and nothing confirmed."""

from __future__ import annotations

import sys
from typing import Final, TextIO

_YES: Final = {"y": True, "yes": True, "n": False, "no": False}


class Person:
    """Tells on ``out``; asks only where ``asks``. ``say`` shows what is being done, on one line that is replaced."""

    def __init__(self, *, asks: bool, out: TextIO) -> None:
        """Begin with an empty line."""
        self.asks = asks
        self._out = out
        self._shown = ""

    def say(self, text: str) -> None:
        """Show what is being done."""
        if self._out.isatty():
            self._out.write(f"\r\033[K... {text}")
            self._out.flush()
            self._shown = text
        else:
            self._write(f"... {text}")

    def tell(self, text: str) -> None:
        """Write a line that stays."""
        self.done()
        self._write(text)

    def complain(self, text: str) -> None:
        """Write a line to the error output."""
        self.done()
        print(text, file=sys.stderr, flush=True)

    def done(self) -> None:
        """Remove what was shown by ``say``."""
        if self._shown:
            self._out.write("\r\033[K")
            self._shown = ""

    def yes(self, question: str) -> bool | None:
        """Ask for yes or no; ``None`` where nobody is asked, or nobody knows."""
        while self.asks:
            given = self.text(f"{question} [y/n, empty: not confirmed] ")
            if not given:
                return None
            if given.strip().lower() in _YES:
                return _YES[given.strip().lower()]
        return None

    def text(self, question: str) -> str | None:
        """Ask for a line; ``None`` where nobody is asked, or the input has ended."""
        if not self.asks:
            return None
        self.done()
        self._out.write(question)
        self._out.flush()
        line = sys.stdin.readline()
        return line.strip() if line else None

    def _write(self, text: str) -> None:
        self._out.write(f"{text}\n")
        self._out.flush()
