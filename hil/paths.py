"""Where the data files are, in a source tree and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import drivers


def config_dir() -> Path:
    """Return the folder ``config``: inside the installed package ``drivers``, or beside it in a source tree.

    Raises:
        FileNotFoundError: neither exists.
    """
    package = Path(drivers.__file__).parent
    for candidate in (package / "_config", package.parent / "config"):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"no configuration folder: neither {package / '_config'} nor {package.parent / 'config'}")
