"""What a log line looks like, what it never shows, and how often it is said."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from agent.log import Condition
from agent.model.ids import IdToken, IdTokenKind

REPOSITORY = Path(__file__).parents[2]
UID = "04A2B3C4D5"
SAYING = (
    "from agent.log import get_logger, set_up_logging; from agent.model.ids import IdToken, IdTokenKind\n"
    "set_up_logging('info', {form!r})\n"
    "log = get_logger('room')\n"
    "token = IdToken(value='04A2B3C4D5', kind=IdTokenKind.LOCAL)\n"
    "log.debug('nothing.said')\n"
    "log.info('card.presented', token=token.hashed(), evse_id=1)\n"
    "log.warning('secrets.given', password='hush', authorization_key='hush', id_tag='04A2B3C4D5')\n"
    "try: 1 / 0\n"
    "except ZeroDivisionError: log.exception('sum.failed')\n"
)


def said(form: str = "auto", *, environ: dict[str, str] | None = None, terminal: bool = False) -> str:
    plain = {key: value for key, value in os.environ.items() if key not in ("JOURNAL_STREAM", "NO_COLOR")}
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", SAYING.format(form=form)],
        cwd=REPOSITORY, env=plain | (environ or {}), stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    heard = b""
    try:
        while chunk := os.read(ours, 65536):
            heard += chunk
    except OSError:  # the terminal's other end has closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return heard.decode()


def test_a_terminal_gets_text_and_colours_unless_it_asks_for_none() -> None:
    text = said(terminal=True)
    assert "card.presented" in text
    assert "\x1b[" in text
    assert "{" not in text.splitlines()[0]
    assert "\x1b[" not in said(terminal=True, environ={"NO_COLOR": "1"})


def test_systemds_journal_gets_one_json_object_per_line_even_for_an_exception() -> None:
    lines = [json.loads(line) for line in said(terminal=True, environ={"JOURNAL_STREAM": "8:1"}).splitlines()]
    assert [(each["event"], each["level"]) for each in lines] == [
        ("card.presented", "info"),
        ("secrets.given", "warning"),
        ("sum.failed", "error"),
    ]
    assert all(each["room"] == "room" and each["timestamp"].endswith("Z") for each in lines)
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_a_file_gets_json_unless_text_is_asked_for() -> None:
    assert said().startswith("{")
    assert not said("text").startswith("{")


def test_tokens_and_passwords_are_never_shown() -> None:
    for form in ("json", "text"):
        shown = said(form)
        assert UID not in shown
        assert "hush" not in shown
        assert "***" in shown
        assert IdToken(value=UID, kind=IdTokenKind.LOCAL).hashed() in shown


class Lines:
    """A logger that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, event: str, **_facts: object) -> None:
        self.said.append(event)

    def info(self, event: str, **_facts: object) -> None:
        self.said.append(event)


def test_a_condition_is_said_when_it_comes_and_when_it_goes_however_often_it_is_seen() -> None:
    lines = Lines()
    condition = Condition(lines, "meter.silent")
    for raised in (False, True, True, True, False, False, True):
        condition.set(raised)
    assert lines.said == ["meter.silent.raised", "meter.silent.cleared", "meter.silent.raised"]
