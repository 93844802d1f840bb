"""What must hold after any run, whatever was killed: pure functions of the history and the rows at the end.

Each gives the sentences of what it found wrong; an empty list is the promise kept. None knows how the service works inside.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from app.incidents import timeline
from app.incidents.lifecycle import TRANSITIONS, Event
from app.incidents.tables import OPEN_STATES, State, TimelineEntry
from tests.faults.history import Event as Noted
from tests.faults.lives import Rows

Checker = Callable[[Sequence[Noted], Rows], list[str]]
_GRACE: Final = timedelta(seconds=1)


def accepted_once(history: Sequence[Noted], rows: Rows) -> list[str]:
    """What was answered 2xx is stored, once: incidents, signals, status of repeats."""
    found = []
    incidents = {one["id"] for one in rows["incidents"]}
    receipts = {one["id"] for one in rows["receipts"]}
    asked = _asked(history)
    for answer in _answers(history):
        call, body = asked[answer["id"]], answer["body"]
        if not 200 <= answer["status"] < 300:
            continue
        if call["path"] == "/api/v1/incidents" and body["id"] not in incidents:
            found.append(f"accepted incident {body['id']} is lost")
        if call["path"] == "/intake/prom" and body["receipt"] not in receipts:
            found.append(f"accepted receipt {body['receipt']} is lost")
        if call["path"] == "/api/v1/reservations" and body["id"] not in {
            one["id"] for one in rows["reservations"]
        }:
            found.append(f"accepted reservation {body['id']} is lost")
    # A raise without a problem key makes one incident, however often it was repeated.
    plain = [one for one in asked.values() if one["path"] == "/api/v1/incidents"]
    unkeyed = sum(1 for one in plain if "dedup_key" not in one["body"])
    made = sum(1 for one in rows["incidents"] if one["source"] is None and one["dedup_key"] is None)
    if made > unkeyed:
        found.append(f"{unkeyed} raises made {made} incidents")
    wanted = sum(1 for one in asked.values() if one["path"] == "/api/v1/reservations")
    if (by_hand := sum(1 for one in rows["reservations"] if one["key"].startswith("hand:"))) > wanted:
        found.append(f"{wanted} requests made {by_hand} reservations")
    updates = Counter(one["kind"] for one in rows["timeline"])["update.posted"]
    if updates > (told := sum(1 for one in asked.values() if one["path"].endswith("/updates"))):
        found.append(f"{told} status updates were written down {updates} times")
    return found


def judged_once(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """Each signal that was taken in has its verdict."""
    verdicts = Counter(one["receipt_id"] for one in rows["verdicts"])
    return [
        f"receipt {one['id']} has {verdicts[one['id']]} verdicts for {len(one['signals'])} signals"
        for one in rows["receipts"]
        if one["state"] == "understood" and verdicts[one["id"]] != len(one["signals"])
    ]


def sent_or_shown(history: Sequence[Noted], rows: Rows) -> list[str]:
    """Every delivery was handed over, or dropped or given up with its reason; what is called sent was sent."""
    taken = {one["key"] for one in history if one["what"] == "send" and one["outcome"] == "taken"}
    found = []
    dead = {one["payload"].get("delivery_id") for one in rows["outbox"] if one["topic"] == "delivery.dead"}
    rounds = {one["id"]: one["state"] for one in rows["rounds"]}
    followed = Counter((one["notice_id"], one["person_id"]) for one in rows["deliveries"])
    for one in rows["deliveries"]:
        if one["state"] == "sent" and one["id"] not in taken:
            found.append(f"delivery {one['id']} is called sent and nobody got it")
        if one["state"] in ("dropped", "failed") and not one["reason"]:
            found.append(f"delivery {one['id']} was {one['state']} without a reason")
        unseen = one["state"] == "failed" and one["id"] not in dead and one["round_id"] is None
        if unseen and followed[one["notice_id"], one["person_id"]] < 2:
            found.append(f"delivery {one['id']} is dead and not shown")
        if one["state"] in ("pending", "sending") and rounds.get(one["round_id"]) != "calling":
            found.append(f"delivery {one['id']} is left {one['state']}")
    if unknown := {one["key"] for one in history if one["what"] == "send"} - {
        one["id"] for one in rows["deliveries"]
    }:
        found.append(f"sent without a row: {sorted(unknown)}")
    return found


def fenced(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """What the last sender wrote down stands: one that had lost its lease has not written over it."""
    last = {one["delivery_id"]: one for one in sorted(rows["attempts"], key=lambda row: row["number"])}
    return [
        f"delivery {one['id']} is {one['state']} and its last attempt was sent"
        for one in rows["deliveries"]
        if one["id"] in last
        and last[one["id"]]["outcome"] == "sent"
        and one["state"] in ("failed", "pending")
    ]


def everything_followed(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """Each round told somebody or says why not, and each open incident was called about."""
    told = {one["round_id"] for one in rows["deliveries"]}
    found = [
        f"round {one['id']} reached nobody and has no delivery"
        for one in rows["rounds"]
        if one["state"] == "calling" and one["id"] not in told and one["hop"] > 0
    ]
    called = {one["ref"] for one in rows["rounds"]}
    found += [
        f"nobody was called about {one['number']}"
        for one in rows["incidents"]
        if one["id"] not in called and one["state"] == State.DETECTED and one["acknowledged_at"] is None
    ]
    ran = {one["ref"] for one in rows["runs"]}
    found += [
        f"{one['number']} was activated and its plan never started"
        for one in rows["incidents"]
        if one["activated_at"] and State(one["state"]) in OPEN_STATES and one["id"] not in ran
    ]
    return found


def few_copies(history: Sequence[Noted], _rows: Rows) -> list[str]:
    """Copies that were taken: one, and one more for each kill. All bear one key: it is what they are counted by."""
    found = []
    crashes: Counter[str] = Counter()
    sends: Counter[str] = Counter()
    open_: set[str] = set()
    frozen = False
    for one in history:
        if one["what"] in ("send", "call"):
            if one["outcome"] == "taken":
                sends[one["key"]] += 1
            open_.add(one["key"])
            crashes[one["key"]] += frozen  # its first sender is held up and may go on afterwards
        elif one["what"] in ("frozen", "thawed"):
            frozen = one["what"] == "frozen"
        elif one["what"] == "killed":
            for key in open_:
                crashes[key] += 1
    for key, number in sends.items():
        if number > 1 + crashes[key]:
            found.append(f"{key} was taken {number} times with {crashes[key]} kills since it was first sent")
    return found


def only_legal_paths(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """Each step of each timeline is in the table of transitions, and begins where the last one ended."""
    found = []
    for incident_id, chain in _chains(rows).items():
        state: State | None = None
        for entry in chain:
            if "to" not in entry["data"]:
                continue
            before, to = entry["data"].get("from"), State(entry["data"]["to"])
            if before is not None:
                step = TRANSITIONS.get((State(before), Event(entry["data"]["event"])))
                if State(before) is not state or step is None or step.to is not to:
                    found.append(f"{incident_id} went from {state} to {to} by {entry['data'].get('event')}")
            elif state is not None:
                found.append(f"{incident_id} began twice")
            state = to
    return found


def record_holds(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """Gapless, sealed, and the state is what the timeline tells."""
    found = []
    chains = _chains(rows)
    for one in rows["incidents"]:
        chain = [TimelineEntry(**entry) for entry in chains.get(one["id"], [])]
        if (at := timeline.first_break(chain)) is not None:
            found.append(f"the chain of {one['number']} breaks at {at}")
        if len(chain) != one["last_seq"] or (chain and chain[-1].hash != one["last_hash"]):
            found.append(f"{one['number']} counts {one['last_seq']} entries and has {len(chain)}")
        if timeline.fold(chain) != one["state"]:
            found.append(f"{one['number']} is {one['state']}, its timeline says {timeline.fold(chain)}")
    return found


def silent_after_answer(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """Once a round is answered or over, nothing of it is created, and none is started a second later."""
    ended = {one["id"]: one["ended_at"] for one in rows["rounds"] if one["state"] != "calling"}
    attempts: Mapping[str, list[datetime]] = defaultdict(list)
    for one in rows["attempts"]:
        attempts[one["delivery_id"]].append(one["started_at"])
    found = []
    for one in rows["deliveries"]:
        if (end := ended.get(one["round_id"])) is None:
            continue
        if one["created_at"] > end:
            found.append(f"delivery {one['id']} was created after the answer")
        found += [
            f"delivery {one['id']} was started after the answer"
            for at in attempts[one["id"]]
            if at > end + _GRACE
        ]
    return found


def never_oversold(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """What is held is what the reservations hold, never more than there is, and nothing for an incident that ended."""
    found = []
    over = {one["id"]: one["number"] for one in rows["incidents"] if State(one["state"]) not in OPEN_STATES}
    refs = {one["id"]: one["ref"] for one in rows["reservations"]}
    held: Counter[str] = Counter()
    people: Counter[str] = Counter()
    for line in rows["reservation_lines"]:
        if not line["held"]:
            continue
        held[line["unit_id"]] += line["quantity"]
        people[line["person_id"] or line["unit_id"] + ":"] += bool(line["person_id"])
        if (number := over.get(refs[line["reservation_id"]])) is not None:
            found.append(f"{number} has ended and still holds {line['unit_id']}")
    for unit in rows["units"]:
        if unit["held"] > unit["on_hand"] or held[unit["id"]] > unit["on_hand"]:
            found.append(f"{unit['pool_id']}/{unit['name']} is oversold")
        if unit["held"] != held[unit["id"]]:
            found.append(f"{unit['pool_id']}/{unit['name']} says {unit['held']} held, {held[unit['id']]} are")
    found += [f"{person} is in {number} places" for person, number in people.items() if number > 1]
    return found


def one_winner(history: Sequence[Noted], _rows: Rows) -> list[str]:
    """Of all commands on one version of one incident, at most one was accepted."""
    asked, won = _asked(history), defaultdict(set)
    for answer in _answers(history):
        call = asked[answer["id"]]
        if 200 <= answer["status"] < 300 and (version := call["headers"].get("If-Match")):
            won[call["path"], version].add(call["id"])
    return [
        f"{path} at {version}: {sorted(calls)} all won" for (path, version), calls in won.items() if len(calls) > 1
    ]  # fmt: skip


def nothing_stuck(history: Sequence[Noted], rows: Rows) -> list[str]:
    """After a while without faults nothing is left to do, and nothing was set aside."""
    end = max((datetime.fromisoformat(one["at"]) for one in history if one["what"] == "ended"), default=None)
    if end is None:
        return ["the run did not come to its end"]
    found = [f"{one['why']}" for one in history if one["what"] == "stuck"]
    found += [f"message {one['id']} ({one['topic']}) is {one['state']}: {one['last_error']}" for one in rows["outbox"]
              if one["state"] == "parked" or (one["state"] == "pending" and one["not_before"] <= end)]  # fmt: skip
    found += [f"timer {one['key']} is overdue" for one in rows["timers"]
              if one["state"] == "armed" and one["due_at"] <= end]  # fmt: skip
    found += [f"step {one['name']} of {one['ref']} is {one['state']}" for one in rows["steps"]
              if one["state"] in ("queued", "doing") and one["not_before"] <= end]  # fmt: skip
    return found


def fired_once(_history: Sequence[Noted], rows: Rows) -> list[str]:
    """Each timer that fired left one message, and each call of a chain tells each rung once."""
    found = []
    keys = Counter(one["key"] for one in rows["timers"])
    found += [f"timer {key} stands {number} times" for key, number in keys.items() if number > 1]
    fired = Counter(
        (one["topic"], one["ref"], _plain(one["payload"])) for one in rows["timers"] if one["state"] == "fired"
    )  # fmt: skip
    timed = {one["topic"] for one in rows["timers"]}
    told = Counter(
        (one["topic"], one["ref"], _plain(one["payload"])) for one in rows["outbox"] if one["topic"] in timed
    )
    found += [f"{what} fired {fired[what]} times and was told {number} times" for what, number in told.items()
              if what in fired and number != fired[what]]  # fmt: skip
    found += [f"{what} fired and was told to nobody" for what in fired if what not in told]
    return found


def no_refusal_without_cause(history: Sequence[Noted], _rows: Rows) -> list[str]:
    """The service may say no; it never breaks."""
    return [f"{one['id']} was answered {one['status']}" for one in _answers(history) if one["status"] >= 500]


CHECKERS: Final[Sequence[Checker]] = (
    accepted_once, judged_once, sent_or_shown, fenced, everything_followed, few_copies, only_legal_paths, record_holds,
    silent_after_answer, never_oversold, one_winner, nothing_stuck, fired_once, no_refusal_without_cause,
)  # fmt: skip


def check(history: Sequence[Noted], rows: Rows) -> dict[str, list[str]]:
    """What each checker found, those that found nothing left out."""
    return {checker.__name__: found for checker in CHECKERS if (found := checker(history, rows))}


def told_of(rows: Rows) -> list[Any]:
    """A run folded to what does not depend on ids or on the order within one moment: equal on both databases."""
    chains = _chains(rows)
    folded: list[Any] = []
    for one in sorted(rows["incidents"], key=lambda row: row["number"]):
        entries = [
            [entry["kind"], entry["data"].get("to"), entry["data"].get("level")] for entry in chains[one["id"]]
        ]  # fmt: skip
        told = sorted(
            [row["position"], row["person_name"], row["channel"], row["state"]]
            for row in rows["deliveries"] if row["ref"] == one["id"]
        )  # fmt: skip
        folded.append(
            [one["number"], one["type"], one["state"], one["level"], one["occurrence"], entries, told]
        )
    held = sorted(
        [row["pool_id"], row["name"], row["held"]] for row in rows["units"] if row["person_id"] is None
    )
    verdicts = sorted(Counter(row["outcome"] for row in rows["verdicts"]).items())
    return [folded, held, [list(one) for one in verdicts]]


def _asked(history: Sequence[Noted]) -> Mapping[str, Noted]:
    return {one["id"]: one for one in history if one["what"] == "asked"}


def _answers(history: Sequence[Noted]) -> list[Noted]:
    return [one for one in history if one["what"] == "answered"]


def _chains(rows: Rows) -> Mapping[str, list[dict[str, Any]]]:
    chains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in rows["timeline"]:
        chains[entry["incident_id"]].append(entry)
    return chains


def _plain(payload: Mapping[str, Any]) -> str:
    return repr(sorted(payload.items(), key=lambda pair: pair[0]))
