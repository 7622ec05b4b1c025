"""Authorization, transactions, commands and configuration of OCPP 1.6's core profile, rule by rule, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from agent.charging.authorization import Known, Rules, Say, Source, judge
from agent.charging.token_cache import TokenCache
from agent.charging.turn import Turn
from agent.model.effects import AskAuthorization
from agent.model.faults import FaultCode
from agent.model.ids import IdToken
from agent.model.inputs import FactAnswered
from agent.model.moment import Stamp
from agent.model.standard_variables import STANDARD_VARIABLES
from agent.model.station import EvseLayout
from agent.model.variables import VariableBook
from agent.model.verdicts import TokenVerdict, Verdict
from agent.ocpp.errors import RemoteProtocolError, Violation
from tests.scenario.charging_world import ACCEPTED, ALICE, BOB, INVALID
from tests.scenario.core16 import Core16, layout

RULES = Rules(
    local_pre_authorize=False,
    local_authorize_offline=True,
    allow_offline_unknown=False,
    stop_on_invalid=True,
    max_energy_wh=0,
    master_group="",
)
FAMILY = TokenVerdict(verdict=Verdict.ACCEPTED, group="family")


def rules(**changes: Any) -> Rules:
    from msgspec.structs import replace

    return replace(RULES, **changes)


def known(source: Source, verdict: Verdict = Verdict.ACCEPTED) -> Known:
    return Known(source=source, verdict=TokenVerdict(verdict=verdict))


# Who may charge: the whole matrix, pure


@pytest.mark.req("OCPP 1.6 §3.5")
@pytest.mark.req("OCPP 1.6 §3.5.4; OCPP 2.0.1 C13, C15")
@pytest.mark.parametrize("source", [*Source, None])
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("unknown", [True, False])
def test_the_offline_matrix(source: Source | None, verdict: Verdict, offline: bool, unknown: bool) -> None:
    given = None if source is None else known(source, verdict)
    word = judge(given, rules(local_authorize_offline=offline, allow_offline_unknown=unknown), online=False)
    if given is None:
        expected = unknown
    elif verdict is not Verdict.ACCEPTED:
        expected = False  # known to be refused or expired: never, also where unknown ones may
    else:
        expected = offline or unknown
    assert word.say is (Say.YES if expected else Say.NO)
    assert word.why


@pytest.mark.req("OCPP 1.6 §3.5")
@pytest.mark.req("OCPP 1.6 §3.5.1, §3.5.4, §4.1")
@pytest.mark.parametrize("source", [*Source, None])
@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_online_matrix(source: Source | None, verdict: Verdict, at_once: bool) -> None:
    given = None if source is None else known(source, verdict)
    word = judge(given, rules(local_pre_authorize=at_once), online=True)
    starts = given is not None and verdict is Verdict.ACCEPTED and at_once
    assert word.say is (Say.YES if starts else Say.ASK)


@pytest.mark.req("OCPP 1.6 §3.5.1, errata 3.4")
def test_a_full_cache_gives_up_what_is_not_valid_first_then_the_oldest() -> None:
    cache = TokenCache(VariableBook(STANDARD_VARIABLES, presets={}), limit=3)
    turn = Turn(now=Stamp(boot_id="b", mono_s=1.0, utc_s=1000.0))

    def learn(name: str, verdict: Verdict = Verdict.ACCEPTED, expires_utc_s: float | None = None) -> None:
        cache.learn(IdToken(value=name), TokenVerdict(verdict=verdict, expires_utc_s=expires_utc_s), turn)

    def left() -> set[str]:
        return {name for name in ("A", "B", "C", "D", "E", "F") if cache.verdict(IdToken(value=name)) is not None}

    learn("A")
    learn("B", Verdict.BLOCKED)
    learn("C", expires_utc_s=900.0)
    learn("D")
    assert left() == {"A", "C", "D"}
    learn("E")
    assert left() == {"A", "D", "E"}, "what has run out is not valid either"
    learn("A", Verdict.ACCEPTED, 5000.0)
    learn("F")
    assert left() == {"E", "A", "F"}, "A was learned anew, so D was the oldest"
    assert [effect.instead_of for effect in turn.effects if hasattr(effect, "instead_of")][3:] == ["b", "c", None, "d"]


# Starting and stopping


@pytest.mark.req("OCPP 1.6 §4.1")
@pytest.mark.octt("TC_003_CS", "TC_004_1_CS", "TC_068_CS")
def test_the_same_card_stops_without_a_question_and_the_stop_names_it() -> None:
    world = Core16()
    world.charge(ALICE)
    asked = len(world.effects(AskAuthorization))
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    assert len(world.effects(AskAuthorization)) == asked == 1
    [stop] = world.messages("StopTransaction")
    assert (stop.payload["reason"], stop.payload["idTag"], stop.payload["transactionId"]) == ("Local", ALICE.value, 7)


@pytest.mark.req("OCPP 1.6 §4.1, parentIdTag")
@pytest.mark.octt("TC_069_CS")
def test_another_card_of_the_same_parent_stops_after_a_question() -> None:
    world = Core16()
    world.csms = {ALICE.value: FAMILY, BOB.value: FAMILY}
    world.charge(ALICE)
    world.tap(BOB)
    world.until(lambda: bool(world.ended))
    assert len(world.effects(AskAuthorization)) == 2
    assert world.messages("StopTransaction")[0].payload["idTag"] == BOB.value


@pytest.mark.req("OCPP 1.6 §3.5; errata 3.5; parentIdTag of StartTransaction.conf")
def test_a_parent_that_came_with_the_start_counts_too() -> None:
    world = Core16()
    world.csms[BOB.value] = FAMILY
    world.charge(ALICE)
    world.send(FactAnswered(transaction_id=world.started[0].transaction_id, csms_id="7", verdict=FAMILY))
    world.tap(BOB)
    world.until(lambda: bool(world.ended))


@pytest.mark.octt("TC_004_2_CS")
@pytest.mark.req("OCPP 1.6 §9.1.5, ConnectionTimeOut")
def test_a_card_without_a_cable_is_forgotten_after_the_connection_time_out() -> None:
    world = Core16(ConnectionTimeOut=15)
    world.tap(ALICE)
    world.run(1)
    assert world.status()["status"] == "Preparing"
    world.run(15)
    assert world.status()["status"] == "Available"
    assert not world.messages()


@pytest.mark.octt("TC_023_CS")
@pytest.mark.req("OCPP 1.6 §4.1")
def test_a_card_that_the_csms_refuses_starts_nothing() -> None:
    world = Core16()
    world.csms[ALICE.value] = INVALID
    world.plug()
    world.run(1)
    world.tap(ALICE)
    world.run(5)
    assert world.status()["status"] == "Preparing"
    assert not world.messages()


@pytest.mark.octt("TC_007_CS", "TC_061_CS")
@pytest.mark.req("OCPP 1.6 §5.4, errata 3.23")
def test_a_cached_card_starts_at_once_until_the_cache_is_cleared() -> None:
    world = Core16(AuthorizeRemoteTxRequests=True, LocalPreAuthorize=True)
    world.tap(ALICE)
    world.run(1)
    world.tap(ALICE)
    world.run(1)
    asked = len(world.effects(AskAuthorization))
    world.plug()
    assert world.ask("RemoteStartTransaction", {"idTag": ALICE.value, "connectorId": 1}) == {"status": "Accepted"}
    world.until(world.closed)
    assert len(world.effects(AskAuthorization)) == asked
    assert world.ask("ClearCache", {}) == {"status": "Accepted"}
    world.tap(ALICE)
    world.until(lambda: world.status()["status"] == "Finishing" and bool(world.ended))
    world.run(1)
    world.tap(ALICE)
    assert len(world.effects(AskAuthorization)) == asked + 1
    world.configure(AuthorizationCacheEnabled=False)
    assert world.ask("ClearCache", {}) == {"status": "Rejected"}


@pytest.mark.req("OCPP 1.6 §4.10, §7.36")
@pytest.mark.octt("TC_010_CS", "TC_011_1_CS", "TC_011_2_CS", "TC_012_CS", "TC_026_CS", "TC_027_CS", "TC_028_CS")
@pytest.mark.req("OCPP 1.6 §5.11, §5.12")
def test_remote_start_and_stop_say_what_they_will_try() -> None:
    world = Core16(ConnectionTimeOut=15)
    start = {"idTag": "REMOTE", "connectorId": 1}
    assert world.ask("RemoteStartTransaction", start) == {"status": "Accepted"}
    world.run(16)
    assert world.status()["status"] == "Available"
    for wrong in ({"connectorId": 0}, {"connectorId": 2}, {"idTag": ""}):
        assert world.ask("RemoteStartTransaction", start | wrong) == {"status": "Rejected"}, wrong
    assert world.ask("RemoteStartTransaction", {"idTag": "REMOTE"}) == {"status": "Accepted"}
    world.plug()
    world.until(world.closed)
    assert world.ask("RemoteStartTransaction", start) == {"status": "Rejected"}
    assert world.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Rejected"}, "not named yet"
    world.send(FactAnswered(transaction_id=world.started[0].transaction_id, csms_id="7", verdict=ACCEPTED))
    assert world.ask("RemoteStopTransaction", {"transactionId": 8}) == {"status": "Rejected"}
    assert world.ask("RemoteStopTransaction", {"transactionId": 7}) == {"status": "Accepted"}
    world.until(lambda: bool(world.ended))
    [stop] = world.messages("StopTransaction")
    assert stop.payload["reason"] == "Remote"
    assert "idTag" not in stop.payload
    assert not world.bays[1].locked


@pytest.mark.req("OCPP 1.6 §5.11, AuthorizeRemoteTxRequests")
@pytest.mark.parametrize("asks", [True, False])
def test_a_remote_start_is_checked_like_a_card_only_where_the_key_says_so(asks: bool) -> None:
    world = Core16(AuthorizeRemoteTxRequests=asks)
    world.csms["REMOTE"] = INVALID
    world.plug()
    world.run(1)
    world.ask("RemoteStartTransaction", {"idTag": "REMOTE", "connectorId": 1})
    world.run(3)
    assert bool(world.effects(AskAuthorization)) is asks
    assert bool(world.started) is not asks


@pytest.mark.req("quirk T7: transactionId 0, negative, repeated; OCPP 1.6 errata 3.54")
def test_a_repeated_number_means_the_newer_transaction_and_zero_is_a_number() -> None:
    world = Core16(layout(EvseLayout(evse_id=1), EvseLayout(evse_id=2)))
    for number, token in ((1, ALICE), (2, BOB)):
        world.plug(number)
        world.run(1)
        world.tap(token)
        world.until(lambda number=number: world.closed(number))  # type: ignore[misc]
        world.send(FactAnswered(transaction_id=world.started[-1].transaction_id, csms_id="0", verdict=ACCEPTED))
        world.run(1)
    assert world.ask("RemoteStopTransaction", {"transactionId": 0}) == {"status": "Accepted"}
    world.until(lambda: bool(world.ended))
    assert world.ended[0].evse_id == 2


# After the start


def answer_start(world: Core16, verdict: Verdict, *, again: bool = False) -> None:
    said = TokenVerdict(verdict=verdict)
    fact = world.started[-1]
    world.send(FactAnswered(transaction_id=fact.transaction_id, csms_id="7", verdict=said, retransmitted=again))


@pytest.mark.req("OCPP 1.6 §3.5.4, §9.1.30, StopTransactionOnInvalidId; errata 3.5, 3.17")
@pytest.mark.octt("TC_037_2_CS", "TC_037_3_CS")
@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.BLOCKED, Verdict.EXPIRED, Verdict.CONCURRENT])
def test_a_refusal_after_an_offline_start_stops_or_only_takes_the_energy(stops: bool, verdict: Verdict) -> None:
    world = Core16(online=False, AllowOfflineTxForUnknownId=True, StopTransactionOnInvalidId=stops)
    world.charge(ALICE)
    world.link(True)
    answer_start(world, verdict)
    world.run(5)
    assert not world.closed()
    if stops:
        assert world.messages("StopTransaction")[0].payload["reason"] == "DeAuthorized"
        assert (world.status()["status"], world.bays[1].locked) == ("Finishing", True)
        world.tap(ALICE)
        world.run(1)
        assert not world.bays[1].locked
    else:
        assert (world.status()["status"], bool(world.ended)) == ("SuspendedEVSE", False)
        world.tap(ALICE)
        world.until(lambda: bool(world.ended))
        assert world.messages("StopTransaction")[0].payload["reason"] == "Local"


@pytest.mark.octt("TC_037_1_CS", "TC_038_CS", "TC_039_CS")
@pytest.mark.req("OCPP 1.6 §3.7; transaction ids of offline transactions")
def test_an_offline_transaction_that_is_accepted_afterwards_goes_on() -> None:
    world = Core16(online=False, AllowOfflineTxForUnknownId=True)
    world.charge(ALICE)
    world.link(True)
    answer_start(world, Verdict.ACCEPTED)
    world.run(5)
    assert world.closed()
    world.link(False)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    told = [each.action for each in world.messages()]
    assert (told[0], told[-1]) == ("StartTransaction", "StopTransaction")


@pytest.mark.req("quirk T6: ConcurrentTx after a retransmission")
def test_concurrent_tx_after_a_retransmission_neither_stops_nor_is_remembered() -> None:
    world = Core16()
    world.charge(ALICE)
    answer_start(world, Verdict.CONCURRENT, again=True)
    world.run(3)
    assert world.closed()
    assert world.cache[ALICE.value.casefold()] == ACCEPTED


@pytest.mark.req("OCPP 1.6 §3.5.1; idTagInfo of StopTransaction.conf")
def test_every_id_tag_info_updates_the_cache_the_last_one_counts() -> None:
    world = Core16()
    world.charge(ALICE)
    answer_start(world, Verdict.ACCEPTED)
    world.tap(ALICE)
    world.until(lambda: bool(world.ended))
    stop = world.ended[0]
    blocked = TokenVerdict(verdict=Verdict.BLOCKED)
    world.send(FactAnswered(transaction_id=stop.transaction_id, csms_id=None, verdict=blocked, token=stop.token))
    assert world.cache[ALICE.value.casefold()] == blocked


@pytest.mark.req("OCPP 1.6 §7.28, CiString20")
def test_id_tags_compare_without_regard_to_case() -> None:
    world = Core16()
    world.charge(IdToken(value="a1a1a1a1"))
    world.tap(IdToken(value="A1A1A1A1"))
    world.until(lambda: bool(world.ended))


# Commands


@pytest.mark.req("OCPP 1.6 §4.10, §7.36")
@pytest.mark.octt("TC_017_1_CS", "TC_018_1_CS", "TC_031_CS")
@pytest.mark.req("OCPP 1.6 §5.18, errata 3.87")
def test_unlocking_ends_the_transaction_first_and_knows_its_connectors() -> None:
    world = Core16()
    assert world.ask("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
    world.charge(ALICE)
    assert world.ask("UnlockConnector", {"connectorId": 1}) == {"status": "Unlocked"}
    assert world.messages("StopTransaction")[0].payload["reason"] == "UnlockCommand"
    for number in (0, 2):
        assert world.ask("UnlockConnector", {"connectorId": number}) == {"status": "NotSupported"}


@pytest.mark.octt("TC_017_2_CS", "TC_018_2_CS")
@pytest.mark.req("OCPP 1.6 §5.18, fixed cable")
def test_a_fixed_cable_is_not_unlocked_and_the_charge_goes_on() -> None:
    world = Core16(layout(EvseLayout(evse_id=1, lockable=False)))
    assert world.ask("UnlockConnector", {"connectorId": 1}) == {"status": "NotSupported"}
    world.charge(ALICE)
    assert world.ask("UnlockConnector", {"connectorId": 1}) == {"status": "NotSupported"}
    assert world.closed()


@pytest.mark.octt("TC_030_CS")
@pytest.mark.req("OCPP 1.6 §5.18")
def test_a_lock_that_does_not_open_is_a_failure_after_a_real_try() -> None:
    world = Core16()
    world.charge(ALICE)
    world.bays[1].lock_jammed = True
    assert world.ask("UnlockConnector", {"connectorId": 1}) == {"status": "UnlockFailed"}


@pytest.mark.octt("TC_013_CS", "TC_014_CS", "TC_015_CS", "TC_016_CS")
@pytest.mark.req("OCPP 1.6 §5.14, errata 3.36")
@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_a_reset_is_answered_then_ends_what_runs_then_restarts(kind: str, reason: str) -> None:
    world = Core16()
    world.charge(ALICE)
    assert world.ask("Reset", {"type": kind}) == {"status": "Accepted"}
    assert not world.restarts
    world.until(lambda: bool(world.restarts))
    assert world.messages("StopTransaction")[0].payload["reason"] == reason
    idle = Core16()
    assert idle.ask("Reset", {"type": kind}) == {"status": "Accepted"}
    idle.until(lambda: bool(idle.restarts))


@pytest.mark.req("OCPP 1.6 §5.11")
@pytest.mark.octt("TC_041_CS")
@pytest.mark.req("OCPP 1.6 §4.9; a fault lets nothing start")
def test_on_a_faulted_connector_nothing_starts() -> None:
    world = Core16()
    world.plug()
    world.run(1)
    world.fault(FaultCode.RCD_TRIPPED)
    world.run(1)
    world.tap(ALICE)
    assert world.ask("RemoteStartTransaction", {"idTag": "A", "connectorId": 1}) == {"status": "Rejected"}
    world.run(3)
    assert (world.status()["status"], world.status()["errorCode"]) == ("Faulted", "GroundFailure")
    assert not world.started


@pytest.mark.octt("TC_024_CS")
@pytest.mark.req("OCPP 1.6 §4.9, ConnectorLockFailure")
def test_a_cable_that_cannot_be_locked_starts_nothing() -> None:
    world = Core16()
    world.fault(FaultCode.LOCK_FAILED)
    world.plug()
    world.run(1)
    world.tap(ALICE)
    world.run(3)
    assert (world.status()["status"], world.status()["errorCode"]) == ("Faulted", "ConnectorLockFailure")
    assert not world.messages()


@pytest.mark.octt("TC_032_2_CS")
@pytest.mark.req("OCPP 1.6 §4.10, PowerLoss")
def test_a_power_cut_ends_the_transaction_after_the_boot() -> None:
    world = Core16()
    world.charge(ALICE)
    world.run(70)
    world.power_cut()
    world.start_agent()
    world.until(lambda: bool(world.ended), 30)
    [stop] = world.messages("StopTransaction")
    assert stop.payload["reason"] == "PowerLoss"
    assert "idTag" not in stop.payload


# Configuration

KEYS: dict[str, tuple[bool, str, str | None, str | None]] = {
    # key: read-only, default of this station, a good value, a bad one
    "AllowOfflineTxForUnknownId": (False, "false", "true", "maybe"),
    "AuthorizationCacheEnabled": (False, "true", "false", "1"),
    "AuthorizeRemoteTxRequests": (False, "false", "TRUE ", ""),
    "ClockAlignedDataInterval": (False, "0", "900", "-1"),
    "ConnectionTimeOut": (False, "60", "120", "0"),
    "ConnectorPhaseRotation": (False, "0.Unknown,1.Unknown", "0.RST, 1.TRS", "1.ABC"),
    "ConnectorPhaseRotationMaxLength": (True, "2", None, "3"),
    "GetConfigurationMaxKeys": (True, "100", None, "1"),
    "HeartbeatInterval": (False, "300", "600", "1.5"),
    "LocalAuthListEnabled": (False, "true", "False", "no"),
    "LocalAuthListMaxLength": (True, "2000", None, "1"),
    "LocalAuthorizeOffline": (False, "true", "false", "0"),
    "LocalPreAuthorize": (False, "false", "true", "yes"),
    "MaxEnergyOnInvalidId": (False, "0", "500", "-5"),
    "MessageTimeout": (False, "30", "20", "0"),
    "MeterValuesAlignedData": (False, "Energy.Active.Import.Register", "Voltage.L1,voltage", "SoC"),
    "MeterValuesAlignedDataMaxLength": (True, "32", None, "1"),
    "MeterValuesSampledData": (
        False, "Energy.Active.Import.Register,Power.Active.Import,Current.Import", " Voltage , Frequency ", "Watts"
    ),
    "MeterValuesSampledDataMaxLength": (True, "32", None, "1"),
    "MeterValueSampleInterval": (False, "60", "10", "-1"),
    "MinimumStatusDuration": (False, "0", "5", "-1"),
    "NumberOfConnectors": (True, "1", None, "2"),
    "ResetRetries": (False, "1", "3", "-1"),
    "SendLocalListMaxLength": (True, "500", None, "1"),
    "StopTransactionMaxMeterValues": (True, "100", None, "1"),
    "StopTransactionOnEVSideDisconnect": (False, "true", "false", "off"),
    "StopTransactionOnInvalidId": (False, "true", "false", "2"),
    "StopTxnAlignedData": (False, "", "Voltage", "Voltage,Voltage"),
    "StopTxnAlignedDataMaxLength": (True, "32", None, "1"),
    "StopTxnSampledData": (False, "", "Energy.Active.Import.Register", "Energy"),
    "StopTxnSampledDataMaxLength": (True, "32", None, "1"),
    "TransactionMessageAttempts": (False, "5", "3", "x"),
    "TransactionMessageRetryInterval": (False, "60", "30", "-1"),
    "UnlockConnectorOnEVSideDisconnect": (False, "true", "false", "?"),
    "WebSocketPingInterval": (False, "30", "0", "-1"),
}  # fmt: skip


@pytest.mark.req("OCPP 1.6 §9.1, §9.2, §5.3, §5.8; errata 3.80-3.91")
@pytest.mark.octt("TC_019_CS", "TC_021_CS", "TC_040_2_CS")
@pytest.mark.parametrize("key", KEYS)
def test_every_standard_key_has_its_access_default_range_and_stays_as_it_was_set(key: str) -> None:
    read_only, default, good, bad = KEYS[key]
    world = Core16()
    [row] = world.ask("GetConfiguration", {"key": [key.upper()]})["configurationKey"]
    assert row == {"key": key, "readonly": read_only, "value": default}
    assert world.ask("ChangeConfiguration", {"key": key, "value": bad}) == {"status": "Rejected"}
    assert world.key(key) == default
    if good is not None:
        assert world.ask("ChangeConfiguration", {"key": key.lower(), "value": good}) == {"status": "Accepted"}
        assert world.key(key).casefold() == ",".join(part.strip() for part in good.split(",")).casefold()


@pytest.mark.req("quirk T16")
@pytest.mark.req("OCPP 1.6 §5.3, §5.8, §9")
@pytest.mark.octt("TC_040_1_CS")
def test_all_keys_are_told_at_once_unknown_ones_apart_and_the_profiles_are_true() -> None:
    world = Core16()
    every = world.ask("GetConfiguration", {})
    names = [row["key"] for row in every["configurationKey"]]
    assert set(KEYS) <= set(names)
    assert len(set(names)) == len(names) <= int(world.key("GetConfigurationMaxKeys"))
    assert world.ask("GetConfiguration", {"key": []}) == every
    asked = world.ask("GetConfiguration", {"key": ["Nonsense", "heartbeatinterval"]})
    assert asked["unknownKey"] == ["Nonsense"]
    assert [row["key"] for row in asked["configurationKey"]] == ["HeartbeatInterval"]
    assert world.ask("ChangeConfiguration", {"key": "Nonsense", "value": "1"}) == {"status": "NotSupported"}
    profiles = set(world.key("SupportedFeatureProfiles").split(","))
    assert {"Core", "LocalAuthListManagement", "RemoteTrigger"} <= profiles


@pytest.mark.req("OCPP 1.6 §5.8")
@pytest.mark.req("OCPP 1.6 §9.1.8, GetConfigurationMaxKeys")
def test_more_keys_than_allowed_in_one_request_are_refused() -> None:
    world = Core16()
    most = int(world.key("GetConfigurationMaxKeys"))
    assert len(world.ask("GetConfiguration", {"key": ["HeartbeatInterval"] * most})["configurationKey"]) == most
    with pytest.raises(RemoteProtocolError) as refused:
        world.ask("GetConfiguration", {"key": ["HeartbeatInterval"] * (most + 1)})
    assert refused.value.violation is Violation.OCCURRENCE


@pytest.mark.req("quirk T17: the same configuration at every connect")
def test_setting_a_key_to_what_it_is_writes_nothing() -> None:
    world = Core16()
    world.configure(MeterValueSampleInterval=30)
    from agent.ocpp.v16 import keys

    assert world.variables.changed(keys.ref_of("MeterValueSampleInterval"), "30") is None
    assert world.variables.changed(keys.ref_of("MeterValueSampleInterval"), "31") is not None


# explain: the decision itself


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize("verdict", [None, Verdict.ACCEPTED, Verdict.BLOCKED])
def test_what_is_explained_is_what_happens(online: bool, unknown: bool, verdict: Verdict | None) -> None:
    world = Core16(online=online, AllowOfflineTxForUnknownId=unknown, LocalPreAuthorize=True)
    if verdict is not None:
        world.cache[ALICE.value.casefold()] = TokenVerdict(verdict=verdict)
        world.power_cycle()
    report = world.station.explain(ALICE, world.stamp())
    prospect = report.online if online else report.offline
    world.plug()
    world.run(1)
    asked = len(world.effects(AskAuthorization))
    world.tap(ALICE)
    happened = "ask" if len(world.effects(AskAuthorization)) > asked else "yes" if world.started else "no"
    world.run(2)
    if happened == "no" and world.started:
        happened = "yes"
    assert happened == prospect.say
    assert report.online_now is online
    assert [each.source for each in report.findings] == ([] if verdict is None else ["cache"])
