"""A CSMS and a network that do anything at any time: what must hold then, holds always."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agent.model.commands import Answered, Outcome
from agent.model.evse import Occupancy
from agent.model.inputs import AuthorizationAnswered, CommandReceived, LinkChanged
from agent.ocpp.inbox import ANSWER_WITHIN_S
from agent.ocpp.session_outputs import Acknowledged, Drop, GiveUp
from tests.scenario.ocpp_desk import CARD, VERSIONS, Desk, view
from tests.scenario.ocpp_facts import ended, started, updated

STEPS = 1_000


class Chaos:
    """One run: a desk, and chance."""

    def __init__(self, version: str, seed: int) -> None:
        presets = {
            "OCPPCommCtrlr.MessageAttempts[TransactionEvent]": "3",
            "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "5",
        }
        self.desk = Desk(version=version, presets=presets)
        self.chance = random.Random(seed)
        self.connected = False
        self.asked = 0
        self.open_requests: dict[str, float] = {}
        self.counted = 0

    def step(self) -> None:
        """Do one thing."""
        if self.desk.out(Drop)[self.counted :]:
            self.counted = len(self.desk.out(Drop))
            self._disconnect()
        if not self.connected:
            self.connected = True
            self.desk.open()
            return
        deeds = {
            self._answer: 40,
            self._refuse: 4,
            self._wait: 10,
            self._record: 10,
            self._show: 8,
            self._authorize: 6,
            self._request: 10,
            self._garbage: 4,
            self._disconnect: 1,
            self._settle: 10,
        }
        self.chance.choices(tuple(deeds), tuple(deeds.values()))[0]()
        self._check()

    def _answer(self) -> None:
        if not self.desk.calls:
            return
        call = self.desk.calls[0]
        status = self.chance.choice(("Accepted",) * 12 + ("Pending", "Rejected"))
        answers: dict[str, Any] = {
            "BootNotification": self.desk.registration(status, self.chance.choice((0, 1, 60, 300))),
            "StartTransaction": {"transactionId": 5, "idTagInfo": {"status": "Accepted"}},
        }
        self.desk.answer(call, self.chance.choice((answers.get(call.action, {}), {}, {"unknown": [1]})))

    def _refuse(self) -> None:
        if self.desk.calls:
            self.desk.refuse(self.desk.calls[0])

    def _wait(self) -> None:
        self.desk.run(self.chance.choice((0.5, 5, 16, 40)))

    def _record(self) -> None:
        at = self.desk.stamp()
        self.desk.record(self.chance.choice((started, updated, ended))(at))

    def _show(self) -> None:
        self.desk.show(view(self.chance.choice((1, 2)), self.chance.choice(list(Occupancy))))

    def _authorize(self) -> None:
        self.asked += 1
        self.desk.take(self.desk.session.authorize(self.asked, CARD, self.desk.now_s))

    def _request(self) -> None:
        reset = "Soft" if self.desk.version == "1.6" else "OnIdle"
        action, payload = self.chance.choice(
            (
                ("ClearCache", {}),
                ("Reset", {"type": reset}),
                ("Reset", {"type": 5}),
                ("Nonsense", {}),
                ("TriggerMessage", {"requestedMessage": "BootNotification"}),
                ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
                ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
            )
        )
        message_id = self.desk.ask(action, payload)
        self.open_requests[message_id] = self.desk.now_s

    def _garbage(self) -> None:
        self.desk.say(
            self.chance.choice(
                ("", "{}", "[]", "[2]", '[3,"x",{}]', '[4,"x"]', '[2,"', "[2,null,1,2]", "[7,1]", "\x00")
            )
        )

    def _disconnect(self) -> None:
        self.connected = False
        self.open_requests.clear()
        self.desk.lose()
        self.desk.run(self.chance.choice((1, 100)))

    def _settle(self) -> None:
        commands = self.desk.heard(CommandReceived)
        if commands:
            command = self.chance.choice(commands)
            outcome = Outcome(answered=self.chance.choice((Answered.ACCEPTED, Answered.REJECTED)))
            self.desk.take(self.desk.session.outcome(command.command_id, outcome, self.desk.now_s))

    def _check(self) -> None:
        """Every request is answered once and in time; facts leave in order; the core knows what is going on."""
        desk = self.desk
        ids = [frame[1] for frame in desk.answers]
        assert len(set(ids) - {"-1", "x"}) == len([each for each in ids if each not in ("-1", "x")])
        dropped = len(desk.out(Drop)) > self.counted  # then its requests have ended with the connection
        if desk.version == "2.0.1" and not dropped:
            late = [each for each, at_s in self.open_requests.items() if desk.now_s >= at_s + ANSWER_WITHIN_S]
            assert set(late) <= set(ids)
        gone = [each.seq for each in desk.outputs if isinstance(each, Acknowledged | GiveUp)]
        assert gone == list(range(1, len(gone) + 1))
        links = [each.online for each in desk.heard(LinkChanged)]
        assert links == [bool((number + 1) % 2) for number in range(len(links))]
        answered = [each.request_id for each in desk.heard(AuthorizationAnswered)]
        assert len(set(answered)) == len(answered)


@pytest.mark.req("OCPP-J 1.6 §4.1.1; quirk T4")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("version", VERSIONS)
def test_whatever_happens_order_single_answers_and_single_calls_hold(version: str, seed: int) -> None:
    chaos = Chaos(version, seed)
    for _ in range(STEPS):
        chaos.step()
    desk = chaos.desk
    if chaos.connected:
        desk.lose()
    desk.run(1_000)
    assert len(desk.heard(AuthorizationAnswered)) == chaos.asked
    desk.open()
    for _ in range(3 * len(desk.journal) + 400):
        if not desk.calls:
            desk.run(5)
        elif desk.calls[0].action == "BootNotification":
            desk.answer(desk.calls[0], desk.registration())
        else:
            desk.answer(desk.calls[0])
    assert not desk.journal
    assert desk.session.online
