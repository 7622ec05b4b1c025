"""What the station keeps secret: slots, records, logs and stores, as files."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from agent.model.moment import Stamp
from agent.model.security import RootAnswer, RootPurpose, SecurityEventKind
from agent.security.certificates import KeyKind, Rejected, Subject, make_key, make_request
from agent.security.event_log import Entry, SecurityLog
from agent.security.keystore import FileKeyStore
from agent.security.passwords import PasswordSlots, problem_of
from agent.security.profile import ProfileRecord
from agent.security.roots import MOST_INSTALLED, RootStore
from agent.security.secrets import SecretError, SecretStore, Source
from agent.security.validity import certificates_in, validity_of
from agent.security.vault import Provision, Vault

NOW_S = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def entry(number: int) -> Entry:
    at = Stamp(boot_id="boot", mono_s=float(number))
    return Entry(event=SecurityEventKind.STARTUP, critical=True, at=at, text=str(number))


# ---- passwords and profiles ------------------------------------------------------------------------------------------


@pytest.mark.req("security whitepaper A01")
def test_the_old_password_stays_until_the_new_one_was_accepted(tmp_path: Path) -> None:
    slots = PasswordSlots(tmp_path, lambda: "first")
    assert slots.candidates() == ("first",)
    slots.change("second")
    assert PasswordSlots(tmp_path, lambda: "first").candidates() == ("second", "first")
    slots.proven("first")
    assert slots.candidates() == ("first", "second")
    assert slots.proven("second")
    assert slots.candidates() == ("second",)


def test_a_password_set_on_the_station_later_wins_over_what_the_csms_set(tmp_path: Path) -> None:
    given = ["first"]
    slots = PasswordSlots(tmp_path, lambda: given[0])
    slots.change("by the csms")
    given[0] = "by the technician"
    assert slots.candidates() == ("by the technician",)
    slots.change("by the csms again")
    assert slots.candidates() == ("by the csms again", "by the technician")


def test_damaged_slots_leave_what_was_provisioned(tmp_path: Path) -> None:
    slots = PasswordSlots(tmp_path, lambda: "first")
    slots.change("second")
    next(tmp_path.iterdir()).write_bytes(b"{")
    assert slots.candidates() == ("first",)


@pytest.mark.req("security whitepaper A00.FR.205")
@pytest.mark.parametrize(
    ("text", "hexadecimal", "good"),
    [
        ("0" * 32, True, True),
        ("aB" * 20, True, True),
        ("0" * 30, True, False),
        ("0" * 42, True, False),
        ("0" * 33, True, False),
        ("g" * 32, True, False),
        ("0 " * 16, True, False),
        ("x" * 16, False, True),
        ("x" * 15, False, False),
        ("x" * 41, False, False),
        ("x" * 16 + "\n", False, False),
    ],
)
def test_a_password_has_the_length_that_the_standard_wants(text: str, hexadecimal: bool, good: bool) -> None:
    problem = problem_of(text, hexadecimal=hexadecimal)
    assert (problem == "") is good
    assert text not in problem


@pytest.mark.req("security whitepaper A05")
def test_a_profile_only_rises_and_what_was_not_proven_falls_back(tmp_path: Path) -> None:
    record = ProfileRecord(tmp_path, 1)
    with pytest.raises(ValueError, match="not above"):
        record.propose(1)
    record.propose(3)
    assert (ProfileRecord(tmp_path, 1).current, ProfileRecord(tmp_path, 1).pending) == (1, 3)
    record.fall_back()
    assert (record.current, record.pending) == (1, None)
    record.propose(2)
    assert record.proven()
    assert ProfileRecord(tmp_path, 1).current == 2
    assert ProfileRecord(tmp_path, 0).current == 0  # somebody changed the station file


def test_a_raised_profile_stays_although_credentials_came_since(tmp_path: Path) -> None:
    bare = Vault(Provision(state_dir=tmp_path, encrypted=True), credentials=tmp_path / "nowhere")
    assert bare.profile_in_use() == 0
    bare.passwords.change("correct horse battery")
    assert bare.profile_in_use() == 2
    bare.profile.propose(3)
    bare.profile.proven()
    again = Vault(Provision(state_dir=tmp_path, encrypted=True), credentials=tmp_path / "nowhere")
    assert again.profile_in_use() == 3


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_of_the_station_wins_over_a_credential_and_shows_nothing_of_itself(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    store = SecretStore(tmp_path, credentials)
    assert store.read("csms-password") is None
    (credentials / "csms-password").write_text("from systemd\n")
    found = store.read("csms-password")
    assert found is not None
    assert (found.text, found.source) == ("from systemd", Source.CREDENTIAL)
    assert "systemd" not in repr(found)
    path = store.set("csms-password", "from the technician")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert store.read("csms-password").text == "from the technician"  # type: ignore[union-attr]
    assert store.known() == {"csms-password": Source.STATION}
    assert store.remove("csms-password")
    assert not store.remove("csms-password")
    assert store.known() == {"csms-password": Source.CREDENTIAL}


@pytest.mark.parametrize(
    ("name", "text"), [("../x", "y"), ("Csms", "y"), ("csms-password", " "), ("csms-password", "a\0")]
)
def test_a_secret_without_a_sane_name_or_content_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SecretError):
        SecretStore(tmp_path).set(name, text)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_secret(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)
    path = store.set("csms-password", "the old one")
    path.with_name(f".{path.name}.{os.getpid()}.new").mkdir()
    with pytest.raises((SecretError, OSError)):
        store.set("csms-password", "the new one")
    assert path.read_text() == "the old one"


# ---- the security log ------------------------------------------------------------------------------------------------


@pytest.mark.req("security whitepaper A04")
def test_the_security_log_is_bounded_and_survives_restarts_and_torn_lines(tmp_path: Path) -> None:
    for number in range(8):
        SecurityLog(tmp_path, most_lines=3).append(entry(number))
    assert [each.text for each in SecurityLog(tmp_path).entries()] == ["3", "4", "5", "6", "7"]
    log = SecurityLog(tmp_path)
    with log.path.open("ab") as file:
        file.write(b'{"event": "star')
    log.append(entry(8))
    assert [each.text for each in log.entries()][-1] == "8"
    assert log.path.stat().st_mode & 0o777 == 0o600


# ---- certificates ----------------------------------------------------------------------------------------------------


def test_dates_are_read_without_a_library() -> None:
    begins, ends = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2055, 6, 7, tzinfo=UTC)
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost", not_before=begins, not_after=ends)
    pem = leaf.cert_chain_pems[0].bytes().decode()
    found = validity_of("a comment\n" + pem + authority.cert_pem.bytes().decode())
    assert (found.not_before_s, found.not_after_s) == (begins.timestamp(), ends.timestamp())
    assert len(certificates_in(pem + "x" + pem)) == 2


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----", "x" * 99])
def test_what_is_no_certificate_has_no_dates(text: str) -> None:
    with pytest.raises(ValueError):
        validity_of(text)


@pytest.mark.req("security whitepaper A00.FR.501-506")
@pytest.mark.parametrize("kind", list(KeyKind))
def test_keys_of_both_kinds_make_requests(tmp_path: Path, kind: KeyKind) -> None:
    request = make_request(make_key(kind), Subject(common_name="SN", organization="Operator"))
    assert request.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert len(request) <= 5500  # what a SignCertificate holds


@pytest.mark.req("security whitepaper A02")
def test_no_certificate_is_taken_that_nobody_asked_for(tmp_path: Path) -> None:
    keys = FileKeyStore(tmp_path)
    assert not keys.waiting()
    with pytest.raises(Rejected, match="asked for none"):
        keys.accept("x", Subject(common_name="SN"), ("SN",), (), NOW_S)


@pytest.mark.req("security whitepaper M05.FR.06; CertificateStoreMaxLength")
def test_a_full_store_takes_no_further_root_and_says_so(tmp_path: Path) -> None:
    store = RootStore(tmp_path, (), additional_check=False)
    folder = tmp_path / "roots"
    folder.mkdir()
    pem = trustme.CA().cert_pem.bytes().decode()
    for number in range(MOST_INSTALLED):
        (folder / f"csms-{number:032x}.pem").write_text(pem)
    outcome = store.install(RootPurpose.MANUFACTURER, pem, NOW_S)
    assert outcome.answer is RootAnswer.REJECTED
    assert "no room" in outcome.why


def test_a_root_that_is_not_valid_now_is_rejected(tmp_path: Path) -> None:
    store = RootStore(tmp_path, (), additional_check=False)
    pem = trustme.CA().cert_pem.bytes().decode()
    after_s = validity_of(pem).not_after_s + 86_400
    assert "expired" in store.install(RootPurpose.CSMS, pem, after_s).why
    assert store.install(RootPurpose.CSMS, pem, None).answer is RootAnswer.ACCEPTED  # who knows what day it is?


# ---- the vault -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encrypted", "password", "certificate", "given", "profile"),
    [
        (False, False, False, None, 0),
        (False, True, False, None, 1),
        (True, False, False, None, 0),
        (True, True, False, None, 2),
        (True, True, True, None, 3),
        (False, True, True, None, 1),
        (True, True, True, 2, 2),
    ],
)
def test_the_profile_is_what_address_and_credentials_amount_to(
    tmp_path: Path, encrypted: bool, password: bool, certificate: bool, given: int | None, profile: int
) -> None:
    some = tmp_path / "some.pem"
    some.write_text("x")
    provision = Provision(
        state_dir=tmp_path,
        password_file=some if password else None,
        client_certificate=some if certificate else None,
        client_key=some if certificate else None,
        encrypted=encrypted,
        profile=given,
    )
    assert Vault(provision).profile_in_use() == profile


def test_a_secret_that_cannot_be_read_is_no_reason_to_go_without_one(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "csms-password").symlink_to("csms-password")  # a loop: root itself cannot read it
    vault = Vault(Provision(state_dir=tmp_path), credentials=tmp_path / "nowhere")
    with pytest.raises(SecretError, match="cannot be read"):
        vault.provisioned_password()


def test_the_password_comes_from_the_nearest_place(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("of the file\n")
    bare = Vault(Provision(state_dir=tmp_path), identity_password=lambda: "of the identity")
    assert bare.provisioned_password() == "of the identity"
    vault = Vault(Provision(state_dir=tmp_path, password_file=file), identity_password=lambda: "of the identity")
    assert vault.provisioned_password() == "of the file"
    vault.secrets.set("csms-password", "of the station")
    assert vault.provisioned_password() == "of the station"
