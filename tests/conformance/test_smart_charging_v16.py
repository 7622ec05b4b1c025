"""Smart charging and reservations as a 1.6 back end sees them: its words in, ours out, both held against the schemas.

The dialect and the whole charging core stand between; only the wire is left out.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.commands import GetVariables, VariablesOutcome
from agent.model.inputs import FactAnswered
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout, StationLayout
from agent.model.variables import VariableBook
from agent.ocpp.errors import RemoteProtocolError, Violation
from agent.ocpp.v16.dialect import Dialect16
from agent.ocpp.wire_time import format_utc, utc_s
from tests.conformance.oracle import FEW, V16
from tests.scenario.charging_world import ALICE, BOB, World

Payload = dict[str, Any]


class BackEnd:
    """A CSMS of 1.6 opposite a station with two EVSEs; connectors 1 and 2."""

    def __init__(self, *evses: EvseLayout) -> None:
        evses = evses or (EvseLayout(evse_id=1), EvseLayout(evse_id=2))
        self.places = [(each.evse_id, number) for each in evses for number in each.connector_ids]
        self.dialect = Dialect16(evses)
        variables = VariableBook((*STANDARD_VARIABLES, *self.dialect.variables()), presets={}, stored=())
        self.world = World(layout=StationLayout(evses=evses, readers={"one": (1,), "two": (2,)}), variables=variables)
        self.variables = variables

    def call(self, action: str, **payload: Any) -> Payload:
        """Return the answer to a CALL."""
        assert V16.check(action, "request", payload, our_times=False) == []
        return self.raw(action, payload)

    def raw(self, action: str, payload: Payload) -> Payload:
        command = self.dialect.command(action, json.dumps(payload).encode())
        outcome = self.world.answers[self.world.command(command)]
        message = self.dialect.answer(action, command, outcome)
        told: Payload = json.loads(bytes(self.dialect.encode(message)))
        assert V16.check(action, "response", told) == []
        return told

    def status(self, action: str, **payload: Any) -> str:
        return str(self.call(action, **payload)["status"])

    def violation(self, action: str, **payload: Any) -> Violation:
        with pytest.raises(RemoteProtocolError) as caught:
            self.raw(action, payload)
        return caught.value.violation

    def shown(self, connector: int) -> str:
        """Return the status that a StatusNotification would tell."""
        place = self.places[connector - 1] if connector else (0, 0)
        message = self.dialect.status(place, self.world.station.views(), self.world.station.station_operative, 1.8e9)
        return str(json.loads(bytes(self.dialect.encode(message)))["status"])

    def at(self, seconds: float) -> str:
        """Return the time ``seconds`` from now."""
        now_s = self.world.stamp().utc_s
        assert now_s is not None
        return str(format_utc(now_s + seconds))

    def charge(self, number: int = 42) -> None:
        """Begin a transaction on connector 1, which gets a number."""
        self.world.tap(ALICE, "one")
        self.world.run(1)
        self.world.plug(1)
        self.world.until(lambda: self.world.closed(1))
        name = self.world.started[-1].transaction_id
        self.world.send(FactAnswered(transaction_id=name, csms_id=str(number), verdict=None))

    @property
    def permit_a(self) -> float | None:
        return self.world.station.view(1).permit_a


def profile(*steps: tuple[int, float], purpose: str = "TxDefaultProfile", unit: str = "A", **more: Any) -> Payload:
    """Build a ChargingProfile; members of the schedule go by their own names."""
    schedule = {name: more.pop(name) for name in ("duration", "startSchedule", "minChargingRate") if name in more}
    periods = [{"startPeriod": start, "limit": limit} for start, limit in steps or ((0, 10.0),)]
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {"chargingRateUnit": unit, "chargingSchedulePeriod": periods, **schedule},
        **more,
    }


@pytest.fixture
def csms() -> BackEnd:
    return BackEnd()


# Smart charging


@pytest.mark.req("OCPP 1.6 §5.16")
@pytest.mark.octt("TC_056_CS")
@pytest.mark.octt("TC_082_CS")
def test_a_default_profile_is_accepted_and_counts(csms: BackEnd) -> None:
    given = profile((0, 6.0), (60, 10.0), startSchedule=csms.at(0))
    assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=given) == "Accepted"
    csms.charge()
    assert csms.permit_a == 6.0
    csms.world.run(60)
    assert csms.permit_a == 10.0


@pytest.mark.req("OCPP 1.6 §3.13.1; §5.16")
@pytest.mark.octt("TC_057_CS")
@pytest.mark.octt("TC_058_1_CS")
@pytest.mark.octt("TC_058_2_CS")
def test_a_transactions_profile_wants_its_transaction(csms: BackEnd) -> None:
    own = profile((0, 8.0), purpose="TxProfile", startSchedule=csms.at(0))
    assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=own) == "Rejected"
    csms.charge(42)
    for number, expected in ((41, "Rejected"), (42, "Accepted")):
        given = {**own, "transactionId": number}
        assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=given) == expected
    assert csms.permit_a == 8.0
    assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=own) == "Rejected"
    assert csms.status("SetChargingProfile", connectorId=2, csChargingProfiles=own) == "Rejected"


@pytest.mark.req("OCPP 1.6 §3.13.1; errata 3.38, 3.39")
def test_purposes_and_connectors_that_do_not_go_together(csms: BackEnd) -> None:
    most = profile(purpose="ChargePointMaxProfile")
    assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=most) == "Rejected"
    assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=most) == "Accepted"
    for number in (3, -1):
        unknown = csms.violation("SetChargingProfile", connectorId=number, csChargingProfiles=profile())
        assert unknown is Violation.PROPERTY


@pytest.mark.req("OCPP 1.6 §7.12-7.14: limits have one decimal; errata 3.38")
def test_what_is_malformed_is_a_callerror_and_tenths_are_decimal(csms: BackEnd) -> None:
    fine = [6.1, 16.1, 0.3, 31.9, 32, 13.8, 11.040e3]
    for limit in fine:
        given = profile((0, limit))
        assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=given) == "Accepted", limit
    for limit in (6.15, 16.01, 0.30000000000000004):
        given = profile((0, limit))
        assert csms.violation("SetChargingProfile", connectorId=0, csChargingProfiles=given) is Violation.PROPERTY
    for member, value in (
        ("chargingProfilePurpose", "TxPlan"),
        ("chargingProfileKind", "Sometimes"),
        ("recurrencyKind", "Yearly"),
        ("validFrom", "tomorrow"),
    ):
        given = {**profile(), member: value}
        assert csms.violation("SetChargingProfile", connectorId=0, csChargingProfiles=given) is Violation.PROPERTY
    bad_unit = profile(unit="VA")
    assert csms.violation("SetChargingProfile", connectorId=0, csChargingProfiles=bad_unit) is Violation.PROPERTY


@pytest.mark.req("OCPP 1.6 §9.4: the limits that the keys tell are the limits that count")
def test_the_keys_tell_what_is_taken(csms: BackEnd) -> None:
    told = keys(csms)
    assert told["ConnectorSwitch3to1PhaseSupported"] == ("false", True)
    assert told["ReserveConnectorZeroSupported"] == ("true", True)
    assert told["ChargingScheduleAllowedChargingRateUnit"] == ("Current,Power", True)
    assert {"SmartCharging", "Reservation"} <= set(told["SupportedFeatureProfiles"][0].split(","))
    level, periods, most = (
        int(told[name][0])
        for name in ("ChargeProfileMaxStackLevel", "ChargingScheduleMaxPeriods", "MaxChargingProfilesInstalled")
    )
    assert all(told[name][1] for name in ("ChargeProfileMaxStackLevel", "ChargingScheduleMaxPeriods"))
    many = profile(*((each, 10.0) for each in range(periods)))
    assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=many) == "Accepted"
    too_many = profile(*((each, 10.0) for each in range(periods + 1)))
    assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=too_many) == "Rejected"
    too_high = {**profile(), "stackLevel": level + 1}
    assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=too_high) == "Rejected"
    places = [(connector, rank) for connector in (0, 1, 2) for rank in range(level + 1)]
    places += [(0, rank) for rank in range(level + 1)]
    answers = []
    for number, (connector, rank) in enumerate(places):
        purpose = "ChargePointMaxProfile" if number >= 3 * (level + 1) else "TxDefaultProfile"
        given = {**profile(purpose=purpose), "stackLevel": rank, "chargingProfileId": 100 + number}
        answers.append(csms.status("SetChargingProfile", connectorId=connector, csChargingProfiles=given))
    assert answers.count("Accepted") == min(most, len(places))


def keys(csms: BackEnd) -> dict[str, tuple[str, bool]]:
    """Return every configuration key with its value and whether it is read-only."""
    command = csms.dialect.command("GetConfiguration", b"{}")
    assert isinstance(command, GetVariables)
    outcome = VariablesOutcome(results=tuple(csms.variables.get(*query) for query in command.queries))
    message = csms.dialect.answer("GetConfiguration", command, outcome)
    told = json.loads(bytes(csms.dialect.encode(message)))["configurationKey"]
    return {each["key"]: (each.get("value", ""), each["readonly"]) for each in told}


@pytest.mark.req("OCPP 1.6 §5.5")
@pytest.mark.octt("TC_067_CS")
def test_profiles_are_cleared_and_nothing_to_clear_is_unknown(csms: BackEnd) -> None:
    assert csms.status("ClearChargingProfile") == "Unknown"
    for number, connector in ((1, 0), (2, 1), (3, 2)):
        given = {**profile(), "chargingProfileId": number}
        assert csms.status("SetChargingProfile", connectorId=connector, csChargingProfiles=given) == "Accepted"
    assert csms.status("ClearChargingProfile", id=9) == "Unknown"
    assert csms.status("ClearChargingProfile", id=2) == "Accepted"
    assert csms.status("ClearChargingProfile", connectorId=1) == "Unknown"
    assert csms.status("ClearChargingProfile", connectorId=7) == "Unknown"
    assert csms.status("ClearChargingProfile", chargingProfilePurpose="TxProfile") == "Unknown"
    criteria = {"connectorId": 0, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}
    assert csms.status("ClearChargingProfile", **criteria) == "Accepted"
    assert csms.status("ClearChargingProfile") == "Accepted"
    assert csms.status("ClearChargingProfile") == "Unknown"


@pytest.mark.req("OCPP 1.6 §5.7; errata 3.24, 3.57")
@pytest.mark.octt("TC_066_CS")
def test_the_composite_schedule_of_a_transaction(csms: BackEnd) -> None:
    csms.charge()
    given = profile((0, 10.0), purpose="ChargePointMaxProfile", duration=86_400, startSchedule=csms.at(0))
    assert csms.status("SetChargingProfile", connectorId=0, csChargingProfiles=given) == "Accepted"
    steps = ((0, 6.0), (60, 10.0), (120, 8.0), (180, 15.0), (260, 8.0))
    times = {"startSchedule": csms.at(0), "validFrom": csms.at(0), "validTo": csms.at(401)}
    given = {**profile(*steps, duration=300, **times), "chargingProfileId": 2}
    assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=given) == "Accepted"
    steps = ((0, 8.0), (50, 11.0), (140, 16.0), (200, 6.0), (240, 12.0))
    given = {**profile(*steps, purpose="TxProfile", duration=260, **times), "chargingProfileId": 3}
    given["transactionId"] = 42
    assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=given) == "Accepted"
    told = csms.call("GetCompositeSchedule", connectorId=1, duration=400, chargingRateUnit="A")
    assert (told["status"], told["connectorId"]) == ("Accepted", 1)
    assert utc_s(told["scheduleStart"]) == pytest.approx(csms.world.stamp().utc_s, abs=0.01)
    schedule = told["chargingSchedule"]
    assert (schedule["duration"], schedule["chargingRateUnit"]) == (400, "A")
    assert "startSchedule" not in schedule
    found = [(each["startPeriod"], each["limit"]) for each in schedule["chargingSchedulePeriod"]]
    assert found == [(0, 8.0), (50, 10.0), (200, 6.0), (240, 10.0)]
    in_watts = csms.call("GetCompositeSchedule", connectorId=0, duration=100, chargingRateUnit="W")
    assert in_watts["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 6_900.0


@pytest.mark.req("OCPP 1.6 §5.7")
def test_the_composite_schedule_of_an_unknown_connector_or_unit(csms: BackEnd) -> None:
    assert csms.call("GetCompositeSchedule", connectorId=3, duration=60) == {"status": "Rejected"}
    assert csms.call("GetCompositeSchedule", connectorId=1, duration=0) == {"status": "Rejected"}
    wrong = csms.violation("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="kW")
    assert wrong is Violation.PROPERTY


@pytest.mark.req("OCPP 1.6 §3.13.2; §5.16.4")
@pytest.mark.octt("TC_072_CS")
def test_the_composite_schedule_of_stacked_profiles(csms: BackEnd) -> None:
    start = csms.at(0)
    low = profile((0, 6.0), (100, 8.0), (200, 10.0), duration=400, startSchedule=start)
    high = {**profile((0, 7.0), (100, 9.0), duration=150, startSchedule=start), "stackLevel": 1, "chargingProfileId": 2}
    for told in (low, high):
        assert csms.status("SetChargingProfile", connectorId=1, csChargingProfiles=told) == "Accepted"
    answer = csms.call("GetCompositeSchedule", connectorId=1, duration=350)["chargingSchedule"]
    found = [(each["startPeriod"], each["limit"]) for each in answer["chargingSchedulePeriod"]]
    assert found == [(0, 7.0), (100, 9.0), (150, 8.0), (200, 10.0)]


@pytest.mark.req("OCPP 1.6 §5.11; §5.16.2")
@pytest.mark.octt("TC_059_CS")
@pytest.mark.octt("TC_060_CS")
def test_a_remote_start_with_a_profile(csms: BackEnd) -> None:
    csms.world.change("AuthCtrlr", "AuthorizeRemoteStart", "false")
    own = {**profile((0, 7.0), purpose="TxProfile"), "chargingProfileKind": "Relative"}
    start = {"idTag": BOB.value, "connectorId": 1}
    assert csms.status("RemoteStartTransaction", **start, chargingProfile=profile()) == "Rejected"
    named = {**own, "transactionId": 5}
    assert csms.violation("RemoteStartTransaction", **start, chargingProfile=named) is Violation.PROPERTY
    assert csms.status("RemoteStartTransaction", **start, chargingProfile=own) == "Accepted"
    csms.world.plug(1)
    csms.world.until(lambda: csms.world.closed(1))
    assert csms.permit_a == 7.0


# Reservations


def reserve(csms: BackEnd, connector: int = 1, *, seconds: float = 600.0, **more: Any) -> str:
    given = {"connectorId": connector, "expiryDate": csms.at(seconds), "idTag": ALICE.value, "reservationId": 5, **more}
    return csms.status("ReserveNow", **given)


@pytest.mark.req("OCPP 1.6 §5.13; §4.9 A7, G1, G2; §4.8")
@pytest.mark.octt("TC_046_1_CS")
@pytest.mark.octt("TC_047_CS")
def test_a_reserved_connector_says_so_until_it_is_used_or_its_time_is_over(csms: BackEnd) -> None:
    assert reserve(csms, seconds=60) == "Accepted"
    assert [csms.shown(each) for each in (0, 1, 2)] == ["Available", "Reserved", "Available"]
    csms.world.run(61)
    assert csms.shown(1) == "Available"
    assert reserve(csms) == "Accepted"
    csms.world.tap(ALICE, "one")
    csms.world.run(1)
    assert csms.shown(1) == "Preparing"
    csms.world.plug(1)
    csms.world.until(lambda: csms.world.closed(1))
    csms.world.run(1)
    assert csms.shown(1) == "Charging"
    assert csms.world.started[0].reservation_id == 5


@pytest.mark.req("OCPP 1.6 §5.13; an EVSE charges one vehicle at a time")
def test_of_several_connectors_of_one_evse_the_reserved_one_says_so_and_the_others_are_out_of_use() -> None:
    csms = BackEnd(EvseLayout(evse_id=1, connector_ids=(1, 2)))
    assert reserve(csms, 2) == "Accepted"
    assert [csms.shown(each) for each in (1, 2)] == ["Unavailable", "Reserved"]
    assert reserve(csms, 1, reservationId=6) == "Occupied"
    assert reserve(csms, 1) == "Accepted"
    assert [csms.shown(each) for each in (1, 2)] == ["Reserved", "Unavailable"]


@pytest.mark.req("OCPP 1.6 §5.1; §5.13")
@pytest.mark.octt("TC_051_CS")
@pytest.mark.octt("TC_052_CS")
def test_reservations_are_answered_and_cancelled(csms: BackEnd) -> None:
    assert reserve(csms, 9) == "Rejected"
    assert reserve(csms, seconds=-5) == "Rejected"
    assert reserve(csms, parentIdTag="FAMILY") == "Accepted"
    assert reserve(csms, reservationId=6) == "Occupied"
    assert csms.status("CancelReservation", reservationId=6) == "Rejected"
    assert csms.status("CancelReservation", reservationId=5) == "Accepted"
    assert csms.shown(1) == "Available"
    assert csms.status("ChangeAvailability", connectorId=2, type="Inoperative") == "Accepted"
    assert reserve(csms, 2) == "Unavailable"
    assert reserve(csms, 0) == "Accepted"
    assert (
        csms.violation("ReserveNow", connectorId=1, expiryDate="soon", idTag="A", reservationId=1) is Violation.PROPERTY
    )


@pytest.mark.parametrize(
    "action",
    [
        "SetChargingProfile",
        "ClearChargingProfile",
        "GetCompositeSchedule",
        "ReserveNow",
        "CancelReservation",
        "RemoteStartTransaction",
    ],
)
def test_whatever_a_back_end_may_say_is_answered(action: str) -> None:
    csms = BackEnd()
    csms.charge()

    @FEW
    @given(V16.instances(action, "request"), st.integers(0, 2))
    def check(payload: Payload, connector: int) -> None:
        if "connectorId" in payload:
            payload["connectorId"] = connector
        with suppress(RemoteProtocolError):  # a CALLERROR is an answer
            csms.raw(action, payload)
        csms.world.run(0.2)
        assert csms.world.station.views()

    check()
