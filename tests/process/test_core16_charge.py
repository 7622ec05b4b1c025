"""OCPP 1.6 with the real processes: the CSMS's list, aligned and stop data, a cable that stays locked."""

from __future__ import annotations

import pytest

from tests.process.houses import CARD, Stay, stay

pytestmark = pytest.mark.process


async def accepted(house: Stay, action: str, payload: dict[str, object]) -> None:
    answer = await house.csms.call(action, payload)
    assert answer["payload"] == {"status": "Accepted"}, (action, payload, answer)


@pytest.mark.octt("TC_008_CS", "TC_043_CS", "TC_005_2_CS", "TC_071_CS")
@pytest.mark.req("OCPP 1.6 §5.15, §3.16.2, §3.16.5, §9.1.31")
async def test_a_listed_card_charges_its_stop_has_data_and_its_cable_waits_for_it() -> None:
    async with stay() as house:
        await house.online()
        for key, value in (
            ("LocalPreAuthorize", "true"),
            ("StopTxnSampledData", "Energy.Active.Import.Register,Voltage"),
            ("MeterValueSampleInterval", "1"),
            ("ClockAlignedDataInterval", "1"),
            ("UnlockConnectorOnEVSideDisconnect", "false"),
        ):
            await accepted(house, "ChangeConfiguration", {"key": key, "value": value})
        listed = {"idTag": CARD, "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
        await accepted(
            house, "SendLocalList", {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [listed]}
        )
        await house.begin()
        await house.bench.unplug(evse=1, end="vehicle")
        (row,) = await house.exact(1)
        assert row["stop_reason"] == "EVDisconnected"
        frames = await house.csms.wait("StopTransaction", timeout_s=10)
        data = frames[-1]["payload"]["transactionData"]
        contexts = [each["sampledValue"][0]["context"] for each in data]
        assert (contexts[0], contexts[-1]) == ("Transaction.Begin", "Transaction.End")
        assert set(contexts[1:-1]) <= {"Sample.Periodic"}
        status = await house.until(lambda status: status["evses"][0]["occupancy"] == "finishing")
        assert status["evses"][0]["lock"] == "locked"
        await house.tap(CARD)
        await house.until(lambda status: status["evses"][0]["occupancy"] == "free")
        await house.until(lambda status: status["evses"][0]["lock"] == "unlocked")
        asked = await house.csms.call("GetLocalListVersion", {})
        assert asked["payload"] == {"listVersion": 1}
