"""The meter and the card reader of a demonstration: what is taken, what is refused, and what is passed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.demo import main
from hil.demo_parts import card_for, meter_names, too_coarse
from hil.paths import config_dir
from hil.reader_faces import READER_FACES

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_an_unknown_meter_or_reader_is_refused_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["--meter", "abb_b22"], capsys)
    assert "there is no meter profile 'abb_b22'; did you mean 'abb_b21'?" in said
    assert all(name in said for name in meter_names())
    said = refusal(["--reader", "pn533"], capsys)
    assert all(name in said for name in READER_FACES)
    said = refusal(["--meter", "./none.toml"], capsys)
    assert "'./none.toml' is no meter profile" in said


@pytest.mark.parametrize("name", meter_names())
def test_every_shipped_profile_can_be_played_or_says_how_long_a_charge_it_needs(name: str) -> None:
    said = too_coarse(name, 14.0)
    if said is not None:
        needed = said.rpartition("--charging ")[2]
        assert too_coarse(name, float(needed) + 1) is None
    assert (config_dir() / "meters" / f"{name}.toml").exists()


def test_a_meter_whose_register_a_short_charge_does_not_move_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(["--meter", "socomec_diris_a10"], capsys)
    assert "counts in steps of 1000 Wh" in said
    assert "expected at least --charging 391" in said


@pytest.mark.parametrize("reader", READER_FACES)
def test_the_demonstrations_card_is_one_that_its_reader_can_read(reader: str) -> None:
    assert READER_FACES[reader].cards.fullmatch(card_for(reader))


def test_make_run_passes_meter_and_reader_on() -> None:
    recipe = MAKEFILE.read_text(encoding="utf-8")
    assert "$(if $(METER),--meter $(METER))" in recipe
    assert "$(if $(READER),--reader $(READER))" in recipe
