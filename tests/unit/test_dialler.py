"""Which way the next connection takes, without any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.model.security import SecurityEventKind
from agent.ocpp.transport import LinkClosed, LinkFailure
from agent.runtime.dialler import Dialler
from agent.security.vault import Provision, Vault
from agent.settings.station import CsmsSettings, OcppVersion, PasswordEncoding

WRONG_PASSWORD = LinkClosed(LinkFailure.HTTP_STATUS, "401", 401)
UNREACHABLE = LinkClosed(LinkFailure.UNREACHABLE, "nobody listens")


class World:
    """A dialler with its vault in a folder, and what it noted."""

    def __init__(self, folder: Path, *urls: str, vouched: bool = True, **more: Any) -> None:
        fields: dict[str, Any] = {
            "url": urls[0],
            "fallback_urls": urls[1:],
            "version": OcppVersion.V16,
            "allow_insecure": True,
            "root_certificates": (),
            "password_file": None,
            "password_encoding": PasswordEncoding.LITERAL,
        }
        settings = CsmsSettings(**(fields | more))
        provision = Provision(
            state_dir=folder, encrypted=all(url.startswith("wss:") for url in urls), profile=settings.security_profile
        )
        self.notes: list[SecurityEventKind] = []
        self.vault = Vault(provision, credentials=folder / "nowhere")
        self.dialler = Dialler(
            settings=settings,
            identity="CP-0001",
            subprotocol="ocpp1.6",
            vault=self.vault,
            attempts=lambda: 2,
            utc=lambda: None,
            vouched=lambda: vouched,
            note=lambda event, _text: self.notes.append(event),
        )


@pytest.mark.req("OCPP 2.0.1 B10: order and attempts")
def test_each_address_gets_its_tries_and_then_it_begins_again(tmp_path: Path) -> None:
    world = World(tmp_path, "wss://a/", "wss://b/", "wss://c/")
    tried = []
    for _ in range(8):
        tried.append(world.dialler.next().url)
        world.dialler.failed(UNREACHABLE)
    assert tried == [f"wss://{name}/" for name in "aabbccaa"]


def test_after_a_useful_connection_the_first_address_is_the_first_again(tmp_path: Path) -> None:
    world = World(tmp_path, "wss://a/", "wss://b/")
    for _ in range(2):
        world.dialler.next()
        world.dialler.failed(UNREACHABLE)
    assert world.dialler.next().url == "wss://b/"
    world.dialler.proven()
    world.dialler.ended()
    assert world.dialler.next().url == "wss://a/"


def test_a_connection_that_the_csms_never_used_counts_as_a_failure(tmp_path: Path) -> None:
    world = World(tmp_path, "wss://a/", "wss://b/")
    for _ in range(2):
        world.dialler.next()
        world.dialler.ended()
    assert world.dialler.next().url == "wss://b/"


@pytest.mark.req("security whitepaper A01; field failure 25")
def test_of_two_passwords_the_other_one_is_next_after_a_refusal(tmp_path: Path) -> None:
    world = World(tmp_path, "wss://a/")
    world.vault.secrets.set("csms-password", "the old password")
    world.vault.passwords.change("the new password")
    sent = []
    for _ in range(3):
        sent.append(world.dialler.next().password)
        world.dialler.failed(WRONG_PASSWORD)
    assert sent == [b"the new password", b"the old password", b"the new password"]
    assert set(world.notes) == {SecurityEventKind.FAILED_TO_AUTHENTICATE}


@pytest.mark.req("security whitepaper A00: no downgrade")
@pytest.mark.parametrize(
    ("urls", "profile", "tried"),
    [
        (("ws://a:1/x",), 1, "ws://a:1/x"),
        (("ws://a/", "wss://b/"), 1, "ws://a/"),
        (("ws://a/", "wss://b/"), 2, "wss://b/"),
        (("ws://a:1/x",), 2, "wss://a:1/x"),
    ],
)
def test_the_address_fits_the_profile_and_tls_is_never_left(
    tmp_path: Path, urls: tuple[str, ...], profile: int, tried: str
) -> None:
    world = World(tmp_path, *urls)
    world.vault.secrets.set("csms-password", "correct horse battery")
    world = World(tmp_path, *urls)
    if profile > world.vault.profile.current:
        world.vault.profile.propose(profile)
    assert world.dialler.next().url == tried
    world.dialler.proven()
    assert World(tmp_path, *urls).dialler.next().url == tried  # after a restart, too


@pytest.mark.parametrize(("profile", "word"), [(1, "needs a password"), (2, "needs a password"), (3, "certificate")])
def test_without_credentials_nothing_is_dialled_and_the_remedy_is_named(
    tmp_path: Path, profile: int, word: str
) -> None:
    world = World(tmp_path, "ws://a/" if profile == 1 else "wss://a/", security_profile=profile)
    with pytest.raises(LinkClosed, match=word) as caught:
        world.dialler.next()
    assert caught.value.failure is LinkFailure.NO_CREDENTIALS


def test_a_password_that_is_no_hex_is_not_repeated_in_the_complaint(tmp_path: Path) -> None:
    world = World(tmp_path, "wss://a/", password_encoding=PasswordEncoding.HEX)
    world.vault.secrets.set("csms-password", "correct horse battery")
    with pytest.raises(LinkClosed, match="hex") as caught:
        world.dialler.next()
    assert "horse" not in str(caught.value)
    assert "horse" not in repr(world.dialler.__dict__)


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        (LinkFailure.TLS_UNTRUSTED, SecurityEventKind.INVALID_CSMS_CERTIFICATE),
        (LinkFailure.TLS_WRONG_NAME, SecurityEventKind.INVALID_CSMS_CERTIFICATE),
        (LinkFailure.TLS_EXPIRED, SecurityEventKind.INVALID_CSMS_CERTIFICATE),
        (LinkFailure.TLS_VERSION, SecurityEventKind.INVALID_TLS_VERSION),
        (LinkFailure.TLS_CIPHER, SecurityEventKind.INVALID_TLS_CIPHER_SUITE),
        (LinkFailure.TLS_CLIENT_CERTIFICATE, SecurityEventKind.FAILED_TO_AUTHENTICATE),
        (LinkFailure.UNREACHABLE, None),
        (LinkFailure.TIMED_OUT, None),
    ],
)
@pytest.mark.req("security whitepaper A04, A00.FR.307-322")
def test_a_failure_that_concerns_security_is_an_event(
    tmp_path: Path, failure: LinkFailure, event: SecurityEventKind | None
) -> None:
    world = World(tmp_path, "wss://a/")
    world.dialler.next()
    world.dialler.failed(LinkClosed(failure, "why"))
    assert world.notes == ([] if event is None else [event])


@pytest.mark.parametrize("vouched", [True, False])
def test_dates_are_only_judged_by_the_machines_clock_where_somebody_vouches_for_it(
    tmp_path: Path, vouched: bool
) -> None:
    tls = World(tmp_path, "wss://a/", vouched=vouched).dialler.next().tls
    assert tls is not None
    assert (tls.dates is None) is vouched
