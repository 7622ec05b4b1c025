"""The wire between guard and agent: what is written is read back, what is not ours is refused with a reason."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.guard.packets import MAX_PACKET_B, WireError, decode, encode
from agent.guard.wire import (
    BusAnswer,
    BusRead,
    ContactorState,
    GuardFault,
    Hello,
    HoldCable,
    LockState,
    Message,
    OpenReason,
    Permit,
    PilotState,
    Refused,
    Report,
    ShowState,
    Welcome,
    Withdraw,
)

REPORT = Report(
    evse_id=1,
    seq=7,
    at_s=12.5,
    pilot=PilotState.C,
    high_v=6.0,
    low_v=-12.0,
    plugged=True,
    cable_a=None,
    offer_a=16.0,
    coil=True,
    contactor=ContactorState.CLOSED,
    contactor_since_s=3.0,
    lock=LockState.NONE,
    faults=(GuardFault.RCD_TRIPPED,),
    waiting_for=("fault",),
    permit_id=4,
    permit_left_s=29.0,
    permit_a=16.0,
    permit_phases=3,
    open_reason=OpenReason.STARTED,
    closings=1,
)
MESSAGES: list[Message] = [
    Hello(client="agent", holder=True),
    Welcome(plan_id="p", guard_pid=1, scan_s=0.01, evse_ids=(1, 2)),
    Refused(about="Permit", reason="no", evse_id=None),
    Permit(evse_id=1, permit_id=4, max_current_a=16.0, phases=3, valid_for_s=30.0, plan_id="p"),
    Withdraw(evse_id=1, reason="stop"),
    HoldCable(evse_id=1, held=True),
    ShowState(evse_id=1, pattern="slow"),
    BusRead(request_id=1, bus="b", unit=1, function=4, address=0, count=2),
    BusAnswer(request_id=1, registers=(1, 65535), taken_s=3.0),
    REPORT,
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_field_is_checked(message: Message) -> None:
    """Each field in turn is replaced by values that can never be right; each is refused by name."""
    content = json.loads(encode(message))
    for name in content:
        if name == "type":
            continue
        for wrong in ({"x": 1}, -5000, "no such value" * 100, [[]], 1e300):
            with pytest.raises(WireError, match=name):
                decode(json.dumps(content | {name: wrong}).encode())


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 9000, "not JSON"),
        (b"[]", "expected an object"),
        (b"{}", "type None is not one of"),
        (b'{"type":"Nonsense"}', "type 'Nonsense' is not one of"),
        (b'{"type":["Hello"]}', "is not one of"),
        (b'{"type":"Hello","extra":1}', "Hello has no field 'extra'"),
        (b'{"type":"Hello","version":1,"version":2}', "stands twice"),
        (b'{"type":"Hello","version":true}', "Hello.version True is not a whole number"),
        (b'{"type":"Hello","holder":1}', "Hello.holder 1 is neither true nor false"),
        (b'{"type":"HoldCable","held":true}', "HoldCable.evse_id is missing"),
        (b'{"type":"HoldCable","held":null,"evse_id":1}', "HoldCable.held None is neither"),
        (b'{"type":"Withdraw","evse_id":1,"reason":NaN}', "not JSON"),
        (b'{"type":"Hello","version":' + b"9" * 6000 + b"}", "not JSON"),
        (b" " * (MAX_PACKET_B + 1), "bytes long"),
    ],
)
def test_a_packet_that_is_no_message_is_refused_with_what_was_expected(packet: bytes, said: str) -> None:
    with pytest.raises(WireError, match=said):
        decode(packet)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_current_a": 80.1}, "outside 0-80"),
        ({"max_current_a": -1}, "outside 0-80"),
        ({"max_current_a": "16"}, "is not a number"),
        ({"phases": 2}, "not one of 1, 3"),
        ({"phases": 3.0}, "not one of 1, 3"),
        ({"valid_for_s": 1e400}, "not JSON|outside"),
    ],
)
def test_a_permit_out_of_range_is_refused(change: dict[str, Any], said: str) -> None:
    content = json.loads(encode(MESSAGES[3])) | change
    with pytest.raises(WireError, match=said):
        decode(json.dumps(content).encode())


def test_what_is_not_finite_or_too_long_is_not_sent() -> None:
    with pytest.raises(WireError, match="not finite"):
        encode(Permit(evse_id=1, permit_id=1, max_current_a=float("nan"), phases=3, valid_for_s=1.0, plan_id="p"))
    with pytest.raises(WireError, match="bytes long"):
        encode(Refused(about="x", reason="y" * MAX_PACKET_B))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_wire_error(packet: bytes) -> None:
    with contextlib.suppress(WireError):
        decode(packet)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(MESSAGES), st.data())
def test_no_json_in_a_field_raises_anything_but_a_wire_error(message: Message, data: st.DataObject) -> None:
    content = json.loads(encode(message))
    name = data.draw(st.sampled_from(sorted(content)))
    content[name] = data.draw(_JSON)
    with contextlib.suppress(WireError):
        decode(json.dumps(content).encode())
