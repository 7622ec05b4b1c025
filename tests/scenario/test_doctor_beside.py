"""``charge-agent doctor`` beside a running agent: the CSMS never sees two connections of one station."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.console.door import Door, DoorError
from agent.runtime.doctor import EXIT_CODE, Step
from tests.conformance.octt.virtual_time import in_virtual_time
from tests.scenario.secured_world import STATION, Csms
from tests.scenario.test_csms_link_receives import ReadJournal, Wire, linked


@asynccontextmanager
async def agent_at_home(folder: Path, csms: Mapping[str, Any] | None) -> AsyncIterator[list[float]]:
    """Answer the door as an agent that says ``csms`` of its link, nothing where ``None``; yield what was held, in s."""
    held: list[float] = []

    async def status(_request: Mapping[str, Any]) -> Mapping[str, Any]:
        if csms is None:
            raise DoorError("the station is not ready")
        return {"csms": csms}

    async def hold(request: Mapping[str, Any]) -> Mapping[str, Any]:
        held.append(request["seconds"])
        return {"state": "waiting"}

    (folder / "run").mkdir()
    serving = asyncio.create_task(Door(folder / "run" / "agent.sock", {"status": status, "hold": hold}).run())
    while not (folder / "run" / "agent.sock").exists():
        await asyncio.sleep(0.01)
    try:
        yield held
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def doctor(folder: Path, port: int) -> int:
    section = f'url = "ws://127.0.0.1:{port}/"\nallow_insecure = true\n'
    (folder / "station.toml").write_text(STATION.format(csms=section) + '[clock]\ntrust = "always"\n')
    return await asyncio.to_thread(main, ["doctor", str(folder / "station.toml")])


@pytest.mark.parametrize(
    ("state", "code", "word"),
    [
        ("accepted", 0, "The link is good."),
        ("pending", EXIT_CODE[Step.REGISTRATION], "the CSMS says pending"),
        ("rejected", EXIT_CODE[Step.REGISTRATION], "the CSMS says rejected"),
        ("connected", 0, "as far as was looked"),
        (None, 0, "cannot be asked"),
    ],
)
async def test_an_agent_that_holds_a_connection_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str | None, code: int, word: str
) -> None:
    csms = Csms()
    async with csms.listen() as port:
        told = None if state is None else {"state": state, "since_s": 1, "url": f"ws://127.0.0.1:{port}/"}
        async with agent_at_home(tmp_path, told) as held:
            assert await doctor(tmp_path, port) == code
    assert word in capsys.readouterr().out
    assert csms.visits == []
    assert [each for each in held if each] == []


async def test_an_agent_without_a_connection_dials_nobody_while_the_doctor_looks(tmp_path: Path) -> None:
    csms = Csms()
    async with csms.listen() as port, agent_at_home(tmp_path, {"state": "waiting"}) as held:
        assert await doctor(tmp_path, port) == 0
    assert len(csms.visits) == 1
    assert held[0] > 0
    assert held[-1] == 0


def test_a_link_that_is_held_dials_nobody_until_it_is_let_go() -> None:
    async def play() -> None:
        wire = Wire(short=True)
        async with linked(wire, ReadJournal(0), []) as link:
            wire.answer(await wire.heard.get())
            while link.state != "accepted":
                await asyncio.sleep(0.1)
            link.hold(600.0)
            link.reconnect()
            await asyncio.sleep(300.0)
            assert link.state == "waiting"
            link.hold(0.0)
            await asyncio.sleep(2.0)
            assert link.state == "accepted"
            link.hold(600.0)
            link.reconnect()
            await asyncio.sleep(602.0)
            assert link.state == "accepted", "a doctor that was killed holds it no longer than that"

    in_virtual_time(asyncio.wait_for(play(), 3_600.0))
