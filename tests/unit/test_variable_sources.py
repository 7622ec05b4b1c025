"""Whose word a variable follows: the CSMS's, the station file's, or its default."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import StoredValue, ValueSource, VariableBook, VariableRef
from agent.presets import check_variable
from agent.settings.build import parse_station
from agent.settings.problems import SettingsError

REF = VariableRef(component="TxCtrlr", variable="EVConnectionTimeOut")
KEY = "txctrlr.evconnectiontimeout"


def book(preset: str | None, *stored: StoredValue) -> VariableBook:
    return VariableBook(STANDARD_VARIABLES, presets={} if preset is None else {KEY: preset}, stored=stored)


def shown(opened: VariableBook) -> tuple[str, ValueSource]:
    for entry in opened.entries():
        if (entry.definition.component, entry.definition.variable) == (REF.component, REF.variable):
            return entry.value, entry.source
    raise AssertionError("no such variable")


def by_csms(opened: VariableBook, value: str) -> StoredValue:
    row = opened.changed(REF, value)
    assert row is not None
    return row


def test_the_file_beats_the_default_and_the_csms_beats_the_file() -> None:
    assert shown(book(None))[1] is ValueSource.DEFAULT
    assert shown(book("61")) == ("61", ValueSource.FILE)
    assert shown(book("61", by_csms(book("61"), "62"))) == ("62", ValueSource.CSMS)


def test_a_change_of_the_file_beats_the_csms_and_so_does_taking_the_value_out_of_it() -> None:
    row = by_csms(book("61"), "62")
    assert shown(book("63", row)) == ("63", ValueSource.FILE)
    assert shown(book(None, row))[1] is ValueSource.DEFAULT


def test_what_the_file_has_overruled_does_not_come_back_with_the_files_old_value() -> None:
    row = by_csms(book("61"), "62")
    (overruled,) = book("63", row).overruled([row])
    assert shown(book("61", overruled)) == ("61", ValueSource.FILE)
    assert book("61", overruled).overruled([overruled]) == (), "it is forgotten once"


def test_what_the_csms_says_after_that_wins_again() -> None:
    overruled = StoredValue(key=KEY, value="62", source=ValueSource.FILE)
    row = by_csms(book("61", overruled), "64")
    assert shown(book("61", row)) == ("64", ValueSource.CSMS)


def test_what_holds_is_not_overruled() -> None:
    row = by_csms(book("61"), "62")
    assert book("61", row).overruled([row]) == ()


def test_what_the_csms_decided_in_passing_survives_the_late_arrival_of_the_store() -> None:
    opened = book(None)
    opened.adopt("OCPPCommCtrlr", "HeartbeatInterval", "17")
    opened.load(())
    assert opened.text("OCPPCommCtrlr", "HeartbeatInterval") == "17"


@pytest.mark.parametrize("text", ["1e3", "6_0", "٣٠", "0x10", "10.0", "", "+", "1" * 19])
def test_an_integer_is_written_in_plain_digits(text: str) -> None:
    heartbeat = next(each for each in STANDARD_VARIABLES if each.variable == "HeartbeatInterval")
    with pytest.raises(ValueError, match="is not a whole number"):
        heartbeat.normalise(text)


def test_one_variable_cannot_be_preset_under_two_names(tmp_path: Path) -> None:
    text = (
        '[station]\nid = "X"\nvendor = "V"\nmodel = "M"\n[csms]\nurl = "wss://csms.example.com"\n'
        '[variables]\n"HeartbeatInterval" = 300\n"OCPPCommCtrlr.HeartbeatInterval" = 400\n'
    )
    with pytest.raises(SettingsError, match=r"is the same variable as 'HeartbeatInterval'"):
        parse_station(text.encode(), tmp_path / "station.toml", check_variable=check_variable)
