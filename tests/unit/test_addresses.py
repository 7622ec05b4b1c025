"""Which addresses of a CSMS are followed."""

from __future__ import annotations

import pytest

from agent.model.addresses import problem_of_transfer


@pytest.mark.parametrize(
    "address",
    ["https://h/f.bin", "http://h:8080/", "ftp://u:p@h/logs/", "ftps://h/x", "sftp://u@[::1]:22/x", "HTTPS://h/x"],
)
def test_the_usual_schemes_are_followed(address: str) -> None:
    assert problem_of_transfer(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        *("file:///etc/shadow", "data:text/plain,x", "gopher://h/x", "javascript:x", "dummy://dummy", "dict://h:1/x"),
        *("//h/x", "/etc/passwd", "h/x", "https:///x", "https://:80/x", "http://h:port/x", "http://[::1/x", ""),
        *("http://h/\nHost: x", " http://h/x", "http://h/x y", "http://h\\@other/x", "http://h/" + "x" * 2_000),
    ],
)
def test_everything_else_is_refused_and_its_secrets_not_repeated(address: str) -> None:
    assert problem_of_transfer(address)
    assert "secret" not in problem_of_transfer("gopher://me:secret@h/")


def test_a_station_may_speak_less() -> None:
    assert "ftp" in problem_of_transfer("ftp://h/x", {"https"})
