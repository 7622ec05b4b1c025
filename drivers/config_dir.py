"""Where the data that ships with the software lives: meter profiles, boards, the example station."""

from __future__ import annotations

from pathlib import Path


def config_dir() -> Path:
    """Return the folder of the shipped configuration: inside the installed package, else ``config/`` of the sources."""
    here = Path(__file__).resolve().parent
    bundled = here / "_config"
    return bundled if bundled.is_dir() else here.parent / "config"
