"""Reservations, in virtual time: made, refused, used, ended, kept."""

from __future__ import annotations

import pytest

from agent.model.commands import Answered, ChangeAvailability, Outcome, RequestStart
from agent.model.effects import AskAuthorization, SaveDocument
from agent.model.evse import Occupancy
from agent.model.faults import FaultCode
from agent.model.ids import IdToken
from agent.model.reservations import CancelReservation, Reservation, Reserve, Reserved, ReserveOutcome
from agent.model.station import EvseLayout, StationLayout
from agent.model.verdicts import TokenVerdict, Verdict
from tests.scenario.charging_world import ALICE, BOB, CAROL, World, book


def reserve(
    world: World,
    token: IdToken = ALICE,
    *,
    evse_id: int | None = 1,
    reservation_id: int = 5,
    lasts_s: float = 600.0,
    group: str | None = None,
) -> Reserved:
    utc_s = world.stamp().utc_s or 1_800_000_000.0
    reservation = Reservation(
        reservation_id=reservation_id,
        token=token,
        group=group,
        expires_utc_s=utc_s + lasts_s,
        evse_id=evse_id,
        connector_id=None if evse_id is None else 1,
    )
    outcome = world.answers[world.command(Reserve(reservation=reservation))]
    assert isinstance(outcome, ReserveOutcome)
    assert bool(outcome.why) is not (outcome.reserved is Reserved.ACCEPTED)
    return outcome.reserved


def cancel(world: World, reservation_id: int = 5) -> Answered:
    outcome = world.answers[world.command(CancelReservation(reservation_id=reservation_id))]
    assert isinstance(outcome, Outcome)
    return outcome.answered


def shown(world: World) -> list[bool]:
    return [each.reserved for each in world.station.views()]


def of_group(group: str) -> TokenVerdict:
    return TokenVerdict(verdict=Verdict.ACCEPTED, group=group)


@pytest.mark.req("OCPP 1.6 §5.13; §4.9 A7, G2; §4.8 reservationId")
@pytest.mark.octt("TC_046_1_CS")
def test_the_reserved_card_uses_its_reservation() -> None:
    world = World()
    assert reserve(world) is Reserved.ACCEPTED
    assert shown(world) == [True]
    assert world.station.limits(1)[0].text.startswith(f"reserved for {ALICE.hashed()} until 2027-01-15T08:")
    world.tap(ALICE)
    world.run(1)
    assert shown(world) == [False]
    assert world.station.view(1).occupancy is Occupancy.PREPARING
    world.plug()
    world.until(world.closed)
    assert world.started[0].reservation_id == 5
    assert world.documents["reservation"] == {}


@pytest.mark.req("OCPP 1.6 §5.13; §5.11")
@pytest.mark.octt("TC_046_2_CS")
def test_a_remote_start_uses_the_reservation_of_its_token_and_no_other() -> None:
    world = World()
    reserve(world)
    other = world.answers[world.command(RequestStart(token=BOB, evse_id=1))]
    assert isinstance(other, Outcome)
    assert (other.answered, other.why) == (Answered.REJECTED, "the EVSE is reserved")
    own = world.answers[world.command(RequestStart(token=ALICE, evse_id=1))]
    assert isinstance(own, Outcome)
    assert own.answered is Answered.ACCEPTED
    world.plug()
    world.until(world.closed)
    assert world.started[0].reservation_id == 5


@pytest.mark.req("OCPP 1.6 §5.13: only the idTag or its parent may charge")
def test_another_card_is_refused_with_a_reason_and_nobody_is_asked() -> None:
    world = World()
    reserve(world)
    world.plug()
    world.run(1)
    world.tap(BOB)
    world.run(5)
    assert not world.started
    assert not world.effects(AskAuthorization)
    assert world.notices("card.refused")[0].fields["reason"] == "reserved for somebody else"
    assert shown(world) == [True]
    world.run(120)  # longer than the connection time-out: the vehicle of the right one may be there already
    world.tap(ALICE)
    world.until(world.closed)
    assert world.started[0].reservation_id == 5


@pytest.mark.req("OCPP 1.6 §5.13; §4.9 G1")
@pytest.mark.octt("TC_047_CS")
def test_a_reservation_ends_with_its_time_and_nothing_wakes_before() -> None:
    world = World()
    reserve(world, lasts_s=60.0)
    wakes = world.wakes
    world.run(59)
    assert shown(world) == [True]
    assert world.wakes == wakes
    world.run(2)
    assert shown(world) == [False]
    assert world.notices("reservation.ended")[0].fields["reason"] == "expired"
    assert world.documents["reservation"] == {}
    world.charge(BOB)
    assert world.started[0].reservation_id is None


@pytest.mark.req("OCPP 1.6 §5.13")
@pytest.mark.octt("TC_048_1_CS")
@pytest.mark.octt("TC_050_1_CS")
def test_a_faulted_evse_is_not_reserved() -> None:
    world = World(evses=2)
    world.fault(FaultCode.RCD_TRIPPED)
    world.run(1)
    assert reserve(world) is Reserved.FAULTED
    assert reserve(world, evse_id=None) is Reserved.ACCEPTED
    cancel(world)
    world.fault(FaultCode.RCD_TRIPPED, evse_id=2)
    world.run(1)
    assert reserve(world, evse_id=None) is Reserved.FAULTED


def test_without_the_guard_nothing_is_reserved_and_what_was_reserved_stays() -> None:
    world = World()
    assert reserve(world) is Reserved.ACCEPTED
    world.guard_link(False)
    world.run(10)
    assert reserve(world, BOB, reservation_id=6) is Reserved.FAULTED
    world.guard_link(True)
    world.run(2)
    assert shown(world) == [True]


@pytest.mark.req("OCPP 1.6 §5.13")
@pytest.mark.octt("TC_048_2_CS")
@pytest.mark.octt("TC_050_2_CS")
def test_an_occupied_or_reserved_evse_is_not_reserved_again() -> None:
    world = World(evses=2)
    world.charge(BOB, 1)
    assert reserve(world) is Reserved.OCCUPIED
    assert reserve(world, evse_id=2) is Reserved.ACCEPTED
    assert reserve(world, CAROL, evse_id=2, reservation_id=6) is Reserved.OCCUPIED
    assert reserve(world, CAROL, evse_id=None, reservation_id=6) is Reserved.OCCUPIED
    cancel(world)
    world.plug(2)
    world.run(1)
    assert reserve(world, evse_id=2) is Reserved.OCCUPIED


@pytest.mark.req("OCPP 1.6 §5.13")
@pytest.mark.octt("TC_048_3_CS")
@pytest.mark.octt("TC_050_3_CS")
def test_an_unavailable_evse_is_not_reserved() -> None:
    world = World(evses=2)
    world.command(ChangeAvailability(operative=False, evse_id=1))
    assert reserve(world) is Reserved.UNAVAILABLE
    world.command(ChangeAvailability(operative=False))
    assert reserve(world, evse_id=None) is Reserved.UNAVAILABLE


@pytest.mark.req("OCPP 1.6 §5.13: disabled, connector 0 unsupported, clock wrong, expiry past")
@pytest.mark.octt("TC_048_4_CS")
@pytest.mark.octt("TC_050_4_CS")
def test_what_cannot_be_reserved_is_refused() -> None:
    off = World(variables=book(ReservationEnabled=False))
    assert reserve(off) is Reserved.REJECTED
    assert reserve(off, evse_id=None) is Reserved.REJECTED
    single = World(variables=book(ReservationNonEvseSpecific=False))
    assert reserve(single, evse_id=None) is Reserved.REJECTED
    assert reserve(single) is Reserved.ACCEPTED
    world = World()
    assert reserve(world, lasts_s=-1.0) is Reserved.REJECTED
    assert reserve(world, evse_id=9) is Reserved.REJECTED
    assert reserve(world, IdToken(value="")) is Reserved.REJECTED
    assert reserve(World(utc_s=None)) is Reserved.REJECTED
    free = World(
        layout=StationLayout(evses=(EvseLayout(evse_id=1),), readers={"front": (1,)}, authorization_required=False)
    )
    assert reserve(free) is Reserved.REJECTED


@pytest.mark.req("OCPP 1.6 §5.13, ReserveConnectorZeroSupported")
@pytest.mark.octt("TC_049_CS")
def test_a_reservation_of_any_connector_keeps_one_free_and_is_used_anywhere() -> None:
    world = World(evses=2)
    assert reserve(world, evse_id=None) is Reserved.ACCEPTED
    assert shown(world) == [False, False]
    world.plug(1)
    world.run(1)
    world.tap(BOB)
    world.until(lambda: world.closed(1))
    assert world.started[0].reservation_id is None
    assert shown(world) == [False, True]
    world.plug(2)
    world.run(1)
    world.tap(CAROL)
    world.run(5)
    assert len(world.started) == 1
    world.tap(ALICE)
    world.until(lambda: world.closed(2))
    assert world.started[1].reservation_id == 5


def test_a_reservation_for_ever_can_be_told() -> None:
    world = World()
    assert reserve(world, lasts_s=1e12) is Reserved.ACCEPTED
    assert world.station.limits(1)[0].text.endswith("until 9999-12-31T23:59:59.000Z")
    world.run(1)


@pytest.mark.req("OCPP 1.6 §5.1; §4.9 G1")
@pytest.mark.octt("TC_051_CS")
@pytest.mark.octt("TC_052_CS")
def test_a_reservation_is_cancelled_by_its_id_and_only_by_that() -> None:
    world = World()
    reserve(world)
    assert cancel(world, 6) is Answered.REJECTED
    assert shown(world) == [True]
    assert cancel(world) is Answered.ACCEPTED
    assert shown(world) == [False]
    assert cancel(world) is Answered.REJECTED


@pytest.mark.req("OCPP 1.6 §5.13: an unknown parent is asked for first")
@pytest.mark.octt("TC_053_CS")
def test_a_card_of_the_reserved_group_is_asked_about_and_charges() -> None:
    world = World()
    world.csms[BOB.value] = of_group("family")
    world.csms[CAROL.value] = of_group("others")
    reserve(world, group="Family")
    world.tap(CAROL)
    world.run(2)
    assert world.notices("authorization.unused")[0].fields["reason"] == "the EVSE is reserved"
    world.plug()
    world.run(1)
    world.tap(BOB)
    world.until(world.closed)
    assert world.started[0].reservation_id == 5
    assert len(world.effects(AskAuthorization)) == 2


@pytest.mark.req("OCPP 1.6 §5.13; AuthorizeRemoteTxRequests false does not open a reservation")
def test_a_remote_start_of_the_group_is_asked_about_too() -> None:
    world = World()
    world.csms[BOB.value] = of_group("family")
    world.csms[CAROL.value] = of_group("others")
    reserve(world, group="family")
    world.plug()
    world.run(1)
    for token in (CAROL, BOB):
        outcome = world.answers[world.command(RequestStart(token=token, evse_id=1))]
        assert isinstance(outcome, Outcome)
        assert outcome.answered is Answered.ACCEPTED
        world.run(2)
    world.until(world.closed)
    assert [each.token for each in world.started] == [BOB]


@pytest.mark.req("OCPP 1.6 §5.13: the same reservationId replaces")
def test_the_same_id_replaces_and_a_refused_change_leaves_the_old_one() -> None:
    world = World(evses=2)
    reserve(world)
    assert reserve(world, evse_id=2) is Reserved.ACCEPTED
    assert shown(world) == [False, True]
    assert reserve(world, BOB, evse_id=2) is Reserved.ACCEPTED
    assert reserve(world, evse_id=9) is Reserved.REJECTED
    assert shown(world) == [False, True]
    assert list(world.documents["reservation"]) == ["5"]
    saved = len(world.effects(SaveDocument))
    assert reserve(world, BOB, evse_id=2) is Reserved.ACCEPTED
    assert len(world.effects(SaveDocument)) == saved


@pytest.mark.req("OCPP 1.6 §5.13; §4.9 G8, G9")
def test_a_reservation_ends_with_a_fault_and_with_unavailability() -> None:
    world = World()
    reserve(world)
    world.fault(FaultCode.RCD_TRIPPED)
    world.run(1)
    world.fault(FaultCode.RCD_TRIPPED, present=False)
    world.run(1)
    assert shown(world) == [False]
    assert world.notices("reservation.ended")[-1].fields["reason"] == "the EVSE has a fault"
    reserve(world)
    world.command(ChangeAvailability(operative=False, evse_id=1))
    world.command(ChangeAvailability(operative=True, evse_id=1))
    assert shown(world) == [False]
    assert world.notices("reservation.ended")[-1].fields["reason"] == "the EVSE was made inoperative"


@pytest.mark.req("OCPP 1.6 §5.13; OCPP 2.0.1 B11: a reservation survives a restart")
def test_a_reservation_survives_restart_and_power_cut_but_not_its_time() -> None:
    world = World()
    reserve(world, lasts_s=300.0)
    world.kill_agent()
    world.run(5)
    world.start_agent()
    assert shown(world) == [True]
    world.power_cut(dark_s=100.0)
    world.start_agent()
    world.run(5)
    assert shown(world) == [True]
    world.power_cut(dark_s=200.0, new_boot="boot-3")
    world.start_agent()
    world.run(1)
    assert shown(world) == [False]
    assert world.documents["reservation"] == {}


def test_an_authorization_that_nobody_used_leaves_the_reservation() -> None:
    world = World()
    reserve(world)
    world.tap(ALICE)
    world.run(62)
    assert world.station.view(1).occupancy is Occupancy.FREE
    assert shown(world) == [True]


def test_at_a_reader_of_several_the_reserved_card_goes_to_its_own_evse() -> None:
    world = World(evses=2)
    reserve(world, evse_id=2)
    world.plug(2)
    world.run(1)
    world.plug(1)
    world.run(1)
    world.tap(BOB)
    world.until(lambda: world.closed(1))
    world.tap(ALICE)
    world.until(lambda: world.closed(2))
    assert [each.evse_id for each in world.started] == [1, 2]
    assert world.started[1].reservation_id == 5


def test_without_the_time_of_day_a_reservation_stands_until_it_is_known() -> None:
    world = World()
    reserve(world, lasts_s=60.0)
    known_s = world.utc_offset_s
    world.utc_offset_s = None
    world.run(120)
    assert shown(world) == [True]
    world.utc_offset_s = known_s
    world.run(2)
    assert shown(world) == [False]
