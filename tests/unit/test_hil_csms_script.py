"""What the CSMS is told to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hil.csms_frames import contains
from hil.csms_script import Manner, Script, ScriptError, merge_patch

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


def scripted(**orders: Any) -> Script:
    script = Script()
    script.order(orders)
    return script


def taken(script: Script, action: str, count: int) -> list[Manner]:
    return [script.take(action).manner for _ in range(count)]


def test_without_orders_the_csms_is_good() -> None:
    script = Script()
    assert taken(script, "Heartbeat", 1) == [Manner.OK]
    assert (script.boot_status, script.boot_interval_s) == ("Accepted", 10)
    assert script.token("ANY").status == "Accepted"
    assert script.clock(NOW) == "2026-03-01T10:00:00.000Z"
    assert script.take_upgrade() is None


def test_rules_of_an_action_are_used_up_one_after_the_other() -> None:
    script = scripted(action="Authorize", reply="callerror", times=2)
    script.order({"action": "Authorize", "reply": "late", "seconds": 1, "times": 1})
    expected = [Manner.CALLERROR, Manner.CALLERROR, Manner.LATE, Manner.OK]
    assert taken(script, "Authorize", 4) == expected
    assert taken(script, "Heartbeat", 1) == [Manner.OK]


def test_a_rule_for_ever_holds_until_it_is_taken_back_or_replaced() -> None:
    script = scripted(action="*", reply="silent")
    assert taken(script, "Heartbeat", 3) == [Manner.SILENT] * 3
    script.order({"action": "*", "reply": "callerror"})
    assert taken(script, "Heartbeat", 2) == [Manner.CALLERROR] * 2
    script.order({"action": "*", "reply": "ok"})
    assert taken(script, "Heartbeat", 1) == [Manner.OK]


def test_good_answers_can_be_put_between_bad_ones() -> None:
    script = scripted(action="Heartbeat", reply="ok", times=1)
    script.order({"action": "Heartbeat", "reply": "silent", "times": 1})
    assert taken(script, "Heartbeat", 3) == [Manner.OK, Manner.SILENT, Manner.OK]


def test_an_order_with_anything_wrong_in_it_changes_nothing() -> None:
    script = scripted(boot="Pending")
    with pytest.raises(ScriptError):
        script.order({"boot": "Rejected", "action": "Heartbeat", "reply": "late", "seconds": -1})
    assert script.snapshot() == scripted(boot="Pending").snapshot()


@pytest.mark.parametrize(
    ("orders", "text"),
    [
        ({"boots": "Accepted"}, "unknown key 'boots'"),
        ({"boot": "No"}, "boot 'No' is unknown"),
        ({"interval_s": "long"}, "interval_s 'long' is not a number"),
        ({"clock": 7}, "clock 7 is not an object"),
        ({"strict": 1}, "strict 1 is not a truth value"),
        ({"action": "A", "reply": "result", "patch": []}, "patch \\[\\] is not an object"),
        ({"action": "A", "reply": "silent", "times": 0}, "times 0 is not a number of at least 1"),
    ],
)
def test_wrong_orders_say_what_was_expected(orders: dict[str, Any], text: str) -> None:
    with pytest.raises(ScriptError, match=text):
        scripted(**orders)


def test_the_upgrade_is_refused_a_number_of_times_or_until_welcome() -> None:
    script = scripted(upgrade=503, times=2)
    assert [script.take_upgrade() for _ in range(3)] == [503, 503, None]
    script.order({"upgrade": 401})
    assert [script.take_upgrade() for _ in range(3)] == [401, 401, 401]
    script.order({"upgrade": 0})
    assert script.take_upgrade() is None


def test_the_clock_can_be_wrong_by_hours_or_altogether() -> None:
    assert scripted(clock={"skew_s": -7200}).clock(NOW) == "2026-03-01T08:00:00.000Z"
    script = scripted(clock={"text": "soon"})
    assert script.clock(NOW) == "soon"
    script.order({"clock": "now"})
    assert script.clock(NOW) == "2026-03-01T10:00:00.000Z"


def test_tokens_are_known_in_any_case_of_letters() -> None:
    script = scripted(tokens={"AbC": {"status": "Expired", "parent": "P"}}, strict=True)
    assert (script.token("aBc").status, script.token("aBc").parent) == ("Expired", "P")
    assert script.token("other").status == "Invalid"


def test_a_merge_patch_replaces_adds_and_removes() -> None:
    target = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merge_patch(target, {"a": {"b": None, "x": {"y": None}}, "d": 3}) == {"a": {"c": 2, "x": {}}, "d": 3}


def test_a_payload_contains_what_is_wanted_at_any_depth() -> None:
    payload = {"transactionInfo": {"transactionId": "T"}, "meterValue": [{"n": 1, "m": 2}, {"n": 3}]}
    assert contains(payload, {"transactionInfo": {"transactionId": "T"}})
    assert contains(payload, {"meterValue": [{"n": 3}]})
    assert not contains(payload, {"meterValue": [{"n": 4}]})
    assert not contains(payload, {"seqNo": 0})
    assert not contains(None, {"seqNo": 0})
