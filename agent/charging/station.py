"""The station: inputs in, effects out. Pure, and the only owner of the state of charging.

Each input is handled in one turn: it changes what is known, every EVSE's session is moved as far as that allows, and
its outputs are brought into line. The effects come back in order; the caller commits the durable ones first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import assert_never

from agent.charging import button, metering, stop_values
from agent.charging.admission import Admission
from agent.charging.asked_values import AskedValues, Metered
from agent.charging.availability import Availability
from agent.charging.evse import Evse
from agent.charging.evse_view import view_of
from agent.charging.indication import blinks_of, sounds_of
from agent.charging.known_tokens import KnownTokens
from agent.charging.local_cards import LocalCards
from agent.charging.main_meter import MAIN, MainMeter
from agent.charging.orders import Orders
from agent.charging.profile_orders import ProfileOrders
from agent.charging.profiles import Profiles
from agent.charging.reservation_orders import ReservationOrders
from agent.charging.reservations import Reservations
from agent.charging.samples import provided_by
from agent.charging.supply import Supply
from agent.charging.surroundings import Surroundings
from agent.charging.taking_back import TakingBack
from agent.charging.transaction import abandon
from agent.charging.turn import Turn
from agent.model import profiles, reservations
from agent.model.authorization import TokenReport
from agent.model.commands import TokenVerdict
from agent.model.effects import Effect, StatusChanged
from agent.model.evse import EvseView, Limit
from agent.model.facts import TransactionRecord
from agent.model.faults import Fault, FaultCode
from agent.model.ids import IdToken
from agent.model.inputs import (
    AuthorizationAnswered,
    ButtonPressed,
    CardPresented,
    CommandReceived,
    FactAnswered,
    FaultChanged,
    GuardLinkChanged,
    GuardReported,
    Input,
    LinkChanged,
    MaintenanceHeld,
    ReadingFailed,
    ReadingTaken,
    SampleAsked,
    TimePassed,
    ValuesAsked,
    VariablesChanged,
)
from agent.model.moment import Stamp
from agent.model.profiles import ClearProfiles, GetComposite, SetProfile
from agent.model.reservations import CancelReservation, Reserve
from agent.model.standard_variables import BLINK_REPEAT
from agent.model.station import StationLayout
from agent.model.variables import VariableBook


class Station:
    """The charging core of one station."""

    def __init__(self, layout: StationLayout, variables: VariableBook, new_id: Callable[[], str], boot_id: str) -> None:
        """Build it; call ``restore`` once before any input.

        Args:
            layout: the station as it is built.
            variables: read anew in every turn; the caller applies changes and sends ``VariablesChanged``.
            new_id: gives a transaction id that was never used, at most 36 characters (OCPP 2.0.1).
            boot_id: this boot of the machine; a transaction of another boot was cut off by a power loss.
        """
        self._around = Surroundings(
            layout=layout,
            variables=variables,
            new_id=new_id,
            boot_id=boot_id,
            availability=Availability(),
            profiles=Profiles(variables),
            reservations=Reservations(),
        )
        self._evses = {each.evse_id: Evse(each, self._around) for each in layout.evses}
        self._lights = tuple(each.evse_id for each in layout.evses if each.has_light)
        self._buzzers = tuple(each.evse_id for each in layout.evses if each.has_buzzer)
        self.main = None if layout.main_meter is None else MainMeter(layout.main_meter, self._around)
        metered: dict[int, Metered] = {} if self.main is None else {MAIN: self.main}
        metered |= {each.evse_id: metering.AtEvse(each) for each in self._evses.values() if each.layout.metered}
        self._values = AskedValues(metered)
        self._supply = Supply(self._around, self._evses)
        self._profile_orders = ProfileOrders(self._around, self._evses)
        self._reservation_orders = ReservationOrders(self._around, self._evses)
        self._known = KnownTokens(variables)
        self._admission = Admission(self._around, self._evses, self._known)
        self._taking_back = TakingBack(self._around, self._known)
        self._orders = Orders(self._around, self._evses, self._known, self._admission)
        self._shown: dict[int | None, object] = {}
        self._rests_until_s = 0.0  # until then a reading that says nothing new changes nothing
        self._rests_by_utc_s: int | None = None
        self._now = Stamp(boot_id=boot_id, mono_s=0.0)

    def restore(
        self,
        transactions: Sequence[TransactionRecord],
        availability: Mapping[tuple[int | None, int | None], bool],
        cache: Mapping[str, TokenVerdict],
        now: Stamp,
        documents: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> tuple[Effect, ...]:
        """Take over what the store kept, before the first input.

        Args:
            transactions: records in the order of their starts, ended ones included if they are still there (the last
                one of an EVSE tells that its cable was in already). One whose EVSE is gone is ended.
            availability: settings by (EVSE, connector); ``None`` is the level above.
            cache: verdicts by case-folded token.
            documents: what else the rooms of the core kept, by kind and key.
            now: the moment; the guard and the CSMS count as not connected yet.
        """
        turn = Turn(now=now)
        self._now = now
        self._around.guard_lost_s = now.mono_s
        self._around.availability.restore(availability)
        turn.add(*self._known.restore(cache, documents or {}))
        self._around.profiles.restore((documents or {}).get(profiles.DOCUMENTS, {}), turn)
        self._around.reservations.restore((documents or {}).get(reservations.DOCUMENTS, {}), turn)
        for evse_id, evse in self._evses.items():
            own = [each for each in transactions if each.evse_id == evse_id]
            running = [each for each in own if not each.ended]
            for record in (running or own)[-1:]:
                evse.restore(record, turn)
        running_now = [evse.transaction for evse in self._evses.values() if evse.transaction is not None]
        stop_values.restore(running_now, (documents or {}).get(stop_values.STOP_VALUES, {}), turn)
        restored = {evse.name for evse in self._evses.values()}
        for record in transactions:
            if not record.ended and record.transaction_id not in restored:
                abandon(turn, record, self._around)
        self._advance(turn)
        self._shown = {evse_id: self._status(evse_id) for evse_id in (None, *self._evses)}
        return tuple(turn.effects)

    def handle(self, given: Input, now: Stamp) -> tuple[Effect, ...]:
        """Handle one input at ``now`` and return what follows, in order.

        Raises:
            ValueError: a command that the core does not answer (variables, triggers, reports, vendor messages,
                transaction status).
        """
        turn = Turn(now=now)
        self._now = now
        self._taking_back.prepare(given.command if isinstance(given, CommandReceived) else None)
        if isinstance(given, ReadingTaken) and self._changes_nothing(given, turn):
            return ()
        self._rests_until_s = 0.0
        self._take(given, turn)
        self._advance(turn)
        self._orders.step(turn)
        self._announce(turn)
        self._signal(turn)
        if not turn.effects and self.quiet() and not self._values.waiting:
            due_s = self._due_s()
            self._rests_until_s = inf if due_s is None else due_s
            self._rests_by_utc_s = _utc_at_boot_s(now)
        return tuple(turn.effects)

    def _signal(self, turn: Turn) -> None:
        """Let buzzers sound and lights blink what this turn told."""
        sounds = sounds_of(turn.effects, self._buzzers)
        if self._lights and turn.effects:
            turn.add(*blinks_of(turn.effects, self._lights, self._around.variables.integer(*BLINK_REPEAT)))
        turn.add(*sounds)

    def take_back(self, now: Stamp) -> tuple[Effect, ...] | None:
        """Undo the command of the newest turn, which the store could not keep, and return what follows.

        ``None``: there is nothing to undo, what it ordered is done and written when the store can. Otherwise the
        durables of that turn that ``taking_back.covers`` are to be forgotten.
        """
        if not self._taking_back.possible:
            return None
        turn = Turn(now=now)
        self._taking_back.restore()
        self._advance(turn)
        self._announce(turn)
        return tuple(turn.effects)

    def next_deadline_s(self) -> float | None:
        """Return when ``TimePassed`` is due, monotonic; ``None``: nothing waits for time alone."""
        if self._now.mono_s < self._rests_until_s < inf:
            return self._rests_until_s
        return self._due_s()

    def _changes_nothing(self, given: ReadingTaken, turn: Turn) -> bool:
        """Take a reading that says what the one before said, while nothing runs and nothing is due: most of a life."""
        if turn.now_s >= self._rests_until_s:
            return False
        if _utc_at_boot_s(turn.now) != self._rests_by_utc_s:
            return False  # the time of day is known now, or another one: reservations and schedules go by it
        if given.evse_id == MAIN and self.main is not None and not self.main.meter.error:
            self.main.take(given.reading, turn)
            return not turn.effects and not self.main.meter.error
        if given.evse_id not in self._evses:
            return False
        evse = self._evses[given.evse_id]
        before, reading = evse.meter.newest, given.reading
        if (
            before is None
            or evse.faults.present()
            or reading.energy_import_wh != before.energy_import_wh
            or reading.current_a != before.current_a
            or reading.power_w != before.power_w
        ):
            return False
        evse.take_reading(reading, turn)
        believed = evse.meter.newest
        return not turn.effects and believed is not None and believed.taken_s == reading.taken_s

    def _due_s(self) -> float | None:
        due = [evse.deadline_s(self._now) for evse in self._evses.values()]
        due += [self._admission.deadline_s(), self._orders.deadline_s(), self._supply.deadline_s(self._now.mono_s)]
        due += [self._reservation_orders.deadline_s(), self._values.deadline_s()]
        due.append(None if self.main is None else self.main.deadline_s(self._now))
        return min((each for each in due if each is not None), default=None)

    def view(self, evse_id: int) -> EvseView:
        """Return a snapshot of one EVSE. Raises ``KeyError`` for an unknown one."""
        return view_of(self._evses[evse_id])

    def views(self) -> tuple[EvseView, ...]:
        """Return a snapshot of every EVSE, in the order of the layout."""
        return tuple(view_of(each) for each in self._evses.values())

    def values_refusal(self, evse_id: int | None, connector_id: int | None, now_s: float) -> str:
        """Return why ``ValuesAsked`` would be in vain; empty where values are known or may still come.

        An EVSE's meter speaks for the connector that is in use, or would be; ``None``: whichever that is.
        """
        evse = self._evses.get(evse_id or 0)
        if evse is not None and connector_id in evse.layout.connector_ids and connector_id != evse.connector_id:
            return f"the meter speaks for connector {evse.connector_id} of EVSE {evse_id} now"
        return self._values.refusal(evse_id, now_s)

    def explain(self, token: IdToken, now: Stamp) -> TokenReport:
        """Return what would happen to a token, online and offline, and why."""
        return self._known.explain(token, now.utc_s, online=self._around.online)

    def refusals(self) -> dict[int, str | None]:
        """Return for every EVSE why no new session may begin there; ``None``: it may."""
        return {evse_id: evse.refusal for evse_id, evse in self._evses.items()}

    @property
    def cards(self) -> LocalCards:
        """Return the cards of the station's own, to be read."""
        return self._known.cards

    def provided(self, *, with_main: bool = False) -> frozenset[str] | None:
        """Return the names of measurands that the EVSEs' parts provide, and the main meter if it is meant too.

        ``None`` while a meter has not been read yet.
        """
        found: set[str] = set()
        if with_main and self.main is not None:
            if self.main.meter.newest is None:
                return None
            found |= self.main.provided()
        for evse in self._evses.values():
            reading = evse.meter.newest
            if evse.layout.metered and reading is None:
                return None
            if reading is not None:
                found |= provided_by(reading, evse.layout, metering.beside(evse))
        return frozenset(found)

    def limits(self, evse_id: int) -> tuple[Limit, ...]:
        """Return why an EVSE charges at this current or not at all, the binding limit first."""
        return self._evses[evse_id].limits()

    @property
    def station_operative(self) -> bool:
        """Return the station's own availability; a change is put off until every transaction is over."""
        return self._around.availability.station or any(each.transaction is not None for each in self._evses.values())

    @property
    def online(self) -> bool:
        """Return whether the CSMS can be asked now."""
        return self._around.online

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Return the faults of the station as a whole."""
        return tuple(self._around.faults.values())

    def quiet(self) -> bool:
        """Return whether no transaction runs and nothing is pending."""
        busy = any(each.transaction is not None or each.authorization is not None for each in self._evses.values())
        return not busy and self._admission.idle and self._orders.idle

    def _take(self, given: Input, turn: Turn) -> None:
        match given:
            case GuardReported(condition=condition):
                evse = self._evses.get(condition.evse_id)
                if evse is not None:
                    self._around.guard_lost_s = None
                    evse.report(condition, turn)
            case GuardLinkChanged(connected=connected):
                self._guard_link(connected, turn)
            case ButtonPressed(evse_id=evse_id):
                if evse_id in self._evses:
                    button.press(self._evses[evse_id], turn)
            case CardPresented():
                self._admission.card(given, turn)
            case ReadingTaken(evse_id=evse_id, reading=reading):
                if evse_id in self._evses:
                    self._evses[evse_id].take_reading(reading, turn)
                elif evse_id == MAIN and self.main is not None:
                    self.main.take(reading, turn)
            case ReadingFailed(evse_id=evse_id, error=error):
                if evse_id in self._evses:
                    self._evses[evse_id].meter.fail(error)
                elif evse_id == MAIN and self.main is not None:
                    self.main.meter.fail(error)
            case AuthorizationAnswered():
                self._admission.answered(given, turn)
            case LinkChanged(online=online):
                self._around.online = online
            case FactAnswered():
                self._admission.fact_answered(given, turn)
            case CommandReceived(command=SetProfile() | ClearProfiles() | GetComposite() as command):
                self._profile_orders.take(given.command_id, command, turn)
            case CommandReceived(command=Reserve() | CancelReservation() as command):
                self._reservation_orders.take(given.command_id, command, turn)
            case CommandReceived():
                self._orders.take(given, turn)
            case FaultChanged():
                self._fault(given, turn)
            case SampleAsked(evse_id=evse_id):
                if evse_id in self._evses:
                    metering.triggered(self._evses[evse_id], turn)
            case ValuesAsked(evse_id=evse_id, named=named):
                self._values.ask(evse_id, self._around.variables.members(*named), turn.now_s)
            case MaintenanceHeld(held=held):
                self._around.availability.held = held
            case VariablesChanged() | TimePassed():
                pass
            case _:
                assert_never(given)

    def _guard_link(self, connected: bool, turn: Turn) -> None:
        if connected:
            self._around.guard_lost_s = None
        elif self._around.guard_lost_s is None:
            self._around.guard_lost_s = turn.now_s
        for evse in self._evses.values():
            evse.lose_guard()

    def _fault(self, given: FaultChanged, turn: Turn) -> None:
        fault = Fault(
            code=given.code, evse_id=given.evse_id, blocking=given.blocking, since_s=turn.now_s, text=given.text
        )
        turn.note(
            "fault.raised" if given.raised else "fault.cleared", given.evse_id, level="warning", code=given.code.value
        )
        if given.evse_id is not None and given.code is not FaultCode.STORE_FAILED:
            if given.evse_id in self._evses:
                self._evses[given.evse_id].faults.tell(fault, raised=given.raised)
        elif given.raised:
            self._around.faults[given.code] = fault
        else:
            self._around.faults.pop(given.code, None)

    def _advance(self, turn: Turn) -> None:
        self._admission.step(turn)
        for evse in self._evses.values():
            evse.advance(turn)
        self._admission.hand_over(turn)
        self._reservation_orders.step(turn)
        self._around.profiles.keep_transactions({each.name for each in self._evses.values() if each.name}, turn)
        self._supply.step(turn)
        # Lowered permits first: the supply is never promised twice.
        for evse in sorted(self._evses.values(), key=lambda each: each.outputs.permit_a is None):
            evse.settle(turn)
        if self.main is not None:
            self.main.step(turn)
        self._values.step(turn)

    def _announce(self, turn: Turn) -> None:
        for evse_id in (None, *self._evses):
            status = self._status(evse_id)
            if self._shown.get(evse_id) != status:
                self._shown[evse_id] = status
                turn.add(StatusChanged(evse_id=evse_id))

    def _status(self, evse_id: int | None) -> object:
        if evse_id is None:
            return (self.station_operative, {(each.code, each.blocking) for each in self._around.faults.values()})
        view = self.view(evse_id)
        faults = {(each.code, each.blocking) for each in view.faults}
        return (
            view.occupancy,
            (view.reserved, view.reserved_connector_id, view.awaited),
            view.operative,
            tuple(view.connector_operative.items()),
            faults,
            view.side_info,
            view.connector_id,
            tuple((each.operative, each.plugged, each.served, _codes(each.faults)) for each in view.connectors),
        )


def _codes(faults: Sequence[Fault]) -> frozenset[tuple[FaultCode, bool]]:
    return frozenset((each.code, each.blocking) for each in faults)


def _utc_at_boot_s(now: Stamp) -> int | None:
    """Return the time of day at which the monotonic clock was 0, in whole 2 s; ``None`` while nobody knows."""
    return None if now.utc_s is None else round((now.utc_s - now.mono_s) / 2.0)
