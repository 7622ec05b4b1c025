"""The protocols of bought controllers, byte by byte: known frames, noise, late and foreign answers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import DriverRejected, DriverTimeout
from drivers.api.controllers import ControllerFault, VehicleState
from drivers.controllers import mcu_frames, modbus_frames, rapi
from drivers.controllers.everest_mcu import duty_for
from hil.modbus_slave import crc16

READ = modbus_frames.read_registers(3, 1000, 2)


def rtu(body: bytes) -> bytes:
    return body + crc16(body)


@pytest.mark.req("MODBUS over Serial Line V1.02 §2.5.1")
def test_requests_are_the_frames_of_the_standard() -> None:
    assert modbus_frames.to_rtu(1, READ) == rtu(bytes.fromhex("010303e80002"))
    assert modbus_frames.to_rtu(1, modbus_frames.write_coil(400, True)) == rtu(bytes.fromhex("01050190ff00"))
    assert modbus_frames.to_rtu(1, modbus_frames.write_register(300, 16)) == rtu(bytes.fromhex("0106012c0010"))
    several = modbus_frames.write_register(1000, 16, several=True)
    assert modbus_frames.to_rtu(1, several) == rtu(bytes.fromhex("011003e80001020010"))
    assert modbus_frames.to_tcp(7, 180, READ) == bytes.fromhex("000700000006b40303e80002")


def test_an_answer_is_found_in_noise_and_what_only_looks_like_one_is_not() -> None:
    answer = rtu(bytes.fromhex("01030400100020"))
    assert modbus_frames.find_rtu(1, READ, b"\x00\xff" + answer) == answer[1:-2]
    assert modbus_frames.registers_of(answer[1:-2]) == (16, 32)
    assert modbus_frames.find_rtu(1, READ, answer[:-1]) == b""  # short
    assert modbus_frames.find_rtu(1, READ, answer[:-2] + b"\x00\x00") == b""  # checksum
    assert modbus_frames.find_rtu(2, READ, answer) == b""  # another unit's
    assert modbus_frames.find_rtu(1, modbus_frames.read_registers(4, 1000, 2), answer) == b""  # another function's
    assert modbus_frames.find_rtu(1, modbus_frames.read_registers(3, 1000, 1), answer) == b""  # another length
    refusal = modbus_frames.find_rtu(1, READ, rtu(bytes.fromhex("018302")))
    with pytest.raises(modbus_frames.NotThere, match=r"it refused with exception 2 \(illegal data address\)"):
        modbus_frames.check_accepted(refusal, "it")
    with pytest.raises(DriverTimeout, match="device busy"):
        modbus_frames.check_accepted(b"\x83\x06", "it")
    with pytest.raises(DriverRejected, match="device failure"):
        modbus_frames.check_accepted(b"\x83\x04", "it")
    modbus_frames.check_accepted(answer[1:-2], "it")


def test_a_writes_answer_says_what_was_written_so_a_late_one_is_not_taken_for_another() -> None:
    zero = modbus_frames.write_register(300, 6)
    assert modbus_frames.find_rtu(1, zero, rtu(bytes.fromhex("0106012c0010"))) == b""
    assert modbus_frames.find_rtu(1, zero, rtu(bytes.fromhex("0106012c0006"))) == bytes.fromhex("06012c0006")


def test_a_tcp_answer_of_an_earlier_request_is_none() -> None:
    assert modbus_frames.find_tcp(2, 1, READ, bytes.fromhex("000100000007010304000100 02".replace(" ", ""))) == b""
    late_and_ours = bytes.fromhex("0001000000070103040001000200020000000701030400030004")
    assert modbus_frames.registers_of(modbus_frames.find_tcp(2, 1, READ, late_and_ours)) == (3, 4)


def test_bits_are_read_from_the_lowest_on() -> None:
    assert modbus_frames.bits_of(bytes.fromhex("01020501"), 9) == (True, False, True, *[False] * 5, True)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: modbus_frames.read_registers(5, 0, 1), "function 5 is not one of 3, 4"),
        (lambda: modbus_frames.read_registers(3, 0, 126), "count 126 is outside 1-125"),
        (lambda: modbus_frames.read_registers(3, 65535, 2), "addresses 65535-65536 are outside 0-65535"),
        (lambda: modbus_frames.write_register(1, 65536), "value 65536 is outside 0-65535"),
    ],
)
def test_requests_that_do_not_exist_are_refused(make: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()  # type: ignore[operator]


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_noise_breaks_no_parser(noise: bytes) -> None:
    modbus_frames.find_rtu(1, READ, noise)
    modbus_frames.find_tcp(1, 1, READ, noise)
    lines, rest = rapi.split_lines(noise)
    for line in lines:
        rapi.answer_of(line)
        rapi.told_state(line)
    assert len(rest) <= rapi.LINE_MAX
    for parse in (mcu_frames.from_frame, mcu_frames.fields_of):
        with suppress(mcu_frames.FrameError):
            parse(noise)


def test_rapi_lines_carry_the_checksums_of_the_protocols_own_examples() -> None:
    assert rapi.command("$GS", None) == b"$GS^30\r"
    assert rapi.command("$GG", None) == b"$GG^24\r"
    assert rapi.command("$FB 7", None) != rapi.command("$FB 6", None)
    assert rapi.command("$GS", 0x1F).startswith(b"$GS :1F^")


def test_rapi_answers_are_told_from_what_comes_unasked() -> None:
    line = f"$OK 03 12 03 0140 :2A^{rapi.checksum('$OK 03 12 03 0140 :2A'):02X}\r".encode()
    told = f"$AT FE 02 10 0100^{rapi.checksum('$AT FE 02 10 0100'):02X}\r".encode()
    lines, rest = rapi.split_lines(b"\x00noise\r" + told + line + b"$OK 0")
    assert rest == b"$OK 0"
    assert rapi.told_state(lines[0]) == ((0xFE, 0x02, 0x0100), 10.0)
    answer = rapi.answer_of(lines[1])
    assert answer == (True, ("03", "12", "03", "0140"), 0x2A)
    state = rapi.state_of(answer.words)
    assert state is not None
    assert (state.vehicle, state.offers, state.faults) == (VehicleState.C, True, ())
    broken = line.replace(b"03 12", b"02 12")
    assert rapi.split_lines(broken)[0] == []


@pytest.mark.parametrize(
    ("evse", "pilot", "flags", "vehicle", "fault"),
    [
        (0xFE, 0x01, 0, VehicleState.A, None),
        (0xFE, 0xFE, rapi.EV_CONNECTED, VehicleState.B, None),
        (0xFF, 0xFF, 0, None, None),
        (0x05, 0x02, 0, VehicleState.B, ControllerFault.DIODE),
        (0x08, 0x01, 0, VehicleState.A, ControllerFault.CONTACTOR_WELDED),
        (0x42, 0x01, 0, VehicleState.A, ControllerFault.OTHER),
    ],
)
def test_states_of_an_openevse(
    evse: int, pilot: int, flags: int, vehicle: VehicleState | None, fault: ControllerFault | None
) -> None:
    state = rapi.State(evse, pilot, flags)
    assert state.vehicle is vehicle
    assert not state.offers
    assert state.faults == (() if fault is None else (fault,))


def test_an_old_openevse_tells_its_state_in_decimal_and_no_flags() -> None:
    state = rapi.state_of(("254", "0"))
    assert state == (0xFE, 0xFE, None)
    assert state is not None
    assert state.vehicle is None


def test_the_checksum_of_the_mcu_frames_is_jamcrc() -> None:
    assert mcu_frames.jamcrc(b"123456789") == 0x340BC6D9  # the check value of CRC-32/JAMCRC


@settings(max_examples=60)
@given(st.binary(max_size=600))
def test_a_cobs_frame_has_no_zero_but_its_end_and_comes_back_whole(message: bytes) -> None:
    frame = mcu_frames.to_frame(message)
    assert frame.count(0) == 1
    assert frame[-1] == 0
    assert mcu_frames.from_frame(frame[:-1]) == message


def test_cobs_as_in_its_paper() -> None:
    assert mcu_frames.cobs_encode(bytes.fromhex("11220033")) == bytes.fromhex("0311220233")
    assert mcu_frames.cobs_encode(b"\x00") == b"\x01\x01"


def test_protobuf_fields_of_every_kind_are_read_past() -> None:
    message = mcu_frames.field(103, 10000) + bytes.fromhex("0d01020304") + bytes.fromhex("110102030405060708")
    message += mcu_frames.field(3, b"\x32\x02hi")
    assert mcu_frames.fields_of(message) == {
        103: [10000],
        1: [bytes.fromhex("01020304")],
        2: [bytes.fromhex("0102030405060708")],
        3: [b"\x32\x02hi"],
    }
    with pytest.raises(mcu_frames.FrameError, match="wire type 3"):
        mcu_frames.fields_of(b"\x0b")


@pytest.mark.req("IEC 61851-1:2017 Annex A, duty cycle and current")
@pytest.mark.parametrize(
    ("current_a", "duty"),
    [(6.0, 1000), (16.0, 2666), (51.0, 8500), (52.0, 8500), (52.5, 8500), (63.0, 8920), (80.0, 9600)],
)
def test_the_duty_cycle_never_offers_more_than_the_order(current_a: float, duty: int) -> None:
    assert duty_for(current_a) == duty
