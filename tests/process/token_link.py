"""A station whose key stays on a token, opposite a CSMS that demands client certificates. A process of its own, because
OpenSSL reads OPENSSL_CONF once: ``python -m tests.process.token_link FOLDER MODULE``; it prints what was seen, JSON."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

import trustme

from agent.model.key_store import KeyTokenName, KeyTokenPlace
from agent.ocpp.tls import CIPHERS, TlsOptions, client_context
from agent.security.certificates import KeyKind, Subject
from agent.security.keystore import FileKeyStore, TlsIdentity
from agent.security.token_words import TokenDeed
from tests.key_tokens import LABEL, PIN, token_store
from tests.scenario.secured_world import Csms, Station, pem_file, server_tls, sign, station
from tests.tls_hands import shake_hands

PASSWORD = "correct horse battery"
SECTION = """\
url = "wss://localhost:{port}/ocpp"
root_certificates = ["root.pem"]
password_file = "password"
key_store = "{key_store}"
pkcs11 = {{ module = "{module}", token = "pkcs11:token={label}" }}
"""


def every_key_in_every_version(folder: Path, place: KeyTokenPlace, authority: trustme.CA) -> list[tuple[str, str]]:
    """Shake hands with keys of both kinds in both versions of TLS."""
    seen = []
    for kind in KeyKind:
        store = token_store(folder / kind.value, place)
        chain = sign(store.request(Subject(common_name="SN"), kind), authority)
        assert store.accept(chain, Subject(common_name="SN"), ("SN",), (), None) == ()
        identity = store.identities()[0]
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            server = server_tls(authority, clients=authority)
            server.maximum_version = server.minimum_version = version
            server.set_ciphers(CIPHERS)
            ours, theirs = shake_hands(client_context(shown(identity, authority)), server)
            assert theirs.getpeercert()
            seen.append((kind.value, str(ours.version())))
    return seen


def shown(identity: TlsIdentity, authority: trustme.CA) -> TlsOptions:
    """Return the options of a client that shows ``identity``."""
    root = authority.cert_pem.bytes().decode()
    return TlsOptions(roots_pem=root, only_these=True, client_chain=identity.chain, client_key=identity.key)


async def certify(csms: Csms, authority: trustme.CA) -> None:
    """Have the CSMS ask for and send a certificate."""
    csms.calls.clear()
    await csms.call("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    request = (await csms.heard("SignCertificate"))["csr"]
    answer = await csms.call("CertificateSigned", {"certificateChain": sign(request, authority)})
    assert answer == {"status": "Accepted"}, answer


async def live(folder: Path, place: KeyTokenPlace, authority: trustme.CA) -> dict[str, Any]:
    """Commission with a file, change over to the token, renew; then a wrong PIN, and the right one again."""
    csms, asking = Csms(), server_tls(authority, clients=authority)
    asking.verify_mode = ssl.CERT_OPTIONAL  # who has none comes with a password: profile 2
    seen: dict[str, Any] = {}
    files = FileKeyStore(folder / "state" / "security")
    async with csms.listen(asking) as port:

        def section(key_store: str) -> str:
            return SECTION.format(port=port, key_store=key_store, module=place.module, label=LABEL)

        async with station(folder, section("file")):
            await csms.heard("BootNotification")
            await certify(csms, authority)
            await csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": "3"})
            await csms.until(lambda: len(csms.visits) == 2)
        async with station(folder, section("pkcs11")) as living:
            vault = living.secured.vault
            vault.secrets.set("token-pin", PIN)
            await csms.until(lambda: len(csms.visits) == 3)
            seen["files_before"] = len(files.identities())
            for visits in (4, 5):  # the first key on the token, and its renewal
                await certify(csms, authority)
                await csms.until(lambda visits=visits: len(csms.visits) == visits)  # type: ignore[misc]
                await csms.call("GetConfiguration", {"key": []})
            seen["files_after"] = len(files.identities())
            seen["names"] = [each.common_name for each in csms.visits]
            seen["passwords"] = [each.password is not None for each in csms.visits]
            seen["keys"] = [each.token_key != "" for each in vault.identities(None)]
            seen["pins"] = await wrong_pin(living, csms)
            seen["status"] = living.secured.status(living.link)
    return seen


async def wrong_pin(living: Station, csms: Csms) -> list[str]:
    """Set a wrong PIN, then the right one; return what the station said of the token after each connection."""
    vault, said = living.secured.vault, []
    for pin in ("9999", PIN):
        vault.secrets.set("token-pin", pin)
        visits = len(csms.visits)
        for _ in range(1 if pin == PIN else 2):
            before = vault.token_trouble
            living.link.reconnect()
            if pin == PIN:
                await csms.until(lambda visits=visits: len(csms.visits) > visits)  # type: ignore[misc]
            else:
                await living.until(lambda before=before: vault.token_trouble not in ("", before))  # type: ignore[misc]
            said.append(vault.token_trouble)
    return said


def main() -> int:
    """Do all of it."""
    folder, module = Path(sys.argv[1]), Path(sys.argv[2])
    place = KeyTokenPlace(module=module, token=KeyTokenName(label=LABEL), key_label="charge-agent")
    authority = trustme.CA(organization_name="Operator")
    pem_file(folder, authority)
    (folder / "password").write_text(PASSWORD)
    seen: dict[str, Any] = {"handshakes": every_key_in_every_version(folder, place, authority)}
    seen |= asyncio.run(live(folder, place, authority))
    token_store(folder, place).token.do(TokenDeed.CHECK)
    print(json.dumps(seen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
