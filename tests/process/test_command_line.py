"""``charge-agent`` as a technician types it, beside a living station and beside a dead one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hil.house import House
from tests.process.houses import CARD, PATIENCE_S, Stay, options, place, stay, world

REPOSITORY = Path(__file__).parents[2]


async def command(*words: str, station: Path | None = None) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of ``charge-agent WORDS``."""
    told = [] if station is None else ["--config", str(station)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent.cli", *words, *told,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    said, complained = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def shown(house: House, *words: str) -> str:
    code, said, complained = await command(*words, station=house.station_file)
    assert code == 0, complained
    return said


async def told(house: House, *words: str) -> dict[str, Any]:
    return dict(json.loads(await shown(house, *words, "--json")))


async def sources(house: House) -> list[str]:
    """Return the sources of EVSE 1's limits, the binding one first."""
    return [each["source"] for each in (await told(house, "why", "1"))["evses"][0]["limits"]]


async def knock(house: House, *lines: bytes) -> list[dict[str, Any]]:
    """Say lines to the agent's door and return its answers until it hangs up or has answered them all."""
    reader, writer = await asyncio.open_unix_connection(str(house.directory / "run" / "agent.sock"), limit=1 << 20)
    answers = []
    try:
        for line in lines:
            writer.write(line)
            await writer.drain()
            answer = await asyncio.wait_for(reader.readline(), PATIENCE_S)
            if not answer:
                break
            answers.append(json.loads(answer))
    except (ConnectionResetError, BrokenPipeError):
        return answers
    finally:
        writer.close()
    return answers


async def test_status_why_and_queue_follow_a_charge_and_survive_the_agents_end() -> None:
    async with stay(options(variables={"LocalAuthorizeOffline": "true"})) as guest:
        house = guest.house
        await guest.online()
        await _free(house)
        await house.bench.plug(evse=1, cable_a=20)
        await guest.plugged()
        assert await sources(house) == ["authorization", "evse", "cable"]
        await guest.tap()
        await house.bench.wait("evse1.current_a", ">", 10, timeout_s=PATIENCE_S)
        await guest.until(lambda status: status["evses"][0]["session_wh"] and status["evses"][0]["csms_id"] is not None)
        await _charging(house)
        await guest.cut_off()
        await guest.until(lambda status: status["csms"]["since_s"] > 1.5)  # and several attempts
        await house.bench.rcd(action="trip")
        await guest.until(lambda status: status["store"]["waiting"] > 0 and status["evses"][0]["faults"] != [])
        await _offline_with_a_fault(house)
        await house.kill("agent", restart=False)
        await _nobody_home(house)


async def _free(house: House) -> None:
    status = await shown(house, "status")
    for words in (
        r"^BENCH-1  Bench Simulated  charge-agent \d+\.\d+\.\d+  up \d+ s$",
        r"^  time    20\d\d-.*Z \(system\)$",
        r"^  CSMS    accepted for \d+ s  OCPP 1\.6  ws://",
        r"^  guard   connected$",
        r"^  facts   0 waiting, 0 given up$",
        r"^EVSE 1  free$",
        r"^  pilot     A   offer none   contactor open   lock unlocked$",
        r"^  meter     \d+ Wh  0 W  0\.0/0\.0/0\.0 A  \(\d+\.\d s old\)$",
        r"^  session   no transaction$",
        r"^  why       no charging: nobody is authorised$",
    ):
        assert re.search(words, status, re.MULTILINE), (words, status)
    assert await sources(house) == ["authorization", "vehicle", "evse"]
    assert (await shown(house, "queue")).startswith("0 facts waiting, 0 given up")
    assert await told(house, "queue") == {"source": "agent", "waiting": 0, "dead": 0, "rows": []}
    code, _, complained = await command("why", "7", station=house.station_file)
    assert (code, complained) == (1, "there is no EVSE 7, expected one of 1\n")
    code, _, complained = await command("why", "x", station=house.station_file)
    assert code == 2
    assert "'x' is not a number" in complained


async def _charging(house: House) -> None:
    status = await shown(house, "status")
    for words in (
        r"^EVSE 1  charging$",
        r"^  pilot     C   offer 16\.0 A   contactor closed   lock locked$",
        r"^  meter     \d+ Wh  11\d{3} W  16\.0/16\.0/16\.0 A  \(\d+\.\d s old\)$",
        r"^  session   \d+ Wh for id:[0-9a-f]+  \(transaction \S+, CSMS calls it \d+\)$",
        r"^  why       at most 16 A: EVSE maximum 16 A$",
    ):
        assert re.search(words, status, re.MULTILINE), (words, status)
    assert CARD not in status
    why = await shown(house, "why", "1")
    assert [re.split(r" {2,}", line.strip()) for line in why.splitlines()[:4]] == [
        ["EVSE 1: at most 16 A: EVSE maximum 16 A"],
        ["evse", "16 A", "EVSE maximum 16 A"],
        ["cable", "20 A", "cable coded for 20 A"],
        ["permit", "16 A", "permit for 16 A"],
    ]
    (evse,) = (await told(house, "status"))["evses"]
    assert evse["offer_a"] == pytest.approx(16.0, abs=0.001)
    assert 0 <= evse["reading_age_s"] < 10
    assert (evse["contactor"], evse["lock"], evse["occupancy"]) == ("closed", "locked", "charging")
    assert (evse["phases"], evse["simplified"]) == (3, False)
    wear = evse["contactor_wear"]
    assert (wear["closings"], wear["openings_under_load"], wear["phase_closings"]) == (1, 0, None)
    assert 0 < wear["slowest_close_ms"] <= 250
    ladder = await shown(house, "ocpp", "log")
    assert re.search(r"── StartTransaction  \{.*─>", ladder), ladder
    assert re.search(r"<─ StartTransaction answered after \d+ ms", ladder), ladder
    assert CARD not in ladder
    assert (await shown(house, "cdr")).strip() == "No charge has ended yet."


async def _offline_with_a_fault(house: House) -> None:
    status = await shown(house, "status")
    assert re.search(r"^  CSMS    OFFLINE .* for \d+ s", status, re.MULTILINE), status
    assert "last error: " in status
    assert re.search(r"^  why       no charging: rcd_tripped", status, re.MULTILINE), status
    assert re.search(r"^  FAULT     rcd_tripped", status, re.MULTILINE), status
    assert (await sources(house))[0] == "fault"
    queue = await told(house, "queue")
    assert queue["source"] == "agent"
    assert queue["waiting"] == len(queue["rows"]) > 0
    first = queue["rows"][0]
    assert first["age_s"] >= 0
    assert {"seq", "kind", "transaction", "attempts", "state", "last_error"} <= first.keys()
    assert len((await told(house, "queue", "--limit", "1"))["rows"]) == 1


async def _nobody_home(house: House) -> None:
    for word in ("status", "why"):
        code, said, complained = await command(word, station=house.station_file)
        assert (code, said) == (69, "")
        assert "no agent listens at" in complained
    code, said, complained = await command("queue", station=house.station_file)
    assert code == 0, complained
    assert "(no agent runs: read from a copy of its journal)" in said
    assert (await told(house, "cdr"))["source"] == "copy"
    code, _, complained = await command("ocpp", "log", station=house.station_file)
    assert (code, "memory only" in complained) == (69, True)
    queue = await told(house, "queue")
    assert queue["source"] == "copy"
    assert all(row["age_s"] is not None for row in queue["rows"]), "the station's clock says how old they are"
    (house.directory / "state" / "journal.sqlite").rename(house.directory / "elsewhere")
    code, _, complained = await command("queue", station=house.station_file)
    assert code == 69
    assert "No agent runs, and there is no journal at" in complained


async def test_why_names_what_the_csms_the_guard_and_a_silent_meter_forbid() -> None:
    extra = {"charging": 'meter_stale_s = 3\non_meter_loss = "suspend"\n'}
    async with stay(options(extra=extra)) as guest:
        house = guest.house
        await guest.online()
        await guest.begin()
        await house.bench.meter(evse=1, mode="silent")
        await guest.until(lambda status: any(text.startswith("meter_silent") for text in status["evses"][0]["faults"]))
        assert "meter_silent" in await shown(house, "why")
        await house.bench.meter(evse=1, mode="ok")
        await guest.until(lambda status: status["evses"][0]["faults"] == [])
        await house.kill("guard", restart=False)
        await guest.until(lambda status: not status["guard"]["connected"])
        assert "NOT CONNECTED" in await shown(house, "status")
        await guest.until(lambda status: any("guard_lost" in text for text in status["evses"][0]["faults"]))
        assert {"fault", "guard"} <= set(await sources(house))
        await house.start_station()
        await guest.ready()
        await house.csms.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
        await house.bench.unplug(evse=1)
        await guest.until(lambda status: not status["evses"][0]["operative"])
        assert "OUT OF SERVICE (set by the CSMS)" in await shown(house, "status")
        await guest.until(lambda status: status["evses"][0]["transaction"] is None)
        assert "inoperative" in await sources(house)


BROKEN = """[station]
id = "X-1"
colour = "red"
state_dir = "state"

[csms]
url = "ws://127.0.0.1:9/"
version = "1.7"
allow_insecure = true

[variables]
HeartbeatIntervall = 10
"""


async def test_check_tells_every_problem_at_once_with_its_line_and_a_hint(tmp_path: Path) -> None:
    station = tmp_path / "station.toml"
    station.write_text(BROKEN)
    code, said, complained = await command("check", str(station))
    assert (code, said) == (78, "")
    assert f"{station}:3: station.colour" in complained
    assert f"{station}:8: csms.version" in complained
    assert f"{station}:12: variables.HeartbeatIntervall" in complained
    assert "did you mean 'HeartbeatInterval'" in complained
    assert complained.count(str(station)) >= 5, "and what is missing"
    code, said, _ = await command("check", "--json", str(station))
    answer = json.loads(said)
    assert code == 78
    assert answer["ok"] is False
    assert {(each["line"], each["key"]) for each in answer["problems"]} >= {(3, "station.colour"), (8, "csms.version")}
    assert all(each.keys() == {"file", "line", "key", "problem", "hint"} for each in answer["problems"])
    station.write_text("[station\n")
    code, _, complained = await command("check", str(station))
    assert code == 78
    assert f"{station}:1" in complained
    code, _, complained = await command("check", str(tmp_path / "nowhere.toml"))
    assert code == 78
    assert "No such file or directory" in complained


async def test_a_good_file_is_called_good_and_nothing_is_touched(tmp_path: Path) -> None:
    async with place() as directory:
        shutil.copy(REPOSITORY / "config" / "station.example.toml", directory / "station.toml")
        code, said, _ = await command("check", str(directory / "station.toml"))
        assert code == 0
        assert ": good. Station " in said
        assert [each.name for each in directory.iterdir()] == ["station.toml"]


def break_file(station: Path) -> None:
    text = station.read_text()
    station.write_text(
        text.replace("[csms]", "[csms]\ncolour = 1", 1).replace("max_current_a = 16", "max_current_a = 160")
    )


@pytest.mark.parametrize("ocpp", ["1.6", "2.0.1"])
async def test_a_broken_file_runs_on_its_last_good_copy_and_says_so_everywhere(ocpp: str) -> None:
    async with stay(options(ocpp)) as guest:
        house = guest.house
        await guest.online()
        await house.stop_station()
        break_file(house.station_file)
        since = await guest.csms.last_seq()
        await house.start_station()
        await guest.ready()
        await guest.online()
        status = await told(house, "status")
        assert status["station"]["settings"] == "last_good"
        assert len(status["station"]["problems"]) == 2
        assert any("csms.colour" in each for each in status["station"]["problems"])
        assert any(each.startswith("settings_last_good") for each in status["faults"])
        assert "SETTINGS: the station file is broken, this is its last good copy:" in await shown(house, "status")
        assert house.child("agent").log_text().count('"settings.broken"') == 2
        assert "the plan was made of its last good copy" in house.child("guard").log_text()
        if ocpp == "1.6":
            told_csms = await guest.frames("StatusNotification", since=since)
            assert any(each["payload"]["errorCode"] != "NoError" for each in told_csms), told_csms
        await guest.begin()
        await guest.end()
        await guest.exact(1)


async def test_a_broken_file_without_a_copy_starts_nothing_and_no_output_is_touched() -> None:
    async with world() as guest:
        house = guest.house
        break_file(house.station_file)
        for word in ("run", "guard"):
            code, said, complained = await command(word, station=house.station_file)
            assert (code, said) == (78, ""), complained
            assert "csms.colour" in complained
            assert "max_current_a 160" in complained
        assert [value for _, _, value in await house.bench.trace("evse1.coil") if value] == []


async def test_what_the_csms_changed_wins_until_the_files_own_value_changes() -> None:
    async with stay(options(variables={"ConnectionTimeOut": "61"})) as guest:
        house = guest.house
        await guest.online()
        assert await _timeout(house) == ("61", "file")
        answer = await guest.csms.call("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "62"})
        assert answer["payload"]["status"] == "Accepted"
        assert await _timeout(house) == ("62", "csms")
        assert "TxCtrlr.EVConnectionTimeOut = 62" in await shown(house, "status")
        assert re.search(r"EVConnectionTimeOut +62  \(from the CSMS\)", await shown(house, "why"))
        await _restart(guest)
        assert await _timeout(house) == ("62", "csms")
        _preset(house, "61", "63")
        await _restart(guest)
        assert await _timeout(house) == ("63", "file")
        assert re.search(r"EVConnectionTimeOut +63  \(from the station file\)", await shown(house, "why"))
        _preset(house, "63", "61")
        await _restart(guest)
        assert await _timeout(house) == ("61", "file"), "the old change of the CSMS does not come back"


async def _restart(guest: Stay) -> None:
    before = guest.house.restarts["agent"]
    await guest.house.kill("agent")
    await guest.house.until(lambda: guest.house.restarts["agent"] > before, what="the agent", timeout_s=PATIENCE_S)
    await guest.ready()


def _preset(house: House, before: str, after: str) -> None:
    text = house.station_file.read_text()
    house.station_file.write_text(text.replace(f'"ConnectionTimeOut" = {before}', f'"ConnectionTimeOut" = {after}'))


async def _timeout(house: House) -> tuple[str, str]:
    found = (await told(house, "why"))["variables"]
    ((value, source),) = [(each["value"], each["source"]) for each in found if "EVConnectionTimeOut" in each["name"]]
    return value, source


async def test_no_request_at_the_door_does_harm() -> None:
    async with stay() as guest:
        house = guest.house
        await guest.online()
        garbage: Sequence[bytes] = (
            b"garbage\n",
            b"\xff\xfe\n",
            b"[" * 60_000 + b"\n",
            b"[]\n",
            b'{"ask": 7}\n',
            b'{"ask": "open the contactor"}\n',
            b'{"ask": "why", "evse": {"id": 1}}\n',
            b'{"ask": "queue", "limit": 1e400}\n',
            b'{"ask": "queue", "limit": 100000000000000000000000}\n',
            b'{"ask": "queue", "limit": "all", "offset": -1}\n',
            b'{"ask": "auth"}\n',
            b'{"ask": "auth", "token": ["04"]}\n',
            b'{"ask": "cards", "do": "put", "cards": [{"token": 4}]}\n',
            b'{"ask": "cards", "do": "remove", "token": "nobody"}\n',
            b'{"ask": "cards", "do": "learn", "seconds": 1e9}\n',
            b'{"ask": "cards", "do": "burn"}\n',
        )
        answers = await knock(house, *garbage)
        assert [each["ok"] for each in answers] == [False] * len(garbage)
        assert answers[5]["error"].startswith("ask 'open the contactor' is not one of auth, cards, ")
        assert await knock(house, b"x" * 200_000 + b"\n") == []
        idle = [await asyncio.open_unix_connection(str(house.directory / "run" / "agent.sock")) for _ in range(20)]
        idle[0][1].write(b'{"ask": "sta')
        for _ in range(300):
            idle[1][1].write(b'{"ask": "status"}\n')  # and never reads
        assert (await told(house, "status"))["csms"]["online"]
        for _, writer in idle:
            writer.close()
        mode = (house.directory / "run" / "agent.sock").stat().st_mode
        assert mode & 0o777 == 0o660
        assert "Traceback" not in house.child("agent").log_text()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_who_may_not_use_the_door_is_told_so() -> None:
    async with stay() as guest:
        house = guest.house
        await guest.ready()
        house.directory.chmod(0o755)
        saying = (
            "import pathlib, sys; from agent.console.knock import ask, Unanswered\n"
            "try: ask(pathlib.Path(sys.argv[1]), 'status')\n"
            "except Unanswered as error: print(error)"
        )
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/env", "python3", "-S", "-c", saying, str(house.directory / "run" / "agent.sock"),
            stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY, user=65534, group=65534,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        said, _ = await process.communicate()
        assert b"permission denied; run as root or as a member of the station's group" in said
