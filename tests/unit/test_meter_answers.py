"""Which bytes are the answer to our request."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.meter.answers import RtuGate, TcpGate, crc16
from drivers.meter.counters import Trouble


def rtu(*body: int) -> bytes:
    return bytes(body) + crc16(bytes(body)).to_bytes(2, "little")


REQUEST = rtu(1, 4, 0, 72, 0, 2)  # input registers 72-73 of unit 1
ANSWER = rtu(1, 4, 4, 0x11, 0x22, 0x33, 0x44)


@pytest.fixture
def gate() -> RtuGate:
    gate = RtuGate()
    gate.sent(REQUEST)
    return gate


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc16(b"123456789") == 0x4B37  # CRC-16/MODBUS check value
    assert crc16(ANSWER) == 0


def test_the_right_answer_passes_whole(gate: RtuGate) -> None:
    assert gate.pick(ANSWER) == ANSWER
    assert gate.pick(b"\x00\xff" + ANSWER + b"\x00") == ANSWER


def test_a_refusal_passes(gate: RtuGate) -> None:
    assert gate.pick(rtu(1, 0x84, 2)) == rtu(1, 0x84, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        rtu(2, 4, 4, 1, 2, 3, 4),  # unit
        rtu(1, 3, 4, 1, 2, 3, 4),  # function
        rtu(1, 4, 2, 1, 2),  # shorter
        rtu(1, 4, 6, 1, 2, 3, 4, 5, 6),  # longer
        rtu(1, 0x83, 2),  # refusal of something else
        rtu(2, 0x84, 2),
        ANSWER[:-1],
        ANSWER[:-1] + b"\x00",
        b"",
    ],
)
def test_any_other_frame_does_not(gate: RtuGate, wrong: bytes) -> None:
    assert gate.pick(wrong) == b""
    assert gate.received_bytes == len(wrong)


def test_without_a_request_nothing_passes() -> None:
    gate = RtuGate()
    assert gate.pick(ANSWER) == b""
    gate.sent(REQUEST)
    gate.gave_up()
    assert gate.pick(ANSWER) == b""


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_answer_is_found_within_any_noise(before: bytes, after: bytes) -> None:
    gate = RtuGate()
    gate.sent(REQUEST)
    assume(gate.pick(before) == b"" and b"\x01\x04" not in before and b"\x01\x84" not in before)
    assert gate.pick(before + ANSWER + after) == ANSWER


def test_late_answers_are_counted_by_unit() -> None:
    gate = RtuGate()
    line = ANSWER + b"\x01" + rtu(2, 4, 2, 1, 2) + rtu(1, 0x83, 2) + ANSWER[:5]
    assert (gate.count_answers(1, line), gate.count_answers(2, line), gate.count_answers(3, line)) == (2, 1, 0)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(line: bytes) -> None:
    gate = RtuGate()
    gate.sent(REQUEST)
    assert gate.pick(line) == b""
    assert gate.count_answers(1, line) >= 0


def test_over_tcp_the_transaction_must_be_ours() -> None:
    gate = TcpGate()
    gate.sent(bytes((0, 7, 0, 0, 0, 6, 1, 4, 0, 72, 0, 2)))
    answer = bytes((0, 7, 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4))
    assert gate.pick(bytes((0, 6)) + answer[2:]) == b""
    assert gate.pick(bytes((0, 6)) + answer[2:] + answer) == answer
    assert gate.pick(bytes((0, 7, 0, 0, 0, 3, 1, 0x84, 2))) == bytes((0, 7, 0, 0, 0, 3, 1, 0x84, 2))
    assert gate.pick(answer[:-1]) == b""


@pytest.mark.parametrize(
    ("received", "trouble", "said"),
    [
        (b"", Trouble.SILENCE, False),
        (REQUEST, Trouble.ECHO, False),
        (ANSWER[:-1] + b"\x00", Trouble.CHECKSUM, True),
        (ANSWER[:6], Trouble.SHORT, True),
        (rtu(1, 4, 2, 1, 2), Trouble.FOREIGN, True),
        (rtu(2, 4, 4, 1, 2, 3, 4), Trouble.FOREIGN, False),
        (rtu(2, 6, 0, 1, 0, 1), Trouble.FOREIGN, False),
        (bytes(range(200, 220)), Trouble.NOISE, True),
        (b"\xff", Trouble.NOISE, False),
    ],
)
def test_what_came_instead_is_told_apart(gate: RtuGate, received: bytes, trouble: Trouble, said: bool) -> None:
    assert gate.pick(received) == b""
    assert gate.trouble(REQUEST) is trouble
    assert gate.heard_from(1) is said


def test_behind_an_echo_the_answer_is_found(gate: RtuGate) -> None:
    assert gate.pick(REQUEST + ANSWER) == ANSWER
    gate.sent(rtu(1, 4, 4, 0, 0, 2))  # the high byte of the address looks like the length of the answer
    assert gate.pick(rtu(1, 4, 4, 0, 0, 2) + ANSWER) == ANSWER


TCP_REQUEST = bytes((0, 7, 0, 0, 0, 6, 1, 4, 0, 72, 0, 2))


@pytest.mark.parametrize(
    ("received", "trouble"),
    [
        (bytes((0, 6, 0, 0, 0, 7, 1, 4, 4, 1, 2, 3, 4)), Trouble.FOREIGN),
        (bytes((0, 7, 0, 0, 0, 5, 1, 4, 2, 1, 2)), Trouble.FOREIGN),
        (bytes((0, 7, 0, 0, 0, 7, 1, 4, 4, 1)), Trouble.SHORT),
        (b"HTTP/1.1 400 Bad Request\r\n", Trouble.NOISE),
        (b"", Trouble.SILENCE),
    ],
)
def test_over_tcp_what_came_instead_is_told_apart(received: bytes, trouble: Trouble) -> None:
    gate = TcpGate()
    gate.sent(TCP_REQUEST)
    assert gate.pick(received) == b""
    assert gate.trouble(TCP_REQUEST) is trouble


@given(st.binary(max_size=300), st.sampled_from([(RtuGate, REQUEST), (TcpGate, TCP_REQUEST)]))
def test_any_bytes_can_be_judged(line: bytes, wire: tuple[type[RtuGate | TcpGate], bytes]) -> None:
    made, request = wire
    gate = made()
    gate.sent(request)
    gate.pick(line)
    assert gate.trouble(request) in Trouble
    assert gate.count_answers(1, line) >= 0
    assert gate.heard_from(1) in (True, False)
