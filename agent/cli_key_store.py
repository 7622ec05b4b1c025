"""The command line and the station's keys: which key store a station file names, keys made here for systemd to keep.

A key that systemd keeps is made by root before the service has it: the service itself could not encrypt it, and gets it
from systemd in the clear, in memory.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli_station import EXIT_SETTINGS, complain
from agent.model.key_store import KeyStoreKind

if TYPE_CHECKING:
    import argparse

    from agent.security.secrets import SecretStore


def keep_secret(store: SecretStore, name: str, text: str, folder: Path | None) -> str:
    """Keep a secret on the station or, with ``folder``, encrypted for systemd; return what is to be done next.

    Raises:
        SecretError: it cannot be kept.
    """
    if folder is None:
        path = store.set(name, text)
        return f"{name}: kept in {path}; it is used from the next connection on"
    from agent.security.credentials import encrypt_secret
    from agent.security.secrets import Source

    place = encrypt_secret(name, text, folder)
    if store.known().get(name) is Source.STATION:
        complain(f"{name} is also set on the station, which counts first: charge-agent secret remove {name}")
    return (
        f"{name}: encrypted in {place}; give it to the service and restart that:\n"
        f"  systemctl edit charge-agent   [Service] LoadCredentialEncrypted={name}:{place.absolute()}"
    )


def request_key(options: argparse.Namespace, store: SecretStore) -> int:
    """Make the key ``client-key`` here and print its signing request; the key is shown to nobody.

    Raises:
        SecretError: there is one already, or it cannot be kept.
    """
    from agent.security.certificates import KeyKind, Subject, make_key, make_request
    from agent.security.secret_names import CLIENT_KEY
    from agent.security.secrets import SecretError
    from agent.settings.last_good import check_station
    from agent.settings.problems import SettingsError

    if options.name != CLIENT_KEY:
        complain(f"secret request makes {CLIENT_KEY} and nothing else")
        return 2
    try:
        settings = check_station(options.config)
    except SettingsError as error:
        complain(str(error))
        return EXIT_SETTINGS
    places = (settings.csms.client_key, store.path(CLIENT_KEY), options.systemd and options.systemd / CLIENT_KEY)
    there = next((path for path in places if path is not None and path.exists()), None)
    if there is not None:
        raise SecretError(f"{there} holds a key, which the station would lose; expected none: remove it first")
    station = settings.station
    subject = Subject(common_name=station.serial_number or station.id, organization=options.organization)
    key_pem = make_key(KeyKind(settings.csms.key_type))
    request_pem = make_request(key_pem, subject)
    said = keep_secret(store, CLIENT_KEY, key_pem, options.systemd)
    print(request_pem, end="")
    print(f"{said}\n  once it is signed: charge-agent secret set client-certificate", file=sys.stderr)
    return 0


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
