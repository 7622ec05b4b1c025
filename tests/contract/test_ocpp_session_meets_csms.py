"""The session over a real WebSocket opposite a CSMS that is built on somebody else's framing and schema checks."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.model.commands import Answered, GetVariables, Outcome, VariablesOutcome
from agent.model.evse import Occupancy
from agent.model.inputs import CommandReceived, FactAnswered, LinkChanged
from agent.model.journal import JournalRow
from agent.model.moment import Stamp
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.variables import VariableBook
from agent.ocpp.session import Session
from agent.ocpp.session_outputs import Acknowledged, Drop, Failed, GiveUp, Output, Send, ToCore
from agent.ocpp.transport import CsmsEndpoint, Link, LinkClosed
from hil.csms_link import CsmsLink
from hil.csms_server import Csms, Setting
from tests.scenario.ocpp_desk import IDENTITY, VERSIONS, dialect_of, view
from tests.scenario.ocpp_facts import ended, started, updated

both = pytest.mark.parametrize("version", VERSIONS)


class Station:
    """The least that drives a session: a link, a journal, and answers to every command."""

    def __init__(self, version: str) -> None:
        self.dialect = dialect_of(version)
        self.book = VariableBook((*STANDARD_VARIABLES, *self.dialect.variables()), presets={}, stored=())
        self.session = Session(
            self.dialect,
            IDENTITY,
            self.book,
            new_id=lambda: str(uuid.uuid4()),
            utc=time.time,
            resolve=lambda stamp: stamp.utc_s or 0.0,
            boot_reason="power_up",
        )
        self.journal: deque[JournalRow] = deque()
        self.names: dict[str, str] = {}
        self.inputs: list[Any] = []
        self.idle = asyncio.Event()
        self.online = asyncio.Event()
        self.seq = 0

    def record(self, *facts: Any) -> None:
        for fact in facts:
            self.seq += 1
            self.journal.append(JournalRow(seq=self.seq, message_id=str(uuid.uuid4()), fact=fact))
        self.idle.clear()

    def stamp(self) -> Stamp:
        return Stamp(boot_id="b", mono_s=time.monotonic(), utc_s=time.time())

    async def run(self, link: Link) -> None:
        """Serve the link until it ends."""
        now_s = time.monotonic
        await self.perform(self.session.views_changed([view(1), view(2)], True, now_s()), link)
        await self.perform(self.session.opened(now_s()), link)
        async for text in link:
            await self.perform(self.session.received(text, now_s()), link)
            await self.drain(link)

    async def drain(self, link: Link) -> None:
        while self.journal and self.session.wants_fact(time.monotonic()):
            row = self.journal[0]
            named = replace(row, csms_id=self.names.get(row.fact.transaction_id))
            await self.perform(self.session.deliver(named, time.monotonic()), link)
        if not self.journal:
            self.idle.set()

    async def perform(self, outputs: list[Output], link: Link) -> None:
        for output in outputs:
            match output:
                case Send():
                    await link.send(output.text)
                case ToCore():
                    self.inputs.append(output.input)
                    await self.core(output.input, link)
                case Acknowledged():
                    self.journal.popleft()
                case Failed() | GiveUp() | Drop():
                    raise AssertionError(output)
                case _:
                    pass

    async def core(self, given: Any, link: Link) -> None:
        match given:
            case LinkChanged():
                self.online.set()
            case FactAnswered() if given.csms_id is not None:
                self.names[given.transaction_id] = given.csms_id
            case CommandReceived(command=GetVariables() as command):
                results = tuple(self.book.get(*each) for each in command.queries)
                outcome = VariablesOutcome(results=results)
                await self.perform(self.session.outcome(given.command_id, outcome, time.monotonic()), link)
            case CommandReceived():
                accepted = Outcome(answered=Answered.ACCEPTED)
                await self.perform(self.session.outcome(given.command_id, accepted, time.monotonic()), link)


@asynccontextmanager
async def meeting(version: str, directory: Path) -> Any:
    """Bring station and CSMS together."""
    station = Station(version)
    async with Csms(Setting(directory=directory)) as csms, CsmsLink(csms.control_path) as desk:
        target = CsmsEndpoint(
            url=csms.url, identity="CS-1", subprotocol=station.dialect.subprotocol, allow_insecure=True
        )
        async with await Link.connect(target, ping_s=30) as link:
            serving = asyncio.create_task(station.run(link))
            async with asyncio.timeout(20):
                await station.online.wait()
                yield station, desk, link
            await link.close()
            with pytest.raises(LinkClosed):
                await serving


@both
async def test_a_charge_arrives_in_the_ledger_to_the_watt_hour(version: str, tmp_path: Path) -> None:
    async with meeting(version, tmp_path) as (station, desk, link):
        at = station.stamp()
        station.record(started(at), updated(at), ended(at))
        await station.perform(
            station.session.views_changed([view(1), view(2, Occupancy.CHARGING)], True, time.monotonic()), link
        )
        await station.drain(link)
        await station.idle.wait()
        (row,) = await desk.transactions("CS-1")
        assert (row["start_wh"], row["stop_wh"], row["id_token"]) == (4700, 9000, "04A1B2C3")
        assert row["ended"]
        assert not await desk.problems("CS-1")


@both
async def test_the_csms_is_answered_in_its_own_words(version: str, tmp_path: Path) -> None:
    async with meeting(version, tmp_path) as (_station, desk, _link):
        answer = await desk.call("ClearCache", {}, identity="CS-1")
        assert "Accepted" in str(answer)
        if version == "1.6":
            answer = await desk.call("GetConfiguration", {}, identity="CS-1")
            assert "SupportedFeatureProfiles" in str(answer)
        else:
            names = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
            answer = await desk.call("GetVariables", {"getVariableData": [names]}, identity="CS-1")
            assert "PowerPathClosed" in str(answer)
