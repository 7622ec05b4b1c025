"""OCPP-J frames: what passes, what is refused and how, and that nothing else ever comes out."""

from __future__ import annotations

import json
from time import perf_counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ocpp.errors import LocalProtocolError, RemoteProtocolError, Violation
from agent.ocpp.rpc import Call, CallError, CallResult, Limits, decode, encode
from tests.conformance.oracle import EXAMPLES

EMPTY = msgspec.Raw(b"{}")
FUZZ = settings(max_examples=10 * EXAMPLES or 400, derandomize=not EXAMPLES, deadline=None, database=None)


def refused(text: str | bytes, limits: Limits | None = None) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(text, limits or Limits())
    return caught.value


def payload_of(text: str | bytes) -> bytes:
    frame = decode(text)
    assert isinstance(frame, Call | CallResult)
    return bytes(frame.payload)


# What passes


def test_a_call_is_read() -> None:
    frame = decode('[2,"19223201","Reset",{"type":"Hard"}]')
    assert isinstance(frame, Call)
    assert (frame.message_id, frame.action, bytes(frame.payload)) == ("19223201", "Reset", b'{"type":"Hard"}')


def test_a_call_result_is_read() -> None:
    frame = decode(b'[3, "19223201", {"status":"Accepted"} ]')
    assert isinstance(frame, CallResult)
    assert (frame.message_id, bytes(frame.payload)) == ("19223201", b'{"status":"Accepted"}')


def test_a_call_error_is_read() -> None:
    assert decode('[4,"1","GenericError","no",{"a":1}]') == CallError(
        message_id="1", code="GenericError", description="no", details={"a": 1}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[4,null,"InternalError","",{}]', CallError(message_id="", code="InternalError")),
        ('[4,"-1","InternalError","",{}]', CallError(message_id="-1", code="InternalError")),
        ('[4,"","InternalError","",{}]', CallError(message_id="", code="InternalError")),
        ('[4,"1","InternalError"]', CallError(message_id="1", code="InternalError")),
        ('[4,"1","InternalError",null,null]', CallError(message_id="1", code="InternalError")),
        ('[4,"1","InternalError","x","y"]', CallError(message_id="1", code="InternalError", description="x")),
        ('[4,"1",17,[],[]]', CallError(message_id="1", code="")),
        ('[4,"1","X","y",{"a":1},"more"]', CallError(message_id="1", code="X", description="y", details={"a": 1})),
    ],
)
def test_a_sloppy_call_error_still_ends_our_call(text: str, expected: CallError) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize("code", ["FormatViolation", "FormationViolation", "OccurenceConstraintViolation", "Whatever"])
def test_a_code_of_either_version_is_an_open_string(code: str) -> None:
    frame = decode(f'[4,"1","{code}","",{{}}]')
    assert isinstance(frame, CallError)
    assert frame.code == code


@pytest.mark.req("OCPP-J 1.6 §4.1.2, §4.2.1")
@pytest.mark.parametrize("payload", ["null", "[]", "[ ]", "{}"])
def test_an_empty_payload_may_be_written_in_several_ways(payload: str) -> None:
    assert payload_of(f'[2,"1","Heartbeat",{payload}]') == payload.encode()


def test_an_id_longer_than_the_standard_allows_is_tolerated() -> None:
    frame = decode(f'[2,"{"x" * 200}","Heartbeat",{{}}]')
    assert frame.message_id == "x" * 200
    assert encode(CallResult(message_id=frame.message_id, payload=EMPTY)) == f'[3,"{"x" * 200}",{{}}]'


def test_text_beyond_ascii_passes() -> None:
    assert payload_of('[2,"ü","DataTransfer",{"data":"Straße \\ud83d\\udd0c 🔌"}]') == (
        '{"data":"Straße \\ud83d\\udd0c 🔌"}'.encode()
    )


def test_of_a_repeated_name_the_last_one_counts() -> None:
    assert json.loads(payload_of('[2,"1","Reset",{"type":"Hard","type":"Soft"}]')) == {"type": "Soft"}


# What is refused


@pytest.mark.parametrize(
    "text",
    ["", " ", "null", "7", '"x"', "{}", "[", "[]", "[[]]", '[2,"1","A",{}', '[2,"1","A",{}] x', "\ufeff[]", "[NaN]"],
)
def test_what_is_no_frame_is_refused_without_an_id(text: str) -> None:
    error = refused(text)
    assert error.violation is Violation.FRAME
    assert error.message_id is None or text.startswith('[2,"1"')


@pytest.mark.parametrize(
    "text",
    ['[2,1,"A",{}]', '[2,null,"A",{}]', '[2,{},"A",{}]', '[2,"\\ud800","A",{}]', "[2]", '[null,"1","A",{}]'],
)
def test_a_call_without_a_readable_id_or_type_is_refused(text: str) -> None:
    error = refused(text)
    assert error.violation is Violation.FRAME
    assert error.message_id in (None, "1")


@pytest.mark.parametrize(
    "text",
    ['[2,"1"]', '[2,"1","A"]', '[2,"1","A",{},{}]', '[2,"1",7,{}]', '[2,"1",null,{}]', '[2,"1","\\udc00",{}]'],
)
def test_a_call_of_the_wrong_shape_is_refused_with_its_id(text: str) -> None:
    error = refused(text)
    assert (error.violation, error.message_id, error.reply_expected) == (Violation.FRAME, "1", True)


@pytest.mark.parametrize(
    "text",
    ['[2,"1","A",{"a":NaN}]', '[2,"1","A",{"a":-Infinity}]', '[2,"1","A",{"a":01}]', '[2,"1","A",{', '[2,"1",tru'],
)
def test_a_call_that_breaks_after_its_id_can_still_be_answered(text: str) -> None:
    error = refused(text)
    assert (error.violation, error.message_id, error.reply_expected) == (Violation.FRAME, "1", True)


@pytest.mark.parametrize(
    "text", ['[3,"1"]', '[3,"1",{},{}]', "[3,1,{}]", '[4,"1"]', "[4]", '[4,7,"X","",{}]', '[3,"1",{"a":', '[4,"1",']
)
def test_a_broken_answer_is_never_answered(text: str) -> None:
    assert refused(text).reply_expected is False


@pytest.mark.parametrize("number", ["0", "1", "5", "6", "-2", "20", "9" * 30, "9" * 600])
def test_an_unknown_message_type_is_told_apart(number: str) -> None:
    error = refused(f'[{number},"1","A",{{}}]')
    assert (error.violation, error.message_id) == (Violation.MESSAGE_TYPE, "1")


@pytest.mark.parametrize("number", ['"2"', "2.0", "true", "[2]", "9" * 5000])
def test_a_message_type_that_is_no_sensible_integer_is_refused(number: str) -> None:
    assert refused(f'[{number},"1","A",{{}}]').violation in (Violation.FRAME, Violation.MESSAGE_TYPE)


@pytest.mark.req("OCPP-J 1.6 §4.1.2, §4.2.1")
def test_invalid_utf_8_is_refused() -> None:
    error = refused(b'[2,"1","A",{"a":"\xff"}]')
    assert (error.violation, error.message_id) == (Violation.FRAME, "1")


def test_a_lone_surrogate_in_the_text_is_refused() -> None:
    assert refused('[2,"1","A",{"a":"\ud800"}]').message_id == "1"


# Limits


def test_a_frame_longer_than_the_limit_is_refused_with_its_id() -> None:
    text = '[2,"1","A",{"a":"' + "x" * 100 + '"}]'
    error = refused(text, Limits(max_bytes=len(text) - 1))
    assert (error.violation, error.message_id) == (Violation.FRAME, "1")
    assert decode(text, Limits(max_bytes=len(text)))


def test_length_is_counted_in_bytes() -> None:
    text = '[2,"1","A",{"a":"' + "ü" * 100 + '"}]'
    assert refused(text, Limits(max_bytes=len(text) + 50)).message_id == "1"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_limited(opening: str, closing: str) -> None:
    def text(depth: int) -> str:
        return f'[2,"1","A",{opening * (depth - 1)}1{closing * (depth - 1)}]'

    assert decode(text(32))
    assert "nested deeper than 32" in refused(text(33)).description
    assert "nested deeper than 5" in refused(text(6), Limits(max_depth=5)).description
    assert refused(text(100_000)).message_id == "1"


def test_brackets_inside_strings_are_not_nesting() -> None:
    assert decode('[2,"1","A",{"a":"' + "[{" * 500 + '","b\\"[[[[":"\\\\"}]')
    assert refused('[2,"1","A",' + '["]\\"]",' * 40 + "1" + "]" * 40 + "]").message_id == "1"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '[2,"1","A",' + "[" * 1_000_000,
        "[" + "1," * 500_000 + "1]",
        "[4," + "1," * 500_000 + "1]",
        '[2,"1","A",{"a":' + "9" * 1_000_000 + "}",
        "9" * 1_000_000,
        " " * 1_000_000,
        "[" + " " * 1_000_000,
        '[2,"' + "x" * 1_000_000,
        '[2,"' + "\\" * 1_000_000 + '"]',
        '[2,"1","A",' + '["' * 300_000,
        '[2,"1","A",{"' + "a" * 500_000 + '":"' + "\\u0041" * 80_000,
    ],
)
def test_a_hostile_megabyte_is_refused_in_bounded_time(text: str) -> None:
    started = perf_counter()
    refused(text)
    assert perf_counter() - started < 2


def test_wide_and_flat_nesting_is_counted_quickly() -> None:
    started = perf_counter()
    decode('[2,"1","A",{"a":[' + "{}," * 300_000 + "{}]}]")
    assert perf_counter() - started < 2


# What is sent


def test_frames_are_written_as_the_standard_writes_them() -> None:
    assert encode(Call(message_id="1", action="Heartbeat", payload=EMPTY)) == '[2,"1","Heartbeat",{}]'
    assert encode(CallResult(message_id="1", payload=EMPTY)) == '[3,"1",{}]'
    assert encode(CallError(message_id="1", code="GenericError")) == '[4,"1","GenericError","",{}]'


@pytest.mark.parametrize("message_id", ["", "x" * 37])
def test_a_call_with_an_id_outside_the_standard_is_our_own_fault(message_id: str) -> None:
    with pytest.raises(LocalProtocolError, match="1-36"):
        encode(Call(message_id=message_id, action="Heartbeat", payload=EMPTY))


def test_a_long_description_is_cut() -> None:
    frame = decode(encode(CallError(message_id="1", code="X", description="ü" * 300)))
    assert frame == CallError(message_id="1", code="X", description="ü" * 255)


def test_a_long_code_and_description_of_the_peer_are_cut() -> None:
    frame = decode(f'[4,"1","{"c" * 60}","{"d" * 100_000}",{{}}]')
    assert frame == CallError(message_id="1", code="c" * 50, description="d" * 255)


@pytest.mark.parametrize("details", [{"a": object()}, {"a": "\ud800"}, {"a": {object(): 1}}])
def test_what_json_cannot_carry_is_our_own_fault(details: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        encode(CallError(message_id="1", code="X", details=details))


# Whatever arrives


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@FUZZ
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_noise_gives_a_frame_or_a_refusal(noise: str | bytes) -> None:
    _decode_or_refuse(noise)


@FUZZ
@given(st.lists(st.sampled_from([2, 3, 4, 5, -1]) | _JSON, max_size=6))
def test_any_json_array_gives_a_frame_or_a_refusal(elements: list[object]) -> None:
    _decode_or_refuse(json.dumps(elements))


@FUZZ
@given(st.integers(0, 90), st.integers(0, 90), st.binary(max_size=4))
def test_a_damaged_frame_gives_a_frame_or_a_refusal(start: int, length: int, patch: bytes) -> None:
    whole = b'[2,"0c5a3c1e-2f0f","SetVariables",{"setVariableData":[{"attributeValue":"\\u00fc\\"\\\\","n":-1.5e3}]}]'
    _decode_or_refuse(whole[:start] + patch + whole[start + length :])


def _decode_or_refuse(text: str | bytes) -> None:
    try:
        frame = decode(text)
    except RemoteProtocolError as exc:
        frame = CallError(message_id="1", code="X", description=exc.description)
    assert decode(encode(frame) if len(frame.message_id) in range(1, 37) or isinstance(frame, CallError) else text)
