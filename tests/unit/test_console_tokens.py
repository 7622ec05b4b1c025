"""Files of cards, and the screens of ``auth explain`` and ``cards``."""

from __future__ import annotations

from typing import Any

import pytest

from agent.cli import main
from agent.console.cards_file import expiry_of, read_cards, uid_of
from agent.console.token_screens import cards_screen, explain_screen

NEW_YEAR_UTC_S = 1_798_761_600.0  # 2027-01-01T00:00:00Z


def test_a_file_with_a_header_may_name_its_columns_in_any_order() -> None:
    cards, problems = read_cards("\ufeffLabel;UID;expires\nAnna;04:a1:b2:c3;2026-12-31\n\n# a note\n;04FFEE01;\n")
    assert problems == []
    assert cards == [
        {"token": "04A1B2C3", "label": "Anna", "group": None, "expires_utc_s": NEW_YEAR_UTC_S, "blocked": False},
        {"token": "04FFEE01", "label": "", "group": None, "expires_utc_s": None, "blocked": False},
    ]


def test_a_file_without_a_header_has_the_columns_in_their_order() -> None:
    cards, problems = read_cards('04A1B2C3,"Anna, garage",family,,blocked\n')
    assert problems == []
    assert cards[0]["label"] == "Anna, garage"
    assert (cards[0]["group"], cards[0]["blocked"]) == ("family", True)


def test_every_mistake_is_told_with_its_line() -> None:
    text = "uid,label,group,expires,status\n,Nobody\n04A1,A,,soon\n04A2,B,,,maybe\n04A3\n04a3\n1,2,3,4,5,6\n" + "x" * 40
    cards, problems = read_cards(text)
    assert [each.partition(":")[0] for each in problems] == [f"line {number}" for number in (2, 3, 4, 6, 7, 8)]
    assert "line 5" in problems[3]
    assert [each["token"] for each in cards] == ["04A3"]


def test_an_unknown_column_is_told_instead_of_being_left_out() -> None:
    assert read_cards("uid,name\n04,Anna\n")[1] == [
        "line 1: column 'name' is not one of uid, label, group, expires, status"
    ]


def test_an_empty_file_has_no_cards() -> None:
    assert read_cards("") == ([], [])
    assert read_cards("uid,label\n") == ([], [])


@pytest.mark.parametrize(
    ("text", "uid"), [("04-a1-B2", "04A1B2"), ("04 a1", "04A1"), (" plain ", "plain"), ("a-b", "a-b"), ("DE*8", "DE*8")]
)
def test_a_number_is_written_as_readers_give_it(text: str, uid: str) -> None:
    assert uid_of(text) == uid


@pytest.mark.parametrize(
    ("text", "utc_s"),
    [
        ("", None),
        ("2026-12-31", NEW_YEAR_UTC_S),
        ("2027-01-01T00:00:00", NEW_YEAR_UTC_S),
        ("2027-01-01T01:00:00+01:00", NEW_YEAR_UTC_S),
    ],
)
def test_an_expiry_is_a_day_or_a_moment(text: str, utc_s: float | None) -> None:
    assert expiry_of(text) == utc_s


def report(**changes: Any) -> dict[str, Any]:
    prospect = {"say": "yes", "text": "charges", "why": "accepted in the cache (LocalAuthorizeOffline)"}
    return {
        "token": "id:12345678",
        "online_now": False,
        "known": [{"source": "cache", "verdict": "accepted", "group": "g", "expires": "2027-01-01T00:00:00.000Z"}],
        "online": {"say": "ask", "text": "the CSMS is asked", "why": "unknown here"},
        "offline": prospect,
        "afterwards": "if the CSMS refuses ...",
        "sources": {"local list": False, "local card": True, "cache": True},
        "evses": [{"id": 1, "closed": None}, {"id": 2, "closed": "made inoperative by the CSMS"}],
    } | changes


def test_the_explanation_marks_what_counts_now() -> None:
    lines = explain_screen(report()).splitlines()
    assert lines[0] == "id:12345678"
    assert any("cache: accepted, group g, until 2027" in line for line in lines)
    assert any("not used  local list" in line for line in lines)
    assert [line for line in lines if line.endswith("<- now")] == [line for line in lines if "offline" in line]
    assert " ".join(lines[-1].split()) == "EVSE 2 takes nobody now: made inoperative by the CSMS"
    assert "nothing" in explain_screen(report(known=[]))


def test_the_cards_are_a_table() -> None:
    card = {"token": "04A1B2C3", "label": "Anna", "group": None, "expires": None, "blocked": True}
    assert cards_screen({"cards": [card]}).splitlines()[1].split() == ["04A1B2C3", "Anna", "-", "-", "blocked"]
    assert "no cards" in cards_screen({"cards": []})


@pytest.mark.parametrize("arguments", [["auth"], ["cards"], ["cards", "learn", "--seconds", "0"], ["auth", "explain"]])
def test_a_verb_without_what_it_needs_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: charge-agent" in capsys.readouterr().err
