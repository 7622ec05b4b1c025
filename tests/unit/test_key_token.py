"""Key tokens: their names, what is wrong with them in words, and that no wrong PIN is shown twice."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from agent.cli import main
from agent.console.screens import status_screen
from agent.model.key_store import KeyTokenName, KeyTokenPlace, key_uri, parse_key_token
from agent.ocpp.tls import TlsFilesUnusable, TlsOptions, client_context
from agent.security.certificates import KeyKind, Subject
from agent.security.key_token import KeyToken, allow_again
from agent.security.openssl_provider import is_key_reference, key_reference, provider_active
from agent.security.secrets import SecretStore
from agent.security.token_words import TokenDeed, TokenError, TokenTrouble, TokenWork
from agent.security.token_work import perform
from agent.security.vault import Provision, Vault
from agent.settings.build import parse_station
from agent.settings.checked import keep, recall
from agent.settings.loaded import Loaded, Origin
from agent.settings.problems import SettingsError
from tests.key_tokens import LABEL, PIN, make_token, needs_token, token_store
from tests.scenario.secured_world import STATION, Csms, sign
from tests.scenario.secured_world import station as living_station
from tests.unit.test_console_screens import status

SUBJECT = Subject(common_name="SN-0001")
CSMS = 'url = "wss://csms.example.com/"\n'
NOWHERE = KeyTokenPlace(module=Path("/nowhere/module.so"), token=KeyTokenName(label=LABEL), key_label="charge-agent")


CRASHING = """
#include <stdio.h>
#include <stdlib.h>
long C_GetFunctionList(void **list) { (void)list; puts("{}"); fflush(stdout); abort(); }
"""
LOOK = f"""
import json, os, sys, pkcs11
from pkcs11 import Attribute, ObjectClass
with pkcs11.lib(sys.argv[1]).get_token(token_label={LABEL!r}).open(user_pin={PIN!r}) as session:
    keys = list(session.get_objects({{Attribute.CLASS: ObjectClass.PRIVATE_KEY}}))
    said = (Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.LOCAL)
    print(json.dumps([[key.key_type.name, *(key[name] for name in said)] for key in keys]), flush=True)
os._exit(0)
"""  # a process of its own: SoftHSM may crash where it is unloaded


def trouble(deed: Callable[[], object]) -> TokenTrouble:
    with pytest.raises(TokenError) as caught:
        deed()
    assert PIN not in str(caught.value)
    return caught.value.trouble


# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.req("RFC 7512 §2.3")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("station", KeyTokenName(label="station")),
        ("a label; with %", KeyTokenName(label="a label; with %")),
        ("pkcs11:token=my%20token", KeyTokenName(label="my token")),
        ("pkcs11:token=%C3%A4;serial=0815", KeyTokenName(label="ä", serial="0815")),
        ("pkcs11:slot-id=3;model=SLB9670;manufacturer=x", KeyTokenName(slot_id=3, model="SLB9670", manufacturer="x")),
    ],
)
def test_a_token_is_named_by_its_label_or_a_uri(text: str, name: KeyTokenName) -> None:
    assert parse_key_token(text) == name
    assert parse_key_token(str(name)) == name


@pytest.mark.req("RFC 7512 §2.3, §2.4")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1-32 bytes"),
        ("x" * 33, "1-32 bytes"),
        ("pkcs11:", "names no token"),
        ("pkcs11:token=a;token=b", "token twice"),
        ("pkcs11:token=a;object=key", "names a key"),
        ("pkcs11:token=a?pin-value=73542", "token-pin"),
        ("pkcs11:token=a;pin-value=73542", "token-pin"),
        ("pkcs11:token=a?module-path=/x.so", "has a query"),
        ("pkcs11:tokn=a", "'tokn' is no attribute"),
        ("pkcs11:token=%ZZ", "RFC 7512"),
        ("pkcs11:token=%FF", "UTF-8"),
        ("pkcs11:slot-id=first", "no number"),
        ("pkcs11:token", "name=value"),
    ],
)
def test_a_name_that_says_too_little_or_too_much_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        parse_key_token(text)
    assert "73542" not in str(caught.value)


@pytest.mark.req("RFC 7512 §2.4; pkcs11-provider, provider-pkcs11(7)")
def test_a_reference_names_the_key_and_where_its_pin_is_and_no_pin() -> None:
    uri = key_uri(KeyTokenName(label="my token"), bytes(range(8)), "/run/credentials/a b/token-pin")
    assert uri == (
        "pkcs11:token=my%20token;id=%00%01%02%03%04%05%06%07;type=private"
        "?pin-source=file:/run/credentials/a%20b/token-pin"
    )
    assert is_key_reference(key_reference(uri))
    assert is_key_reference(key_reference("x" * 70_000))  # a length of three bytes
    assert not is_key_reference("-----BEGIN PRIVATE KEY-----")


# ---- the station file ------------------------------------------------------------------------------------------------


def station(tmp_path: Path, section: str) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(STATION.format(csms=CSMS + section))
    return path


def test_a_station_file_names_module_and_token_and_its_checked_copy_too(tmp_path: Path) -> None:
    path = station(tmp_path, 'key_store = "pkcs11"\npkcs11 = { module = "m.so", token = "pkcs11:serial=0815" }\n')
    settings = parse_station(path.read_bytes(), path)
    place = KeyTokenPlace(module=tmp_path / "m.so", token=KeyTokenName(serial="0815"), key_label="charge-agent")
    assert settings.csms.key_token == place
    (tmp_path / "state").mkdir()
    keep(Loaded(settings=settings, origin=Origin.FILE))
    known = recall(path)
    assert known is not None
    assert known.settings.csms.key_token == place


def test_a_token_is_only_used_where_the_key_store_says_so(tmp_path: Path) -> None:
    path = station(tmp_path, 'pkcs11 = { module = "m.so", token = "station" }\n')
    assert parse_station(path.read_bytes(), path).csms.key_token is None


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ('key_store = "pkcs11"\n', "without pkcs11 = { module, token }"),
        ('key_store = "tpm"\n', "file, pkcs11"),
        ('key_store = "pkcs11"\npkcs11 = { module = "m.so" }\n', "token"),
        ('key_store = "pkcs11"\npkcs11 = { module = "m.so", token = "pkcs11:pin-value=1" }\n', "secret token-pin"),
        ('key_store = "pkcs11"\npkcs11 = { module = "m.so", token = "a", pin = "1" }\n', "unknown"),
        ('key_store = "pkcs11"\npkcs11 = { module = "m.so", token = "a", key_label = "a\\tb" }\n', "printed"),
    ],
)
def test_a_station_file_that_names_no_token_is_refused(tmp_path: Path, section: str, why: str) -> None:
    path = station(tmp_path, section)
    with pytest.raises(SettingsError) as caught:
        parse_station(path.read_bytes(), path)
    assert why in str(caught.value)


# ---- what is wrong, without a token ----------------------------------------------------------------------------------


def work(module: str, **more: Any) -> TokenWork:
    name = KeyTokenName(label=LABEL)
    return TokenWork(deed=TokenDeed.CHECK, module=module, token=name, pin=PIN, label_prefix="charge-agent", **more)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(TokenError, match=r"pip install 'charge-agent\[pkcs11\]'"):
        perform(work("/nowhere/module.so"))
    assert PIN not in repr(work("/nowhere/module.so"))


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_module_that_is_missing_or_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    pytest.importorskip("pkcs11")
    module = tmp_path / "module.so"
    if content is not None:
        module.write_bytes(content)
    with pytest.raises(TokenError, match=f"module {module} cannot be loaded: .+; expected the token's"):
        perform(work(str(module)))


@pytest.mark.parametrize(("flag", "found"), [(1 << 17, TokenTrouble.PIN_FINAL_TRY), (1 << 18, TokenTrouble.PIN_LOCKED)])
def test_the_last_try_is_left_to_a_person(flag: int, found: TokenTrouble) -> None:
    pytest.importorskip("pkcs11")
    from agent.security.token_work import session_of

    asked: list[str] = []
    token = SimpleNamespace(flags=flag, open=lambda **_: asked.append("PIN"))
    with pytest.raises(TokenError) as caught, session_of(token, work("m.so")):
        pass
    assert (caught.value.trouble, asked) == (found, [])


@pytest.mark.req("security whitepaper A00.FR.501-511")
@pytest.mark.parametrize(("sensitive", "extractable"), [(False, False), (True, True)])
def test_a_key_that_could_leave_its_token_is_not_taken(sensitive: bool, extractable: bool) -> None:
    pkcs11 = pytest.importorskip("pkcs11")
    from agent.security.token_work import check_stays

    said = {pkcs11.Attribute.SENSITIVE: sensitive, pkcs11.Attribute.EXTRACTABLE: extractable}
    assert trouble(lambda: check_stays(said)) is TokenTrouble.KEY_CAN_LEAVE
    check_stays({pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False})


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_a_module_that_crashes_takes_nobody_with_it_and_its_words_are_not_ours(tmp_path: Path) -> None:
    pytest.importorskip("pkcs11")
    source, module = tmp_path / "module.c", tmp_path / "module.so"
    source.write_text(CRASHING)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(module), str(source)], check=True)
    place = KeyTokenPlace(module=module, token=KeyTokenName(label=LABEL), key_label="charge-agent")
    with pytest.raises(TokenError, match=f"module {module} ended its process with signal 6") as caught:
        token_store(tmp_path, place).token.do(TokenDeed.CHECK)
    assert caught.value.trouble is TokenTrouble.SILENT


def test_a_state_folder_that_cannot_be_written_is_a_trouble_and_no_end(tmp_path: Path) -> None:
    (tmp_path / "security").write_text("in the way")
    vault = Vault(Provision(state_dir=tmp_path, key_token=NOWHERE, encrypted=True), credentials=tmp_path / "none")
    vault.make_ready()
    assert vault.token_trouble != ""


def test_without_a_pin_no_token_is_touched(tmp_path: Path) -> None:
    assert trouble(lambda: token_store(tmp_path, NOWHERE, pin=None).token.do(TokenDeed.CHECK)) is TokenTrouble.NO_PIN


def test_without_the_provider_no_pin_is_shown_to_anybody(tmp_path: Path) -> None:
    secrets = SecretStore(tmp_path)
    secrets.set("token-pin", PIN)
    token = KeyToken(NOWHERE, tmp_path, lambda: secrets.read("token-pin"), active=lambda: False)
    with pytest.raises(TokenError, match=r"openssl-pkcs11\.cnf") as caught:
        token.check("00" * 8)
    assert caught.value.trouble is TokenTrouble.NO_PROVIDER
    assert provider_active() in (True, False, None)


def test_tls_says_that_it_does_not_reach_the_token(tmp_path: Path) -> None:
    reference, chain = tmp_path / "key.pem", tmp_path / "chain.pem"
    reference.write_text(key_reference("pkcs11:token=nowhere;type=private"))
    chain.write_text("")
    with pytest.raises(TlsFilesUnusable, match="OPENSSL_CONF"):
        client_context(TlsOptions(client_chain=chain, client_key=reference))


async def test_a_station_whose_token_cannot_be_used_says_so_and_connects_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csms = Csms(passwords={b"correct horse battery"})
    (tmp_path / "password").write_text("correct horse battery")
    async with csms.listen() as port:
        section = f'url = "ws://localhost:{port}/"\nallow_insecure = true\npassword_file = "password"\n'
        section += 'key_store = "pkcs11"\npkcs11 = { module = "m.so", token = "station" }\n'
        async with living_station(tmp_path, section) as living:
            await csms.heard("BootNotification")
            vault = living.secured.vault
            await living.until(lambda: vault.token_trouble != "")
            shown = living.secured.status(living.link)
            assert (shown["key_store"], shown["key_token"]["token"]) == ("pkcs11", "pkcs11:token=station")
            assert shown["key_token"]["problem"] == vault.token_trouble
            screen = status_screen({**status(), "security": shown})
            assert f"on token pkcs11:token=station: {vault.token_trouble}" in screen
            with pytest.raises(OSError, match="no PIN is set"):
                vault.keys().request(SUBJECT, KeyKind.EC)
            assert vault.where_keys_are == f"on token pkcs11:token=station, which cannot be used: {vault.token_trouble}"
    assert "key_token.unusable" in capsys.readouterr().err


def test_the_commands_say_which_key_store_is_used_and_what_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = 'key_store = "pkcs11"\npkcs11 = { module = "m.so", token = "station" }\n'
    path = tmp_path / "station.toml"
    path.write_text(STATION.format(csms='url = "wss://127.0.0.1:9/"\n' + section))
    assert main(["doctor", str(path), "--no-boot", "--json"]) == 23
    steps = json.loads(capsys.readouterr().out)["addresses"][0]["steps"]
    assert "keys are on token pkcs11:token=station, which cannot be used: " in steps[0]["text"]
    assert main(["secret", "list", "--config", str(path)]) == 0
    assert "key store: pkcs11, token station, module m.so" in capsys.readouterr().out
    identity = tmp_path / "identity.toml"
    identity.write_text('id = "CP-1"\n')
    assert main(["identity", "show", "--file", str(identity), "--config", str(path)]) == 0
    assert "# key store: pkcs11" in capsys.readouterr().out
    assert main(["secret", "list", "--json", "--config", str(tmp_path / "none.toml")]) == 0
    assert json.loads(capsys.readouterr().out)["key_store"] == {}


# ---- with a token ----------------------------------------------------------------------------------------------------


@needs_token
def test_a_wrong_pin_is_shown_once_over_restarts_and_a_new_one_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_token(tmp_path, monkeypatch)
    with pytest.raises(TokenError, match="the PIN is wrong"):
        token_store(tmp_path, place, pin="9999").token.do(TokenDeed.CHECK)
    again = token_store(tmp_path, place, pin=None).token
    monkeypatch.setenv("SOFTHSM2_CONF", "/nowhere")  # whoever asked the token now would hear something else
    with pytest.raises(TokenError, match="refused this PIN before"):
        again.do(TokenDeed.CHECK)
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    token_store(tmp_path, place).token.do(TokenDeed.CHECK)
    with pytest.raises(TokenError, match="refused this PIN before"):
        token_store(tmp_path, place, pin="9999").token.do(TokenDeed.CHECK)
    assert "9999" not in (tmp_path / "security" / "token-pin-refused").read_text()


@needs_token
def test_a_wrong_credential_is_not_tried_again_after_a_restart_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_token(tmp_path, monkeypatch)

    def started() -> KeyToken:
        """Return the token of a service that systemd gave its credential anew."""
        folder = tmp_path / "credentials"
        folder.mkdir(exist_ok=True)
        (folder / "token-pin").unlink(missing_ok=True)
        (folder / "token-pin").write_text("9999")
        secrets = SecretStore(tmp_path, folder)
        return KeyToken(place, tmp_path / "security", lambda: secrets.read("token-pin"))

    with pytest.raises(TokenError, match="the PIN is wrong"):
        started().do(TokenDeed.CHECK)
    with pytest.raises(TokenError, match="refused this PIN before"):
        started().do(TokenDeed.CHECK)
    allow_again(tmp_path / "security", "8888")  # what ``secret set`` does: another PIN, which is not in use yet
    with pytest.raises(TokenError, match="refused this PIN before"):
        started().do(TokenDeed.CHECK)
    allow_again(tmp_path / "security", "9999")  # somebody insists on this one
    with pytest.raises(TokenError, match="the PIN is wrong"):
        started().do(TokenDeed.CHECK)


@needs_token
def test_a_token_that_is_not_there_or_not_the_only_one_is_told_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_token(tmp_path, monkeypatch)
    make_token(tmp_path, monkeypatch, label="other")

    def named(name: KeyTokenName) -> KeyToken:
        return token_store(tmp_path, KeyTokenPlace(module=place.module, token=name, key_label="x")).token

    with pytest.raises(TokenError, match=r"token pkcs11:serial=0815 is not there; .*'station' \(serial \w+, slot"):
        named(KeyTokenName(serial="0815")).do(TokenDeed.CHECK)
    with pytest.raises(TokenError, match=r"fits 2 tokens .* expected one: name its serial"):
        named(KeyTokenName(manufacturer="SoftHSM project")).do(TokenDeed.CHECK)
    missing = named(KeyTokenName(label=LABEL))
    assert trouble(lambda: missing.do(TokenDeed.CHECK, key_id="00" * 8)) is TokenTrouble.KEY_MISSING


@needs_token
@pytest.mark.skipif(provider_active() is not False, reason="the provider is active here")
def test_a_certificate_whose_token_tls_cannot_use_is_not_shown_and_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_token(tmp_path, monkeypatch)
    store = token_store(tmp_path, place)
    authority = trustme.CA()
    chain = sign(store.request(SUBJECT, KeyKind.EC), authority)
    assert store.accept(chain, SUBJECT, ("SN-0001",), (), None) == ()
    vault = Vault(Provision(state_dir=tmp_path, key_token=place, encrypted=True), credentials=tmp_path / "none")
    assert len(vault.identities(None)) == 1
    vault.make_ready()
    assert "OPENSSL_CONF" in vault.token_trouble
    assert vault.identities(None) == ()


@needs_token
def test_keys_stay_on_the_token_and_only_stale_ones_of_this_station_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_token(tmp_path, monkeypatch)
    neighbour = token_store(tmp_path / "neighbour", place)
    neighbour.request(SUBJECT, KeyKind.EC)
    store = token_store(tmp_path, place)
    store.request(SUBJECT, KeyKind.EC)
    store.request(SUBJECT, KeyKind.EC)  # the first one is stale now
    ran = subprocess.run([sys.executable, "-c", LOOK, str(place.module)], capture_output=True, text=True, check=True)
    assert sorted(json.loads(ran.stdout)) == [["EC", True, False, True]] * 2
    texts = [path.read_text("latin-1") for path in (tmp_path / "security").rglob("*") if path.is_file()]
    assert not any("PRIVATE KEY" in text or PIN in text for text in texts)
