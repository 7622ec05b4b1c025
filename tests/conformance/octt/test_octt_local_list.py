"""Local authorization list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.octt.cases import case
from tests.conformance.octt.csms_side import Csms
from tests.conformance.octt.whole_station import CARD, OTHER_CARD, bench


def entry(id_tag: str, status: str = "Accepted") -> dict[str, Any]:
    return {"idTag": id_tag, "idTagInfo": {"status": status}}


async def send(csms: Csms, version: int, *entries: dict[str, Any], differential: bool = False) -> str:
    """Send a list; return the status of the answer."""
    kind = "Differential" if differential else "Full"
    payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": list(entries)}
    return str((await csms.call("SendLocalList", payload))["status"])


async def version(csms: Csms) -> int:
    return int((await csms.call("GetLocalListVersion"))["listVersion"])


@case("TC_008_CS")
@pytest.mark.parametrize("way", ["card", "remote"])
async def test_tc_008_cs_start_with_an_id_in_the_local_list(way: str) -> None:
    """A listed card starts without a question."""
    async with bench() as station:
        csms = station.csms
        await station.booted(LocalAuthListEnabled=True, LocalPreAuthorize=True, AuthorizeRemoteTxRequests=True)
        assert await send(csms, 1, entry(CARD)) == "Accepted"
        await station.plug()
        await station.identify(way)
        await csms.expect("StartTransaction", idTag=CARD)
        await csms.status(1, "Charging")
        assert csms.calls("Authorize") == []


@case("TC_042_1_CS")
async def test_tc_042_1_cs_list_version_where_lists_are_not_supported() -> None:
    """A list that is switched off has version -1."""
    async with bench() as station:
        await station.booted(LocalAuthListEnabled=False)
        assert await version(station.csms) == -1


@case("TC_042_2_CS")
async def test_tc_042_2_cs_list_version_of_an_empty_list() -> None:
    """An empty list has version 0, also after it was emptied."""
    async with bench() as station:
        await station.booted()
        assert await version(station.csms) == 0
        await send(station.csms, 4, entry(CARD))
        await send(station.csms, 5)
        assert await version(station.csms) == 0


@case("TC_043_CS")
async def test_tc_043_cs_send_local_list() -> None:
    """A full list, then a change to it; the version follows."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        assert (await send(csms, 1, entry(CARD)), await version(csms)) == ("Accepted", 1)
        assert (await send(csms, 2, entry(OTHER_CARD), differential=True), await version(csms)) == ("Accepted", 2)


@case("TC_043_1_CS")
async def test_tc_043_1_cs_send_local_list_not_supported() -> None:
    """Lists that are switched off are not taken."""
    async with bench() as station:
        await station.booted(LocalAuthListEnabled=False)
        assert await send(station.csms, 1, entry(CARD)) == "NotSupported"


@case("TC_043_2_CS")
async def test_tc_043_2_cs_send_local_list_version_mismatch() -> None:
    """A change must have a higher version than what it changes."""
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await send(csms, 5, entry(CARD))
        for number in (5, 4):
            assert await send(csms, number, entry(OTHER_CARD), differential=True) == "VersionMismatch"
        assert await version(csms) == 5


@case("TC_043_3_CS")
@pytest.mark.parametrize("wrong", ["twice", "too long"])
async def test_tc_043_3_cs_send_local_list_failed(wrong: str) -> None:
    """A list that cannot be taken fails and leaves the old one."""
    entries = [entry(CARD)] * 2 if wrong == "twice" else [entry(f"TAG{number}") for number in range(501)]
    async with bench() as station:
        csms = station.csms
        await station.booted()
        await send(csms, 1, entry(OTHER_CARD))
        assert await send(csms, 2, *entries) == "Failed"
        assert await version(csms) == 1
