"""Where a station keeps its things, as far as a station file tells that may be broken. Standard library only."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

DEFAULT_STATE_DIR: Final = "/var/lib/charge-agent"
_STATE_DIR: Final = re.compile(rb"""^[ \t]*state_dir[ \t]*=[ \t]*["']([^"'\n\\]+)["']""", re.MULTILINE)


def state_dirs(path: Path, text: bytes) -> list[Path]:
    """Return the folders that may be the ``state_dir`` of the station file ``path``, the likeliest first."""
    said = _STATE_DIR.search(text)
    folders = [path.absolute().parent / os.fsdecode(said[1])] if said is not None else []
    folders += [Path(each) for each in os.environ.get("STATE_DIRECTORY", "").split(":") if each]  # systemd.exec(5)
    return [*folders, Path(DEFAULT_STATE_DIR)]
