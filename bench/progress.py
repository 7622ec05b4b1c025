"""How far a benchmark is, on standard error; one line that is rewritten on a terminal."""

from __future__ import annotations

import sys


def say(text: str = "") -> None:
    """Show ``text`` in place of what was shown before; without text, clear the line."""
    if sys.stderr.isatty():
        print(f"\r{text:<100}", end="" if text else "\r", file=sys.stderr, flush=True)
