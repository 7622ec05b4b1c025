"""Reader families beside the RDM6300: what their wires say, in pure parsers and talks with a hand-moved clock."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.rfid import line, pn532, twn4
from drivers.rfid.conversation import Conversation, Step
from drivers.rfid.line import Checksum, Encoding, LineRules, Lines, uid_of_line
from drivers.rfid.pn532 import Pn532, Pn532Frames, frame
from drivers.rfid.rdm6300 import Rdm6300
from drivers.rfid.twn4 import Twn4
from drivers.rfid.uid_form import UidForm, is_random
from hil.reader_faces import Pn532Face, Twn4Face

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "30"))


class Talk:
    """A conversation with the bench's reader, and a clock that is moved by hand."""

    def __init__(self, conversation: Conversation, face: Pn532Face | Twn4Face) -> None:
        self.conversation = conversation
        self.face = face
        self.card: str | None = None
        self.deaf = False
        self.now_s = 100.0
        self.seen: list[str] = []
        self.troubles: list[str] = []
        self._take(conversation.open(self.now_s))

    def run(self, for_s: float) -> None:
        until_s = self.now_s + for_s
        while (due_s := self.conversation.due_s()) is not None and due_s <= until_s:
            self.now_s = max(self.now_s, due_s)
            self._take(self.conversation.pass_time(self.now_s))
        self.now_s = until_s

    def _take(self, step: Step) -> None:
        self.seen += [uid.hex().upper() for uid, _raw in step.seen]
        if step.trouble is not None:
            self.troubles.append(step.trouble)
        if step.send and not self.deaf:
            answer = self.face.hear(step.send, self.card)
            for byte in answer:  # one by one: a wire has no frames
                self._take(self.conversation.receive(bytes([byte]), self.now_s))


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (b"\x02", "0000ff02fed4022a00"),
        (b"\x14\x01\x00\x00", "0000ff05fbd4140100001700"),
        (b"\x4a\x01\x00", "0000ff04fcd44a0100e100"),
        (b"\x4a\x01\x03\x00", "0000ff05fbd44a010300de00"),
    ],
)
@pytest.mark.req("NXP UM0701-02 §6.2.1")
def test_commands_to_a_pn532_are_framed_as_its_manual_says(command: bytes, wire: str) -> None:
    assert frame(command).hex() == wire


@pytest.mark.parametrize("card", ["DEADBEEF", "04A1B2C3D4E5F6", "04112233445566778899"])
def test_a_pn532_is_woken_configured_and_finds_ids_of_every_length(card: str) -> None:
    talk = Talk(Pn532(poll_s=0.1), Pn532Face())
    talk.run(0.5)
    assert talk.seen == []
    talk.card = card
    talk.run(0.5)
    assert set(talk.seen) == {card}
    assert talk.troubles == []


def test_a_pn532_that_lost_its_settings_finds_cards_again_within_a_minute() -> None:
    talk = Talk(Pn532(poll_s=0.25), Pn532Face())
    talk.run(1.0)
    assert isinstance(talk.face, Pn532Face)
    talk.face.reset()
    talk.card = "DEADBEEF"
    talk.run(50.0)
    assert talk.seen == []
    talk.run(20.0)
    assert set(talk.seen) == {"DEADBEEF"}


def test_a_pn532_that_does_not_answer_is_told_once_after_three_attempts_and_told_to_be_back() -> None:
    talk = Talk(Pn532(poll_s=0.25), Pn532Face())
    talk.run(1.0)
    talk.deaf = True
    talk.run(2.0)
    assert talk.troubles == []
    talk.run(30.0)
    assert len(talk.troubles) == 1
    assert "no answer to command" in talk.troubles[0]
    talk.deaf = False
    talk.card = "DEADBEEF"
    talk.run(5.0)
    assert talk.troubles[1:] == [""]
    assert talk.seen


def test_something_that_is_no_pn532_is_told_so() -> None:
    chip = Pn532()
    chip.open(0.0)
    said = []
    for _ in range(3):
        for code in ("15", "33", "0301010607"):
            content = bytes.fromhex("d5" + code)
            wire = bytes.fromhex("0000ff") + bytes([len(content), -len(content) & 0xFF]) + content
            step = chip.receive(wire + bytes([-sum(content) & 0xFF, 0]), 0.5)
            said += [step.trouble] if step.trouble else []
    assert said == ["the PN532 does not work: version 01 01 06 07, expected an IC of code 32"]


def test_type_b_cards_are_looked_for_where_that_is_wanted() -> None:
    answer = bytes.fromhex("4b010150aabbccdd00000000808171")
    assert pn532.pupi_of(answer) == bytes.fromhex("aabbccdd")
    assert pn532.pupi_of(b"\x4b\x00") is None


def test_frames_of_a_pn532_are_found_between_acks_noise_and_false_starts() -> None:
    good = bytes.fromhex("0000ff03fdd5150115 00")[:0] + bytes.fromhex("0000ff02fed5151600")
    frames = Pn532Frames()
    stream = (
        b"\x00\xff\x05" + bytes.fromhex("0000ff00ff00") + b"noise" + good + bytes.fromhex("0000ff01ff7f8100") + good
    )
    assert list(frames.feed(stream)) == [b"\x15", b"\x15"]


def test_a_twn4_is_asked_and_answers_with_the_id() -> None:
    talk = Talk(Twn4(poll_s=0.1), Twn4Face())
    talk.run(0.5)
    assert talk.seen == []
    talk.card = "04A1B2C3D4E5F6"
    talk.run(0.3)
    assert set(talk.seen) == {"04A1B2C3D4E5F6"}
    talk.deaf = True
    talk.run(10.0)
    assert talk.troubles == ["no answer to 3 questions; is it set to the Simple Protocol?"]
    talk.deaf = False
    talk.run(2.0)
    assert talk.troubles[1:] == [""]


@pytest.mark.parametrize(
    ("answer", "uid"),
    [
        (b"0000", None),
        (b"00018038" + b"07" + b"04A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        (b"00018038" + b"07" + b"04A1B2", None),
        (b"01", None),
        (b"00018038ZZ", None),
        (b"0", None),
    ],
)
def test_answers_of_a_twn4_are_read_or_refused(answer: bytes, uid: str | None) -> None:
    found = twn4.uid_of(answer)
    assert (found.hex().upper() if found else None) == uid


@pytest.mark.parametrize(
    ("printed", "rules", "uid"),
    [
        (b"04 A1 B2 C3 D4 E5 F6", LineRules(), "04A1B2C3D4E5F6"),
        (b"deadbeef", LineRules(), "DEADBEEF"),
        (b"\x02DEADBEEF", LineRules(), "DEADBEEF"),
        (b"652147431", LineRules(encoding=Encoding.DEC), "26DEFAE7"),
        (b"0001217496", LineRules(encoding=Encoding.DEC), "001293D8"),
        (b"UID:DEADBEEF", LineRules(prefix="UID", strip=":"), "DEADBEEF"),
        (b"DEADBEEF", LineRules(prefix="UID"), None),
        (b":112233445501", LineRules(strip=":", checksum=Checksum.SUM2C), "1122334455"),
        (b":112233445502", LineRules(strip=":", checksum=Checksum.SUM2C), None),
        (b"01001293D858", LineRules(checksum=Checksum.XOR), "01001293D8"),
        (b"A1B2C3", LineRules(), None),
        (b"A1B2C3", LineRules(min_bytes=3), "A1B2C3"),
        (b"DEADBEE", LineRules(), None),
        (b"hello", LineRules(), None),
        (b"99999999999", LineRules(encoding=Encoding.DEC), None),
        (b"\xff\xfe", LineRules(), None),
    ],
)
def test_a_line_is_a_card_by_its_rules(printed: bytes, rules: LineRules, uid: str | None) -> None:
    found = uid_of_line(printed, rules)
    assert (found.hex().upper() if found else None) == uid


def test_a_line_without_an_end_is_ended_by_silence() -> None:
    lines = Lines(LineRules(), idle_s=0.05)
    assert lines.receive(b"DEADBEEF", 1.0).seen == ()
    assert lines.due_s() == pytest.approx(1.05)
    assert [uid.hex() for uid, _ in lines.pass_time(1.05).seen] == ["deadbeef"]
    assert lines.due_s() is None


def test_options_of_a_line_reader_that_contradict_each_other_are_refused() -> None:
    assert line.SPEC.check is not None
    problems = line.SPEC.check({"prefix": "(", "min_bytes": 8, "max_bytes": 4})
    assert [each.option for each in problems] == ["prefix", "min_bytes"]


@pytest.mark.parametrize(
    ("form", "uid", "text"),
    [
        (UidForm(), "04a1b2c3", "04A1B2C3"),
        (UidForm(reverse=True), "04a1b2c3", "C3B2A104"),
        (UidForm(pad_bytes=5), "04a1b2c3", "0004A1B2C3"),
        (UidForm(lower=True), "04A1B2C3", "04a1b2c3"),
        (UidForm(), "00000000", None),
        (UidForm(), "ffffffff", None),
        (UidForm(), "11" * 11, None),
        (UidForm(), "11", None),
    ],
)
def test_an_id_is_written_as_the_reader_is_set(form: UidForm, uid: str, text: str | None) -> None:
    assert form.text(bytes.fromhex(uid)) == text


@pytest.mark.req("ISO/IEC 14443-3 §6.4.4")
def test_ids_that_are_made_anew_each_time_are_flagged() -> None:
    assert is_random(bytes.fromhex("08112233"))
    assert not is_random(bytes.fromhex("04112233"))
    assert not is_random(bytes.fromhex("08112233445566"))


@pytest.mark.parametrize(
    "make", [Rdm6300, Pn532, Twn4, lambda: Lines(LineRules())], ids=["rdm", "pn532", "twn4", "line"]
)
def test_whatever_a_wire_says_nothing_breaks_and_memory_is_bounded(make: type[Conversation]) -> None:
    @settings(max_examples=EXAMPLES, deadline=None)
    @given(
        st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"\r", b"\x00\xff", b"0001", b"\x02", b"DEAD"])))
    )
    def check(chunks: list[bytes]) -> None:
        conversation = make()
        now_s = 0.0
        conversation.open(now_s)
        for chunk in chunks:
            now_s += 0.3
            for step in (conversation.receive(chunk, now_s), conversation.pass_time(now_s)):
                assert all(0 < len(uid) <= 255 for uid, _raw in step.seen)
        held = [value for value in vars(conversation).values() if isinstance(value, bytes | bytearray)]
        assert all(len(value) <= 2048 for value in held)

    check()
