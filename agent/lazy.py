"""Modules that load when they are first used: what the boot notification does not need comes after it.

The recipe is the standard library's own (importlib, "Implementing lazy imports"). A lazy module is loaded by the first
access to one of its attributes; two threads that do so at once can collide (CPython issue 114763), so ``load_all`` is
called on the main thread once the boot notification is on its way, before anything else runs beside it.
"""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType

_waiting: list[ModuleType] = []  # only ever emptied by load_all


def lazily(name: str) -> ModuleType:
    """Return the module ``name``, to be loaded when one of its attributes is first used.

    Raises:
        ModuleNotFoundError: there is none.
    """
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    _waiting.append(module)
    return module


def load_all() -> None:
    """Load what is still waiting."""
    while _waiting:
        _ = _waiting.pop().__doc__  # any attribute will do
