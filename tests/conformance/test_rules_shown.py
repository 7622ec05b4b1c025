"""Rules of OCPP 1.6, and quirks of back ends, that are nobody else's test."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from agent.model.commands import Answered, Outcome, ReportVariables
from agent.model.ids import IdTokenKind, token_of_card
from agent.ocpp.transport import CsmsEndpoint, Link
from hil.actuators import ContactorMode
from tests.conformance.octt.test_octt_smart_charging import offered, profile, put, schedule
from tests.conformance.octt.virtual_time import in_virtual_time
from tests.conformance.octt.whole_station import bench
from tests.scenario.ocpp_desk import Desk


@pytest.mark.req("OCPP-J 1.6 §5.1")
@pytest.mark.parametrize("offered", [False, True], ids=["not offered", "offered"])
@pytest.mark.parametrize("served", [None, "deflate"], ids=["server without", "server with"])
async def test_compression_is_what_was_negotiated_and_nothing_depends_on_it(offered: bool, served: str | None) -> None:
    seen: list[str] = []

    async def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("Sec-WebSocket-Extensions", ""))
        async for text in connection:
            await connection.send(text)

    options: dict[str, Any] = {"subprotocols": [Subprotocol("ocpp1.6")], "compression": served}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        target = CsmsEndpoint(
            url=f"ws://127.0.0.1:{port}",
            identity="CS",
            subprotocol="ocpp1.6",
            allow_insecure=True,
            compression=offered,
        )
        async with await Link.connect(target, ping_s=0) as link:
            text = '[2,"1","DataTransfer",{"data":"' + "x" * 5000 + '"}]'
            await link.send(text)
            assert await link.recv() == text
    assert ["permessage-deflate" in each for each in seen] == [offered]


@pytest.mark.req("OCPP 1.6 §5.16.4")
def test_the_last_period_lasts_until_the_duration_and_what_lies_beyond_is_ignored() -> None:
    async def play() -> None:
        async with bench() as station:
            csms = station.csms
            await station.booted()
            given = profile((0, 9), (60, 7), (300, 6), startSchedule=csms.at(), duration=120)
            assert await put(csms, 1, given) == "Accepted"
            assert [limit for _, limit in await schedule(csms, 400)] == [9, 7, 16]
            await station.charging()
            await offered(station, 9)
            await station.rest(60)
            await offered(station, 7)
            await station.rest(70)
            await offered(station, 16)

    in_virtual_time(play())


@pytest.mark.req(
    "OCPP 1.6 §5.14: the stop is told before the restart, but nobody waits for a back end that says nothing"
)
@pytest.mark.parametrize("reply", ["silent", "callerror"])
def test_a_soft_reset_waits_ten_seconds_for_its_stops_to_be_taken(reply: str) -> None:
    async def play() -> None:
        async with bench() as station:
            csms = station.csms
            await station.booted()
            transaction = await station.charging()
            csms.script(action="StopTransaction", reply=reply)
            await csms.accepted("Reset", type="Soft")
            stop = await csms.frame("StopTransaction", transactionId=transaction)
            boot = await csms.frame("BootNotification")
            assert 9 < boot.at_s - stop.at_s < 15
            csms.script(action="StopTransaction", reply="ok")
            again = await csms.expect("StopTransaction", within_s=200)
            assert again == stop.payload

    in_virtual_time(play())


@pytest.mark.req("OCPP 1.6 §5.18: a cable that cannot be let go is a failure, not an error of the station")
@pytest.mark.parametrize("obstacle", ["welded contactor", "no guard"])
def test_unlocking_fails_in_time_where_the_transaction_cannot_end(obstacle: str) -> None:
    async def play() -> None:
        async with bench() as station:
            csms = station.csms
            await station.booted()
            await station.charging()
            if obstacle == "welded contactor":
                contactor = station.evse().contactor
                await station.do(lambda: contactor.set_mode(ContactorMode.WELDED, station.now_s()))
            else:
                station.kill_guard()
            asked_s = station.now_s()
            assert await csms.call("UnlockConnector", connectorId=1) == {"status": "UnlockFailed"}
            assert station.now_s() - asked_s < 20
            assert station.evse().lock.locked

    in_virtual_time(play())


@pytest.mark.req("quirk T20: the same requestId for several reports")
def test_reports_with_one_request_id_are_all_made() -> None:
    desk = Desk(version="2.0.1", presets={})
    desk.boot()
    for _ in range(3):
        desk.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        received = desk.command()
        assert isinstance(received.command, ReportVariables)
        desk.take(desk.session.outcome(received.command_id, Outcome(answered=Answered.ACCEPTED), desk.now_s))
        assert desk.last_answer() == {"status": "Accepted"}
        desk.take(desk.session.report(1, desk.book.entries(), desk.now_s))
    parts = desk.answer_all("NotifyReport")
    assert {each["requestId"] for each in parts} == {1}
    assert [each["tbc"] for each in parts].count(False) == 3


@pytest.mark.req("quirk T27: an ISO14443 token has 8 or 14 digits")
@pytest.mark.parametrize(
    ("uid", "kind"),
    [
        ("04A1B2C3", IdTokenKind.ISO14443),
        ("04A1B2C3D4E5F6", IdTokenKind.ISO14443),
        ("2900DEB30A", IdTokenKind.LOCAL),
        ("04A1B2C3D4E5F60718AB", IdTokenKind.LOCAL),
    ],
)
def test_a_card_is_an_iso_14443_token_only_with_4_or_7_bytes(uid: str, kind: IdTokenKind) -> None:
    assert token_of_card(uid, IdTokenKind.ISO14443).kind is kind
    assert token_of_card(uid, IdTokenKind.LOCAL).kind is IdTokenKind.LOCAL
