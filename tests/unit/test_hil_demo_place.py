"""Where the demonstration lives, and the commands it tells its user."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path

import pytest

from agent.cli import _parser as agent_parser
from hil.cli import build_parser
from hil.demo_place import NoPlace, choose_place, command_words, leftover_sockets, prepare, ways_to_play


def test_one_charge_lives_in_a_private_folder_of_its_own() -> None:
    place, why = choose_place(None, once=True, environ={})
    assert why is None
    assert place.stat().st_mode & 0o777 == 0o700
    place.rmdir()


def test_without_a_wish_the_folder_is_dot_bench_or_what_the_environment_says() -> None:
    assert choose_place(None, once=False, environ={}) == (Path(".bench"), None)
    assert choose_place(None, once=False, environ={"CHARGE_BENCH_DIR": "/tmp/b"}) == (Path("/tmp/b"), None)
    assert choose_place(Path("x"), once=True, environ={}) == (Path("x"), None)


def test_a_folder_too_deep_for_sockets_is_replaced_by_a_short_one_and_that_is_said() -> None:
    deep = Path("/tmp") / ("d" * 90)
    place, why = choose_place(deep, once=False, environ={})
    assert place != deep
    assert len(os.fsencode(place)) < 60
    assert why is not None
    assert "too deep" in why
    place.rmdir()


def test_an_earlier_runs_state_is_gone_unless_it_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "b"
    prepare(place, keep=False)
    assert place.stat().st_mode & 0o777 == 0o700
    (place / "bench.lock").write_text("1\n")
    (place / "state").mkdir()
    (place / "state" / "journal.db").write_text("old")
    (place / "agent.log").write_text("old")
    (place / "mine.txt").write_text("the user's own")
    prepare(place, keep=True)
    assert (place / "state" / "journal.db").exists()
    prepare(place, keep=False)
    assert sorted(path.name for path in place.iterdir()) == ["bench.lock", "mine.txt"]


def test_a_run_that_was_interrupted_before_its_bench_stood_does_not_bar_the_next_one(tmp_path: Path) -> None:
    place = tmp_path / "b"
    prepare(place, keep=False)
    (place / "bench.log").write_text("")  # the launcher's first act; Ctrl-C comes before the bench takes its lock
    prepare(place, keep=False)
    assert sorted(path.name for path in place.iterdir()) == ["bench.lock"]


def test_a_folder_that_no_bench_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with pytest.raises(NoPlace, match="is not empty and no bench's folder, expected a new or an empty one"):
        prepare(tmp_path, keep=False)
    assert (tmp_path / "state").exists()


@pytest.mark.parametrize(("server", "lock"), [("bench", "bench.lock"), ("CSMS", "csms.lock")])
def test_a_folder_that_somebody_serves_is_refused_with_its_process(tmp_path: Path, server: str, lock: str) -> None:
    import fcntl

    (tmp_path / "bench.lock").touch()
    with (tmp_path / lock).open("w") as claim:
        claim.write("4711\n")
        claim.flush()
        fcntl.flock(claim, fcntl.LOCK_EX)
        with pytest.raises(NoPlace, match=rf"a {server} already serves .* \(process 4711\)"):
            prepare(tmp_path, keep=False)


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoPlace, match="cannot be used: Not a directory"):
        prepare(tmp_path / "file" / "b", keep=False)


def test_sockets_that_are_left_are_found(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "run" / "x.sock"))
        assert leftover_sockets(tmp_path) == [tmp_path / "run" / "x.sock"]
    assert leftover_sockets(tmp_path / "nowhere") == []


def test_the_commands_begin_as_the_user_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_words(".venv/bin/charge-bench", {}) == (".venv/bin/charge-bench", ".venv/bin/charge-agent")
    inside = str(tmp_path / "v/bin/charge-bench")
    assert command_words(inside, {}) == ("v/bin/charge-bench", "v/bin/charge-agent")
    assert command_words("/opt/my venv/charge-bench", {})[1] == "'/opt/my venv/charge-agent'"
    assert command_words("/x/hil/cli.py", {})[0].endswith(" -m hil.cli")
    on_path = tmp_path / "bin" / "charge-bench"
    on_path.parent.mkdir()
    on_path.write_text("#!/bin/sh\n")
    on_path.chmod(0o755)
    assert command_words(str(on_path), {"PATH": str(on_path.parent)}) == ("charge-bench", "charge-agent")


def test_every_command_that_is_told_is_understood(tmp_path: Path) -> None:
    ways = ways_to_play(tmp_path, "charge-bench", "charge-agent", card="04A2B3C4D5")
    parsed = 0
    for _, command in ways:
        for part in command.split("; "):
            program, *arguments = shlex.split(part)
            if program == "charge-bench":
                build_parser().parse_args(arguments)
                parsed += 1
            elif program == "charge-agent":
                agent_parser().parse_args(arguments)
                parsed += 1
            else:
                assert program in ("kill", "sleep")
    assert parsed >= len(ways) - 2
