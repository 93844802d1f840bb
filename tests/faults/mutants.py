"""The product, broken on purpose: each mutant is one mistake that a checker must find, or the checker proves nothing.

A mutant patches the product in the process of its run, and nowhere else; nothing of it is in the product.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from sqlalchemy import select, update

from app import flow, outbox
from app.access import edge
from app.incidents import lifecycle, record, timeline
from app.incidents.lifecycle import Event
from app.incidents.tables import State
from app.notify import chain, delivery, pipeline
from app.notify.tables import Delivery, DeliveryState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.reacting import Reactor
from app.reactions import calling, ending, listening, running
from app.resources import holding


@dataclass(frozen=True)
class Mutant:
    says: str
    caught_by: str  # the checker that must find it
    put_in: Callable[[], None]
    seed: int = 1  # a run that shows it quickly
    kills: int = 2  # lives; every second one is let live
    dies_at: str | None = None  # the only point its lives die at, where chance seldom leads there


_LONG: Final = 60  # statements: a moment so long that one of the first kills falls into it


def _patch(where: Any, name: str, what: Any) -> None:
    setattr(where, name, what)


def _mark_before_send() -> None:
    claim = delivery.claim

    async def marked(session: Any, **said: Any) -> Any:
        claimed = await claim(session, **said)
        ids = [one.delivery_id for one in claimed]
        await session.execute(
            update(Delivery).where(Delivery.id.in_(ids)).values(state=DeliveryState.SENT, sent_at=said["at"])
        )
        return claimed

    _patch(delivery, "claim", marked)


def _outcome_forgotten() -> None:
    async def nothing(*_: Any, **__: Any) -> bool:
        return True

    _patch(delivery, "record", nothing)
    _patch(delivery, "record_sent", nothing)


def _no_fence() -> None:
    async def anybody(session: Any, claimed: Any) -> Any:
        return await session.get(Delivery, claimed.delivery_id, populate_existing=True)

    _patch(delivery, "_still_ours", anybody)


class _Anything:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


def _not_stopped() -> None:
    async def left(_session: Any, ended: Any, state: Any, _reason: Any, *, at: Any) -> None:
        ended.state, ended.ended_at = state, at

    _patch(chain, "end", left)
    _patch(delivery, "RoundState", SimpleNamespace(CALLING=_Anything(), ACKNOWLEDGED="acknowledged"))


def _answer_not_kept() -> None:
    async def forgotten(*_: Any) -> None:
        return None

    _patch(edge, "_keep", forgotten)


def _marked_done_first() -> None:
    react = Reactor._react

    async def early(self: Reactor, now: Any, *, urgent: bool) -> bool:
        async with self.db.transaction() as session:
            message = await session.scalar(
                select(OutboxMessage).where(OutboxMessage.state == MessageState.PENDING).order_by(OutboxMessage.id).limit(1)
            )  # fmt: skip
            if message is not None and message.topic in ("incident.detected", "signal.received"):
                message.state = MessageState.DONE
        if message is None or message.topic not in ("incident.detected", "signal.received"):
            return await react(self, now, urgent=urgent)
        async with self.db.reading() as session:
            for _ in range(_LONG):  # where a process may die
                await session.get(OutboxMessage, message.id, populate_existing=True)
        async with self.db.transaction() as session:
            (await session.get_one(OutboxMessage, message.id)).state = MessageState.PENDING
        return await react(self, now, urgent=urgent)

    _patch(Reactor, "_react", early)


def _timer_told_twice() -> None:
    fire = Reactor._fire_timers

    async def twice(self: Reactor, now: Any, *, grave: bool) -> bool:
        async with self.db.transaction() as session:
            for one in await session.scalars(
                select(Timer).where(Timer.state == TimerState.ARMED, Timer.due_at <= now)
            ):
                outbox.put(session, one.topic, one.payload, ref=one.ref, at=now)
        return await fire(self, now, grave=grave)

    _patch(Reactor, "_fire_timers", twice)


def _appended(change: Callable[[Any, Any], None]) -> Callable[[], None]:
    def put_in() -> None:
        append = timeline.append

        def changed(session: Any, incident: Any, kind: str, **said: Any) -> Any:
            entry = append(session, incident, kind, **said)
            change(incident, entry)
            return entry

        _patch(timeline, "append", changed)

    return put_in


def _skip_a_number(incident: Any, entry: Any) -> None:
    if entry.kind == "incident.assessed":
        incident.last_seq += 1


def _unchain(_incident: Any, entry: Any) -> None:
    entry.previous = ""


def _break(_incident: Any, entry: Any) -> None:
    if entry.kind == "incident.assessed":
        raise KeyError(entry.kind)


def _state_behind_the_back() -> None:
    apply = lifecycle.apply

    def moved(session: Any, incident: Any, event: Event, **said: Any) -> Any:
        entry = apply(session, incident, event, **said)
        if event is Event.ASSESS:
            incident.state = State.RESPONDING
        return entry

    _patch(lifecycle, "apply", moved)


def _illegal_jump() -> None:
    table: Any = lifecycle.TRANSITIONS
    table[State.DETECTED, Event.ASSESS] = lifecycle.Transition(State.RESPONDING, "incident.assessed")


def _no_reaction(topic: str, *reactions: Any) -> Callable[[], None]:
    def put_in() -> None:
        table: Any = flow.REACTIONS
        table[topic] = tuple(one for one in table[topic] if one not in reactions)

    return put_in


def _nothing_released() -> None:
    for topic in ("incident.closed", "incident.cancelled"):
        _no_reaction(topic, ending.release_resources)()


def _holding_not_counted() -> None:
    async def uncounted(*_given: Any, **_said: Any) -> None:
        pass

    _patch(holding, "count", uncounted)


def _version_not_checked() -> None:
    locked = record.locked

    async def whatever(session: Any, name: str, *, version: Any = None) -> Any:
        return await locked(session, name)

    _patch(record, "locked", whatever)


def _dropped_without_reason() -> None:
    def drop(dropped: Any, _reason: Any) -> None:
        dropped.state = DeliveryState.DROPPED

    _patch(pipeline, "drop", drop)
    _patch(chain, "kept", lambda _reason: None)


def _silently_lost() -> None:
    async def lost(*_: Any, **__: Any) -> Any:
        return delivery.Outcome(delivery.Result.SENT, detail="taken")

    _patch(delivery, "send", lost)


def _reaction_fails() -> None:
    async def failing(_happened: Any) -> None:
        raise ValueError("a mutant")

    table: Any = flow.REACTIONS
    table["incident.acknowledged"] = (failing,)


MUTANTS: Final[Mapping[str, Mutant]] = {
    "mark before send": Mutant("a delivery is marked sent when it is claimed", "sent_or_shown", _mark_before_send),
    "silently lost": Mutant("a channel is never called, the delivery is called sent", "sent_or_shown", _silently_lost),
    "no reason": Mutant("a delivery is dropped without a reason", "sent_or_shown", _dropped_without_reason),
    "outcome forgotten": Mutant("what came of a send is not written down", "few_copies", _outcome_forgotten),
    "no fence": Mutant("a sender that lost its lease writes over the next one's result", "fenced", _no_fence, seed=35),
    "not stopped": Mutant("what is still to be sent of a round is sent when it is over", "silent_after_answer", _not_stopped),
    "answer not kept": Mutant("the answer to an Idempotency-Key is not stored", "accepted_once", _answer_not_kept,
                              seed=6, kills=1, dies_at="answer.before"),
    "done first": Mutant("a message is marked done before its reactions", "judged_once", _marked_done_first, kills=6),
    "not judged": Mutant("a signal is taken in and not judged", "judged_once",
                         _no_reaction("signal.received", listening.correlate)),
    "nobody called": Mutant("an incident is raised and nobody called", "everything_followed",
                            _no_reaction("incident.detected", calling.call_reporting_chain), seed=2),
    "plan not started": Mutant("a plan is activated and not started", "everything_followed",
                               _no_reaction("incident.activated", running.start_plan)),
    "timer twice": Mutant("a timer is told twice", "fired_once", _timer_told_twice),
    "number skipped": Mutant("a number of the timeline is skipped", "record_holds", _appended(_skip_a_number)),
    "not chained": Mutant("an entry does not bear the hash before it", "record_holds", _appended(_unchain)),
    "behind the back": Mutant("a state changes without the timeline", "record_holds", _state_behind_the_back),
    "illegal jump": Mutant("a transition leads elsewhere", "only_legal_paths", _illegal_jump),
    "not released": Mutant("an incident ends and keeps what it holds", "never_oversold", _nothing_released, seed=37),
    "not counted": Mutant("what is held is not counted", "never_oversold", _holding_not_counted),
    "version not checked": Mutant("If-Match is not looked at", "one_winner", _version_not_checked, seed=2),
    "reaction fails": Mutant("a reaction always fails", "nothing_stuck", _reaction_fails),
    "breaks": Mutant("a command breaks", "no_refusal_without_cause", _appended(_break)),
}  # fmt: skip

# One for each checker, the quickest to find.
QUICK: Final = (
    "silently lost", "outcome forgotten", "no fence", "not stopped", "answer not kept", "not judged", "plan not started",
    "timer twice", "number skipped", "illegal jump", "not counted", "version not checked", "reaction fails", "breaks",
)  # fmt: skip
