"""Whole conversations with a CSMS that says anything at any time: ``make fuzz`` has them long, every run a few."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conformance.oracle import EXAMPLES, FEW
from tests.scenario.charging_world import ALICE, BOB, CAROL
from tests.scenario.conversation import Conversation, good_answer

_NUMBERS = st.sampled_from([-1, 0, 1, 7, 2**31 - 1, 2**63])
_STATUS = st.sampled_from(["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx", "Odd"])
_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}]},
}
_REQUESTS: dict[str, list[Any]] = {
    "RemoteStartTransaction": [{"idTag": "A1A1A1A1", "connectorId": 1}, {"idTag": "X"}],
    "RemoteStopTransaction": [{"transactionId": 7}, {"transactionId": 0}, {"transactionId": -1}],
    "ChangeAvailability": [{"connectorId": n, "type": kind} for n in (0, 1) for kind in ("Operative", "Inoperative")],
    "UnlockConnector": [{"connectorId": 1}, {"connectorId": 99}],
    "ClearCache": [{}, None, []],
    "Reset": [{"type": "Soft"}, {"type": "Soft", "other": 1}, {"type": 5}],
    "TriggerMessage": [
        {"requestedMessage": name}
        for name in (
            "BootNotification",
            "StatusNotification",
            "Heartbeat",
            "MeterValues",
            "DiagnosticsStatusNotification",
        )
    ],
    "GetConfiguration": [{}, {"key": []}, {"key": ["HeartbeatInterval", "Nonsense"]}],
    "ChangeConfiguration": [
        {"key": "MeterValueSampleInterval", "value": "5"},
        {"key": "StopTransactionOnInvalidId", "value": "false"},
        {"key": "MessageTimeout", "value": "40"},
        {"key": "TransactionMessageAttempts", "value": "0"},
        {"key": "Nonsense", "value": ""},
    ],
    "SetChargingProfile": [{"connectorId": 1, "csChargingProfiles": _PROFILE}, {"connectorId": 1}],
    "ClearChargingProfile": [{}],
    "GetCompositeSchedule": [{"connectorId": 1, "duration": 600}],
    "ReserveNow": [{"connectorId": 1, "expiryDate": "2027-02-15T08:00:00Z", "idTag": "B0B0B0B0", "reservationId": 1}],
    "CancelReservation": [{"reservationId": 1}],
    "SendLocalList": [
        {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [{"idTag": "B0B0B0B0"}]},
        {"listVersion": 1, "updateType": "Differential"},
    ],
    "GetLocalListVersion": [{}],
    "DataTransfer": [{"vendorId": "x"}],
    "Nonsense": [{}],
}
_OFTEN = st.sampled_from([True, True, True, True, False])
_CALLS = st.sampled_from([(action, payload) for action, payloads in _REQUESTS.items() for payload in payloads])
_FRAMES = st.sampled_from(
    [
        "",
        "{}",
        "[]",
        "[2]",
        '[3,"x",{}]',
        '[4,"x"]',
        '[2,"',
        "[2,null,1,2]",
        "[7,1]",
        "\x00",
        '[3,"x",{"a":NaN}]',
        "[" * 99,
    ]
)


class AnyCsms(RuleBasedStateMachine):
    """What a CSMS, a network and a driver may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Conversation()
        self._asked = 0
        self._last: tuple[str, str, Any] | None = None

    @initialize(registered=_OFTEN, charging=_OFTEN)
    def begin(self, registered: bool, charging: bool) -> None:
        if charging:
            self.talk.plug(1)
            self.talk.pass_time(1)
        if registered:
            self.talk.be_good()
            self.talk.configure(MeterValueSampleInterval=5, AllowOfflineTxForUnknownId=True)
        if charging:
            self.talk.tap(ALICE)
            self.talk.settle()
            self.talk.pass_time(3)

    @precondition(lambda self: not self.talk.connected)
    @rule()
    def connect(self) -> None:
        self.talk.connect()

    @precondition(lambda self: self.talk.connected)
    @rule(spared=_OFTEN)
    def lose(self, spared: bool) -> None:
        if not spared:
            self.talk.lose()

    @precondition(lambda self: self.talk.open_call is not None)
    @rule(number=_NUMBERS, times=st.integers(1, 20))
    def answer_well(self, number: int, times: int) -> None:
        for _ in range(times):
            if self.talk.open_call is not None:
                self.talk.reply(good_answer(self.talk.open_call[2], number))

    @precondition(lambda self: self.talk.open_call is not None)
    @rule(status=_STATUS, number=_NUMBERS, boot=st.sampled_from(["Accepted", "Pending", "Rejected"]))
    def answer_otherwise(self, status: str, number: int, boot: str) -> None:
        assert self.talk.open_call is not None
        info = {"idTagInfo": {"status": status, "parentIdTag": "P"}}
        answers: dict[str, Any] = {
            "BootNotification": {"status": boot, "interval": 10},
            "Authorize": info,
            "StopTransaction": info,
            "StartTransaction": {**info, "transactionId": number},
        }
        self.talk.reply(answers.get(self.talk.open_call[2], {}))

    @precondition(lambda self: self.talk.open_call is not None)
    @rule(payload=_JUNK)
    def answer_nonsense(self, payload: Any) -> None:
        self.talk.reply(payload)

    @precondition(lambda self: self.talk.open_call is not None)
    @rule(
        code=st.sampled_from(["InternalError", "NotImplemented", "FormationViolation", "Odd", ""]),
        message_id=st.sampled_from(["", "", "-1", None]),
    )
    def refuse(self, code: str, message_id: str | None) -> None:
        self.talk.refuse(code, message_id)

    @precondition(lambda self: self.talk.connected)
    @rule(call=_CALLS)
    def ask(self, call: tuple[str, Any]) -> None:
        self._asked += 1
        self._last = (f"c{self._asked}", *call)
        self.talk.call(*self._last)

    @precondition(lambda self: self.talk.connected)
    @rule(action=st.sampled_from(sorted(_REQUESTS)), payload=_JUNK)
    def ask_nonsense(self, action: str, payload: Any) -> None:
        self._asked += 1
        self.talk.call(f"c{self._asked}", action, payload)

    @precondition(lambda self: self.talk.connected and self._last is not None)
    @rule()
    def ask_again(self) -> None:
        assert self._last is not None
        self.talk.call(*self._last)

    @precondition(lambda self: self.talk.connected)
    @rule(text=_FRAMES | st.text(max_size=12) | st.binary(max_size=12) | _JUNK.map(json.dumps))
    def babble(self, text: str | bytes) -> None:
        self.talk.babble(text)

    @rule(evse_id=st.sampled_from([1, 2]))
    def plug_or_unplug(self, evse_id: int) -> None:
        if self.talk.bays[evse_id].plugged:
            self.talk.unplug(evse_id)
        else:
            self.talk.plug(evse_id)
        self.talk.pass_time(1)

    @rule(token=st.sampled_from([ALICE, BOB, CAROL]))
    def tap(self, token: Any) -> None:
        self.talk.tap(token)
        self.talk.settle()
        self.talk.pass_time(2)

    @rule(seconds=st.sampled_from([0.5, 6.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.talk.pass_time(seconds)

    @rule(spared=_OFTEN)
    def restart(self, spared: bool) -> None:
        if not spared:
            self.talk.restart()

    @invariant()
    def what_holds_holds(self) -> None:
        self.talk.holds()

    def teardown(self) -> None:
        self.talk.be_good()


AnyCsms.TestCase.settings = settings(FEW, max_examples=EXAMPLES or 12, stateful_step_count=100 if EXAMPLES else 40)


TestAnyConversation = pytest.mark.timeout(120 + 10 * EXAMPLES)(
    pytest.mark.req("OCPP 1.6 §3.7; OCPP-J 1.6 §4.1.1, §4.1.3")(AnyCsms.TestCase)
)
