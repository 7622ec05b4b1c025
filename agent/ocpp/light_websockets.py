"""Import ``websockets`` without what it imports and never uses for us; to be imported before any other part of it.

``websockets.version`` imports ``importlib.metadata`` for development builds, ``websockets.proxy`` ``urllib.request``
for proxies, which we switch off: with email, http and zipfile a tenth of the agent's start. While the two are imported,
empty modules stand in, which also keeps 2 MiB of them out of the running agent. A process that uses proxies imports
``urllib.request`` itself, before or after.
"""

from __future__ import annotations

import contextlib
import sys
from types import ModuleType
from typing import Final

_UNUSED: Final = ("importlib.metadata", "urllib.request")


def _import_lightly() -> None:
    stand_ins = [name for name in _UNUSED if name not in sys.modules]
    for name in stand_ins:
        sys.modules[name] = ModuleType(name)
    try:
        with contextlib.suppress(ModuleNotFoundError):  # before websockets 16 it is a part of ``uri``
            import websockets.proxy
        import websockets.uri
        import websockets.version  # noqa: F401
    finally:
        for name in stand_ins:
            del sys.modules[name]


_import_lightly()
