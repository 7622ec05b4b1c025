"""The last frames: what people may see of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.console.book_screens import ladder_screen, records_csv, records_screen
from agent.ocpp.frame_log import KEPT_CHARS, KEPT_FRAMES, FrameLog, hashed, shown


def call(action: str, payload: dict[str, Any], message_id: str = "1") -> str:
    return json.dumps([2, message_id, action, payload])


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (call("Authorize", {"idTag": "04A2B3C4"}), "04A2B3C4"),
        (json.dumps([3, "1", {"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET7"}}]), "FLEET7"),
        (call("Authorize", {"idToken": {"idToken": "04A2B3C4", "type": "ISO14443"}}), "04A2B3C4"),
        (call("SendLocalList", {"localAuthorizationList": [{"idTag": "AA11BB22"}]}), "AA11BB22"),
        (call("ChangeConfiguration", {"key": "AuthorizationKey", "value": "c0ffee77"}), "c0ffee77"),
        (call("SetVariables", {"setVariableData": [
            {"attributeValue": "c0ffee77", "component": {"name": "SecurityCtrlr"},
             "variable": {"name": "BasicAuthPassword"}}]}), "c0ffee77"),
        (call("UpdateFirmware", {"location": "ftp://me:c0ffee77@files.example/fw"}), "c0ffee77"),
    ],
)  # fmt: skip
def test_neither_tokens_nor_secrets_are_shown(text: str, gone: str) -> None:
    assert gone not in shown(text)
    assert len(json.loads(shown(text))) == len(json.loads(text))


CANARY = "c0ffee77"
VPN = {"server": "s", "password": CANARY, "key": CANARY}


@pytest.mark.parametrize(
    "payload",
    [
        {"Key": "AuthorizationKey", "Value": CANARY},
        {"key": " AuthorizationKey ", "value": [CANARY]},
        {"key": "AuthorizationKey", "val": {"a": CANARY}},
        {"key": "SecurityCtrlr.BasicAuthPassword", "value": CANARY},
        {"setVariableData": [{"attributeValue": CANARY, "variable": {"Name": "BasicAuthPassword "}}]},
        {"connectionData": {"apn": {"apnPassword": CANARY, "simPin": CANARY}, "vpn": VPN}},
        {"location": f"ftp://me:pa/{CANARY}@files.example/fw"},
        {"location": f"me:{CANARY}@files.example/fw"},
        {"location": f"https://files.example/fw?token={CANARY}"},
        {"remoteLocation": [f"ftp://me:{CANARY}@files.example/fw"]},
        {"vendorId": "v", "data": f"see ftp://me:{CANARY}@files.example"},
        {"vendorId": "v", "data": json.dumps({"idTag": CANARY})},
        {"idTag": [CANARY]},
        {"idToken": {"idToken": "x", "additionalInfo": [{"additionalIdToken": CANARY, "type": "t"}]}},
    ],
    ids=str,
)
def test_a_secret_that_stands_in_the_wrong_place_is_not_shown_either(payload: dict[str, Any]) -> None:
    assert CANARY not in shown(call("Whatever", payload))


def test_of_a_name_that_is_repeated_each_counts() -> None:
    members = f'"key":"AuthorizationKey","key":"HeartbeatInterval","value":"{CANARY}"'
    assert CANARY not in shown(f'[2,"1","ChangeConfiguration",{{{members}}}]')


@pytest.mark.parametrize("odd", ["1e999", "NaN", "9" * 30, '"\\ud800"', "[" * 100 + "]" * 100])
def test_odd_values_are_shown_or_told_by_their_length(odd: str) -> None:
    assert shown(f'[3,"1",{{"a":{odd}}}]')


def test_the_ladder_cannot_steer_the_terminal() -> None:
    frame = json.dumps([2, "1", "\x1b[2JReset\nFAKE", {"a": "\x9b1m\u202e"}])
    assert all(
        line.isprintable()
        for line in ladder_screen(
            {"rows": [{"at": None, "age_s": 1.0, "direction": "in", "frame": frame}]}
        ).splitlines()
    )


def test_a_token_is_shown_as_the_hash_that_the_logs_use() -> None:
    assert json.loads(shown(call("Authorize", {"idTag": "04a2b3c4"})))[3] == {"idTag": hashed("04A2B3C4")}


def test_what_cannot_be_read_is_shown_by_its_length_only() -> None:
    assert shown('[2,"1","Authorize",{"idTag":"04A2') == "(unreadable or cut, 33 characters)"


def test_memory_is_bounded_in_frames_and_in_characters() -> None:
    log = FrameLog()
    for number in range(3 * KEPT_FRAMES):
        log.note(call("Heartbeat", {}, str(number)), float(number), outgoing=True)
    assert len(log.frames(10_000)) == KEPT_FRAMES
    assert log.frames(1)[0].at_s == 3 * KEPT_FRAMES - 1
    for number in range(100):
        log.note("x" * 1_000_000, float(number), outgoing=False)
    assert sum(len(each.text) for each in log._frames) <= KEPT_CHARS


def test_the_ladder_pairs_an_answer_with_its_question() -> None:
    rows = [
        {"at": "2026-11-20T12:00:00.000Z", "age_s": 2.0, "direction": "out", "frame": call("Heartbeat", {})},
        {"at": "2026-11-20T12:00:00.035Z", "age_s": 1.965, "direction": "in", "frame": '[3,"1",{}]'},
        {"at": None, "age_s": 1.0, "direction": "in", "frame": call("Reset", {"type": "Soft"}, "9")},
        {"at": None, "age_s": 0.9, "direction": "out", "frame": '[4,"9","InternalError","",{}]'},
        {"at": None, "age_s": 0.5, "direction": "in", "frame": "(unreadable or cut, 7 characters)"},
    ]
    lines = ladder_screen({"rows": rows}).splitlines()
    assert lines[1].split("──", 1)[1].strip() == "Heartbeat  {} ─>"
    assert "Heartbeat answered after 35 ms" in lines[2]
    assert "Reset CALLERROR after 100 ms" in lines[4]
    assert "unreadable" in lines[5]


ROW = {
    "transaction": "01H", "csms_transaction": "4711", "evse": 1, "connector": 1, "started": "2026-11-20T12:00:00.000Z",
    "ended": None, "duration_s": 3725, "meter_start_wh": 1, "meter_stop_wh": 1501, "energy_wh": 1500, "token": "id:1",
    "stop_token": None, "reason": "local", "offline": True, "gap": None, "delivery": "delivered",
}  # fmt: skip


def test_charges_are_listed_as_a_table_and_as_csv() -> None:
    assert "1:02:05" in records_screen({"rows": [ROW]})
    assert "delivered as 4711" in records_screen({"rows": [ROW]})
    head, line = records_csv({"rows": [ROW]}).splitlines()
    assert dict(zip(head.split(","), line.split(","), strict=True))["energy_wh"] == "1500"
    assert records_screen({"rows": []}) == "No charge has ended yet."
