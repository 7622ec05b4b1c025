"""What the command line says of the key store that a station file names, also where that file is not complete yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.model.key_store import KeyStoreKind


def key_store_of(config: Path) -> dict[str, str]:
    """Return ``kind`` and, of a token, ``token`` and ``module``, as the file says; nothing where it cannot be read."""
    import tomllib

    try:
        csms: Any = tomllib.loads(config.read_text("utf-8")).get("csms", {})
        kind, place = csms.get("key_store", KeyStoreKind.FILE.value), csms.get("pkcs11", {})
        shown = {"kind": str(kind)}
        if kind == KeyStoreKind.PKCS11.value:
            shown |= {name: str(place[name]) for name in ("token", "module") if name in place}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
    return shown


def key_store_line(config: Path) -> str:
    """Return the same for people, one line."""
    found = key_store_of(config)
    if not found:
        return "key store: unknown, the station file cannot be read"
    if found["kind"] == KeyStoreKind.PKCS11.value:
        token = found.get("token", "(none named)")
        return f"key store: pkcs11, token {token}, module {found.get('module', '(none named)')}"
    return f"key store: {found['kind']}"
