"""Who gets in: cards, the CSMS's word on them, and what is remembered until a cable follows."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

from agent.charging.authorization import Authorization, Say, judge, may_use_known
from agent.charging.cards import Choice, Deed, Place, choose
from agent.charging.evse import Evse
from agent.charging.kept_free import KeptFree
from agent.charging.known_tokens import KnownTokens
from agent.charging.session import SessionState
from agent.charging.surroundings import Surroundings
from agent.charging.transaction import Transaction
from agent.charging.turn import Turn
from agent.model.commands import RequestStart
from agent.model.effects import AskAuthorization
from agent.model.facts import StopReason
from agent.model.faults import Fault, FaultCode
from agent.model.ids import IdToken, same_group
from agent.model.inputs import AuthorizationAnswered, CardPresented, FactAnswered
from agent.model.verdicts import TokenVerdict, Verdict

_TAKES: frozenset[SessionState] = frozenset(
    {SessionState.FREE, SessionState.AUTHORIZED, SessionState.PLUGGED, SessionState.FINISHED}
)


class Purpose(Enum):
    """Why the CSMS is asked about a token."""

    START = "start"
    GROUP = "group"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question that is on its way. ``evse_id`` ``None``: for the next EVSE of ``reader`` that is plugged in."""

    purpose: Purpose
    token: IdToken
    evse_id: int | None
    reader: str | None
    remote: RequestStart | None = None


class Admission:
    """Decides about tokens; the EVSEs carry the decisions out."""

    def __init__(self, around: Surroundings, evses: Mapping[int, Evse], known: KnownTokens) -> None:
        """Begin with nothing asked and nothing remembered."""
        self._around = around
        self._evses = evses
        self._known = known
        self._kept_free = KeptFree(around, evses)
        self._asked: dict[int, Asked] = {}
        self._last_request = 0
        self._remembered: dict[str, Authorization] = {}

    @property
    def idle(self) -> bool:
        """Return whether nothing is asked and nothing remembered."""
        return not self._asked and not self._remembered

    def card(self, given: CardPresented, turn: Turn) -> None:
        """Decide what one presentation of a card does."""
        if self._known.cards.learning(turn.now_s):
            self._known.cards.learn(given.token, turn)
            return
        evse_ids = self._around.layout.readers.get(given.reader, ())
        if given.evse_id is not None:
            evse_ids = (given.evse_id,)
        places = self._places(evse_ids, given.token)
        if not places and any(each in self._evses for each in evse_ids):
            turn.note("card.refused", token=given.token, level="warning", reason="reserved for somebody else")
            return
        if not places:
            turn.note(
                "card.ignored", token=given.token, level="warning", reason=f"reader {given.reader} serves no EVSE"
            )
            return
        evse_ids = tuple(each.evse_id for each in places)
        known = self._known.find(given.token, turn.now.utc_s)
        usable = known is not None and known.accepted and may_use_known(self._known.rules, online=self._around.online)
        if known is not None and usable and self._known.rules.is_master(known.verdict.group):
            self._master(given.token, evse_ids, turn)
            return
        self._do(choose(given.token, places, master=self._has_master), given.token, given.reader, evse_ids, turn)

    def request(self, command: RequestStart, evse_id: int, turn: Turn) -> None:
        """Start on an EVSE for the CSMS, which was found able to take it (OCPP 1.6 §5.11)."""
        group_decides = self._kept_free.depends_on_group(self._evses[evse_id], command.token, command.group)
        if group_decides or self._around.variables.flag("AuthCtrlr", "AuthorizeRemoteStart"):
            asked = Asked(purpose=Purpose.START, token=command.token, evse_id=evse_id, reader=None, remote=command)
            self._judge(asked, turn)
        else:
            self._admit(self._evses[evse_id], self._remote(command, command.group, turn), turn)

    def answered(self, given: AuthorizationAnswered, turn: Turn) -> None:
        """Take the CSMS's word on a token, or that nobody could be asked."""
        asked = self._asked.pop(given.request_id, None)
        if asked is None:
            return
        if asked.evse_id is not None:
            self._evses[asked.evse_id].asking = any(each.evse_id == asked.evse_id for each in self._asked.values())
        verdict = given.verdict
        if verdict is not None:
            self._learn(asked.token, verdict, turn)
        elif asked.purpose is Purpose.START:
            word = judge(self._known.find(asked.token, turn.now.utc_s), self._known.rules, online=False)
            turn.note("authorization.unanswered", asked.evse_id, token=asked.token, reason=word.why)
            accepted = word.say is Say.YES
            verdict = TokenVerdict(verdict=Verdict.ACCEPTED if accepted else Verdict.INVALID, group=word.group)
        else:
            known = self._known.find(asked.token, turn.now.utc_s)
            verdict = None if known is None else known.verdict
        if verdict is not None and verdict.verdict is Verdict.ACCEPTED and self._known.rules.is_master(verdict.group):
            evse_ids = self._around.layout.readers.get(asked.reader or "", ())
            self._master(asked.token, evse_ids if asked.evse_id is None or evse_ids else (asked.evse_id,), turn)
            return
        if asked.purpose is Purpose.GROUP:
            self._group(asked, verdict, turn)
        elif verdict is not None and verdict.verdict is Verdict.ACCEPTED:
            self._accept(asked, verdict.group, turn)
        else:
            why = "unknown" if verdict is None else verdict.verdict.value
            turn.note("authorization.refused", asked.evse_id, token=asked.token, reason=why)

    def fact_answered(self, given: FactAnswered, turn: Turn) -> None:
        """Take the CSMS's answer to a transaction fact: its name for the transaction and its word on the token."""
        evse = next((each for each in self._evses.values() if each.name == given.transaction_id), None)
        transaction = None if evse is None else evse.transaction
        own = None if transaction is None else transaction.record.token
        token = given.token or own
        verdict = given.verdict
        # ConcurrentTx to a message that was sent twice is about the message, not about the token.
        doubled = verdict is not None and verdict.verdict is Verdict.CONCURRENT and given.retransmitted
        if verdict is not None and token is not None and not doubled:
            self._learn(token, verdict, turn)
        if evse is None or transaction is None:
            return
        record = transaction.record
        if given.csms_id is not None:
            record = msgspec.structs.replace(record, csms_id=given.csms_id)
        transaction.save(turn, record)
        if verdict is None or token is None or not token.same(own):
            return
        if verdict.group is not None and record.group is None:
            transaction.save(turn, msgspec.structs.replace(record, group=verdict.group))
        self._review(evse, transaction, given, verdict, turn)

    def step(self, turn: Turn) -> None:
        """Forget what was remembered for too long."""
        for reader, authorization in list(self._remembered.items()):
            until_s = self._until_s(authorization)
            if until_s is not None and turn.now_s >= until_s:
                del self._remembered[reader]
                turn.note(
                    "authorization.forgotten",
                    token=authorization.token,
                    reason="no vehicle within the connection time-out",
                )

    def hand_over(self, turn: Turn) -> None:
        """Give a remembered authorization to an EVSE of its reader that waits for one."""
        for reader, authorization in list(self._remembered.items()):
            served = [self._evses[each] for each in self._around.layout.readers[reader] if each in self._evses]
            token, group = authorization.token, authorization.group
            waiting = [
                each
                for each in served
                if each.session.state is SessionState.PLUGGED
                and each.authorization is None
                and self._kept_free.barred(each, token, group, final=True) is None
            ]
            if waiting:
                chosen = max(waiting, key=lambda each: each.session.since_s)
                del self._remembered[reader]
                self._admit(chosen, authorization, turn)
                chosen.advance(turn)

    def deadline_s(self) -> float | None:
        """Return when something remembered lapses."""
        due = [self._until_s(each) for each in self._remembered.values()]
        return min((each for each in due if each is not None), default=None)

    def _do(self, choice: Choice, token: IdToken, reader: str, evse_ids: tuple[int, ...], turn: Turn) -> None:
        evse = None if choice.evse_id is None else self._evses[choice.evse_id]
        match choice.deed:
            case Deed.STOP if evse is not None:
                evse.stop(StopReason.LOCAL, token, turn)
            case Deed.CANCEL if evse is not None:
                evse.cancel(turn, "the same card again")
            case Deed.RELEASE if evse is not None:
                turn.note("cable.released", evse.evse_id, token=token)
                evse.release_cable()
            case Deed.START if evse is not None:
                self._judge(Asked(purpose=Purpose.START, token=token, evse_id=evse.evse_id, reader=reader), turn)
            case Deed.ASK_GROUP if evse is not None:
                self._ask_group(evse, token, reader, evse_ids, turn)
            case Deed.REMEMBER:
                self._remember(token, reader, evse_ids, choice.why, turn)
            case _:
                turn.note("card.ignored", choice.evse_id, token=token, reason=choice.why)

    def _remember(self, token: IdToken, reader: str, evse_ids: tuple[int, ...], why: str, turn: Turn) -> None:
        if not self._around.layout.authorization_required:
            turn.note("card.ignored", token=token, reason="free vend needs no card")
            return
        known = self._remembered.get(reader)
        if known is not None and known.token.same(token):
            del self._remembered[reader]
            turn.note("authorization.forgotten", token=token, reason="the same card again")
            return
        if any(each.reader == reader and each.evse_id is None for each in self._asked.values()):
            turn.note("card.ignored", token=token, reason="another card is being checked")
            return
        if why:
            turn.note("card.remembered", token=token, reason=why)
        only = self._kept_free.own_place(token, evse_ids)
        takes = only is not None and only.session.state in _TAKES
        evse_id = only.evse_id if only is not None and takes else None
        if only is not None and takes and only.asking:
            turn.note("card.ignored", only.evse_id, token=token, reason="another card is being checked")
            return
        self._judge(Asked(purpose=Purpose.START, token=token, evse_id=evse_id, reader=reader), turn)

    def _ask_group(self, evse: Evse, token: IdToken, reader: str, evse_ids: tuple[int, ...], turn: Turn) -> None:
        asked = Asked(purpose=Purpose.GROUP, token=token, evse_id=evse.evse_id, reader=reader)
        usable = may_use_known(self._known.rules, online=self._around.online)
        known = self._known.find(token, turn.now.utc_s) if usable else None
        if known is not None and known.accepted:
            self._group(asked, known.verdict, turn)
        elif self._around.online:
            self._ask(asked, turn)
        else:
            places = self._places(evse_ids, token)
            self._do(choose(token, places, group_asked=True), token, reader, evse_ids, turn)

    def _group(self, asked: Asked, verdict: TokenVerdict | None, turn: Turn) -> None:
        evse = self._evses[asked.evse_id] if asked.evse_id is not None else None
        if evse is None or verdict is None or verdict.verdict is not Verdict.ACCEPTED:
            turn.note("authorization.refused", asked.evse_id, token=asked.token)
            return
        group = evse.held_group if evse.transaction is None else evse.transaction.record.group
        if same_group(verdict.group, group):
            if not evse.stop(StopReason.LOCAL, asked.token, turn):
                turn.note("cable.released", evse.evse_id, token=asked.token)
                evse.release_cable()
            return
        reader = asked.reader or ""
        evse_ids = self._around.layout.readers.get(reader, (evse.evse_id,))
        places = self._places(evse_ids, asked.token, verdict.group)
        choice = choose(asked.token, places, group_asked=True)
        if choice.deed in (Deed.START, Deed.REMEMBER):
            self._accept(
                Asked(purpose=Purpose.START, token=asked.token, evse_id=choice.evse_id, reader=reader),
                verdict.group,
                turn,
            )
        else:
            turn.note("card.ignored", evse.evse_id, token=asked.token, reason=choice.why or "of another group")

    def _judge(self, asked: Asked, turn: Turn) -> None:
        if not self._welcome(asked, turn):
            return
        known = self._known.find(asked.token, turn.now.utc_s)
        word = judge(known, self._known.rules, online=self._around.online)
        match word.say:
            case Say.YES if self._around.online and self._group_decides(asked, word.group):
                self._ask(asked, turn)
            case Say.YES:
                self._accept(asked, word.group, turn)
            case Say.ASK:
                self._ask(asked, turn)
            case Say.NO:
                turn.note("authorization.refused", asked.evse_id, token=asked.token, reason=word.why)

    def _learn(self, token: IdToken, verdict: TokenVerdict, turn: Turn) -> None:
        """Take the CSMS's word on a token; where it contradicts its own list, say so (OCPP 1.6 §3.5.3)."""
        if self._known.learn(token, verdict, turn):
            code = FaultCode.LOCAL_LIST_CONFLICT
            if code not in self._around.faults:
                text = "the CSMS refuses a token that its list accepts"
                self._around.faults[code] = Fault(code=code, blocking=False, since_s=turn.now_s, text=text)
            turn.note("local_list.contradicted", level="warning", token=token, verdict=verdict.verdict.value)

    @property
    def _has_master(self) -> bool:
        return bool(self._known.rules.master_group)

    def _master(self, token: IdToken, evse_ids: tuple[int, ...], turn: Turn) -> None:
        """End every transaction of the reader (OCPP 2.0.1 C16.FR.02: a station without a display ends them all)."""
        running = [self._evses[each] for each in evse_ids if each in self._evses]
        ended = [evse.evse_id for evse in running if evse.stop(StopReason.MASTER_PASS, token, turn)]
        for evse in running:
            evse.release_cable()
        turn.note("card.master_pass", token=token, ended=len(ended))

    def _welcome(self, asked: Asked, turn: Turn) -> bool:
        """Return whether any EVSE could take the token at all; nobody is asked for nothing."""
        readers = self._around.layout.readers.get(asked.reader or "", ())
        evse_ids = readers if asked.evse_id is None else (asked.evse_id,)
        group = None if asked.remote is None else asked.remote.group
        refusals = [
            self._evses[each].refusal or self._kept_free.barred(self._evses[each], asked.token, group, final=False)
            for each in evse_ids
            if each in self._evses
        ]
        if None in refusals:
            return True
        why = refusals[0] if refusals else "no such EVSE"
        turn.note("card.refused", asked.evse_id, token=asked.token, level="warning", reason=why)
        return False

    def _ask(self, asked: Asked, turn: Turn) -> None:
        self._last_request += 1
        self._asked[self._last_request] = asked
        if asked.evse_id is not None:
            self._evses[asked.evse_id].asking = True
        turn.add(AskAuthorization(request_id=self._last_request, token=asked.token, evse_id=asked.evse_id))

    def _accept(self, asked: Asked, group: str | None, turn: Turn) -> None:
        if asked.remote is not None:
            authorization = self._remote(asked.remote, group or asked.remote.group, turn)
        else:
            authorization = Authorization(token=asked.token, at_s=turn.now_s, group=group)
        if asked.evse_id is not None:
            self._admit(self._evses[asked.evse_id], authorization, turn)
        elif asked.reader is not None:
            self._remembered[asked.reader] = authorization
            turn.note("session.authorized", token=asked.token, reader=asked.reader)

    def _admit(self, evse: Evse, authorization: Authorization, turn: Turn) -> None:
        takes = evse.session.state in _TAKES or (authorization.remote and evse.session.state is SessionState.LAPSED)
        away = self._kept_free.barred(evse, authorization.token, authorization.group, final=True)
        if takes and evse.closed is None and away is None:
            evse.authorize(authorization, turn)
        else:
            why = evse.closed or away or f"the EVSE is {evse.session.state.value}"
            turn.note("authorization.unused", evse.evse_id, token=authorization.token, reason=why)

    def _review(
        self, evse: Evse, transaction: Transaction, given: FactAnswered, verdict: TokenVerdict, turn: Turn
    ) -> None:
        """Act on the CSMS's word on a running transaction's token (OCPP 1.6 §3.5.4, 2.0.1 E05).

        A fact that was sent twice may be answered ConcurrentTx because the first one arrived; that alone stops nobody.
        """
        record = transaction.record
        if record.ending is not None or (verdict.verdict is Verdict.CONCURRENT and given.retransmitted):
            return
        if verdict.verdict is Verdict.ACCEPTED:
            transaction.save(turn, msgspec.structs.replace(record, energy_left_wh=None))
            return
        if record.energy_left_wh is not None:
            return
        left_wh = max(0, self._around.variables.integer("TxCtrlr", "MaxEnergyOnInvalidId"))
        # The allowance counts from the register of this moment, not from the last durable one.
        current = transaction.with_register(turn.now, evse.meter.newest)
        transaction.save(turn, msgspec.structs.replace(current, energy_left_wh=left_wh))
        turn.note(
            "transaction.token_refused",
            evse.evse_id,
            level="warning",
            token=record.token,
            reason=verdict.verdict.value,
            energy_left_wh=left_wh,
        )

    def _remote(self, command: RequestStart, group: str | None, turn: Turn) -> Authorization:
        return Authorization(
            token=command.token,
            at_s=turn.now_s,
            group=group,
            remote=True,
            remote_start_id=command.remote_start_id,
            profile=command.profile,
            connector_id=command.connector_id,
        )

    def _until_s(self, authorization: Authorization) -> float | None:
        limit_s = self._around.connection_time_out_s
        return None if limit_s is None else authorization.at_s + limit_s

    def _group_decides(self, asked: Asked, group: str | None) -> bool:
        evse = None if asked.evse_id is None else self._evses[asked.evse_id]
        return evse is not None and self._kept_free.depends_on_group(evse, asked.token, group)

    def _places(self, evse_ids: tuple[int, ...], token: IdToken, group: str | None = None) -> list[Place]:
        """Return the places that a card may concern: none that is reserved for somebody else."""
        evses = [self._evses[each] for each in evse_ids if each in self._evses]
        return [self._place(each) for each in evses if self._kept_free.open_to(each, token, group)]

    def _place(self, evse: Evse) -> Place:
        record = None if evse.transaction is None else evse.transaction.record
        token = record.token if record is not None else None
        if token is None and evse.authorization is not None and not evse.authorization.free_vend:
            token = evse.authorization.token
        return Place(
            evse_id=evse.evse_id,
            state=evse.session.state,
            since_s=evse.session.since_s,
            token=token,
            group=None if record is None else record.group,
            last_token=evse.last_token,
            held_for=evse.held_for,
            held_group=evse.held_group,
            plugged=evse.plugged is not False,
            asking=evse.asking,
        )
