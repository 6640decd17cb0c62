"""The flow, as an adapter's author meets it."""

from dataclasses import dataclass, field

import pytest
from stories import answered, asks, elapsed, notified, told, unknown

from punchdown_adapter import (
    AS_BEFORE,
    Applied,
    Diverged,
    Fault,
    Finish,
    Flow,
    Notified,
    Park,
    Request,
    Status,
    Stop,
    Trouble,
    Unknown,
    Wait,
    Waiting,
)


def create(flow: Flow) -> None:
    """Creates, looks when nobody knows, waits for the word of the system."""
    flow.applied({"asked": True})
    match flow.act("create", Request.post("/things")):
        case Unknown():
            flow.ask("find", Request.get("/things"))
    flow.key("thing-1")
    flow.report(Status.IN_PROGRESS)
    if flow.wait(Wait(30, gives_way=True)) != Notified("done"):
        flow.wait_on(Wait(60))
    assert flow.now() == "2026-01-31T08:00:20Z"
    assert flow.age().total_seconds() == 20
    flow.report_for("PCRF", Status.OK, "as wanted")
    flow.nothing_applied()


def test_code_that_is_run_again_goes_on_where_it_was() -> None:
    progress = told(create)
    assert asks(progress) == ("create", "at-most-once")
    assert progress.applied == {"asked": True}

    progress = told(create, unknown("create"))
    assert asks(progress) == ("find", "repeatable")
    assert progress.applied is AS_BEFORE, "what was said before went with what was sent before"

    progress = told(create, unknown("create"), answered("find"))
    assert progress.decision == Waiting(30, forget=False, gives_way=True)
    assert progress.keys == ["thing-1"]
    assert len(progress.reports) == 1

    progress = told(create, unknown("create"), answered("find"), notified("done"))
    assert progress.decision == Finish()
    assert progress.applied is None
    assert progress.reports[0].group == "PCRF"
    assert progress.keys == []


@pytest.mark.parametrize("nothing_new", [elapsed(), notified("still at it")])
def test_a_wait_without_news_is_forgotten(nothing_new) -> None:
    progress = told(create, answered("create"), nothing_new)
    assert progress.decision == Waiting(60, forget=True, gives_way=False)


def deaf(flow: Flow) -> None:
    """Takes no stop for an answer."""
    for label in ["first", "second"]:
        flow.applied(label)
        try:
            flow.ask(label, Request.get("/"))
        except:  # noqa: E722
            pass
    try:
        flow.park("deaf", "never heard")
    except BaseException:
        pass


def test_a_stop_that_was_held_up_stops_all_the_same() -> None:
    progress = told(deaf)
    assert asks(progress) == ("first", "repeatable")
    assert progress.applied == "first"
    assert asks(told(deaf, answered("first"))) == ("second", "repeatable")

    def chatty(flow: Flow) -> None:
        deaf(flow)
        flow.report(Status.FAILED)
        flow.key("late")

    progress = told(chatty)
    assert (progress.reports, progress.keys) == ([], []), "what is said after a stop is not heard"
    progress = told(deaf, answered("first"), answered("second"))
    assert progress.decision == Park(Trouble("deaf", "never heard"))


def test_every_later_call_raises_the_same_stop() -> None:
    heard = []

    def tell(flow: Flow) -> None:
        calls = [
            lambda: flow.ask("first", Request.get("/")),
            lambda: flow.act("other", Request.post("/")),
            lambda: flow.wait(Wait()),
            lambda: flow.again("a", "b"),
        ]
        for call in calls:
            with pytest.raises(Stop) as stop:
                call()
            heard.append(stop.value)

    assert asks(told(tell)) == ("first", "repeatable")
    assert len(heard) == 4
    assert all(stop is heard[0] for stop in heard)


def test_a_handler_for_exceptions_does_not_hold_up_a_stop() -> None:
    def tell(flow: Flow) -> None:
        try:
            flow.ask("first", Request.get("/"))
        except Exception:
            flow.park("never", "comes here")

    assert asks(told(tell)) == ("first", "repeatable")


def test_an_exception_of_the_authors_is_never_an_answer() -> None:
    def tell(flow: Flow) -> None:
        raise KeyError("missing")

    with pytest.raises(KeyError):
        told(tell)


def test_a_stop_of_another_flow_is_a_fault() -> None:
    def tell(flow: Flow) -> None:
        raise Stop

    with pytest.raises(Fault, match="of another flow"):
        told(tell)


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ([answered("remove")], 'has "remove" where the flow sends "create"'),
        ([elapsed()], 'has a wait that elapsed where the flow sends "create"'),
        ([answered("create"), answered("create")], 'has "create" where the flow waits'),
        (
            [answered("create"), notified("done"), notified("done")],
            "has a notification where the flow finishes",
        ),
        ([answered("create"), elapsed(), elapsed()], "has a wait that elapsed where the flow waits on"),
        ([unknown("create"), unknown("find")], 'has "find" unanswered where the flow asks for it'),
    ],
)
def test_another_way_than_the_history_is_a_divergence(history, says) -> None:
    with pytest.raises(Diverged, match="diverged: the history " + says):
        told(create, *history)


def test_a_divergence_that_was_held_up_is_one_still() -> None:
    with pytest.raises(Diverged, match='has "other" where the flow sends "first"'):
        told(deaf, answered("other"))


def test_what_must_not_be_sent_twice_is_not_forgotten() -> None:
    def forgetful(flow: Flow) -> None:
        flow.wait(Wait())
        flow.act("create", Request.post("/things"))
        flow.wait_on(Wait())

    with pytest.raises(Fault, match="cannot be forgotten"):
        told(forgetful, elapsed(), answered("create"))


def test_a_message_is_cut_at_what_portabilling_takes() -> None:
    progress = told(lambda flow: flow.report(Status.FAILED, "ä" * 5_000))
    assert len(progress.reports[0].message) == 4_000


def test_what_was_said_is_not_changed_any_more() -> None:
    def tell(flow: Flow) -> None:
        line = {"ports": [1]}
        flow.applied(line)
        line["ports"].append(2)
        flow.ask("first", Request.get("/"))

    assert told(tell).applied == {"ports": [1]}
    with pytest.raises(TypeError, match="not JSON serializable"):
        told(lambda flow: flow.applied({1, 2}))


@dataclass
class Line:
    number: str
    ports: list[int] = field(default_factory=list)


@dataclass
class Stands:
    line: Line | None = None
    note: str | None = None


def test_what_stands_is_said_when_it_is_news() -> None:
    def tell(flow: Flow) -> None:
        applied = Applied.of(Stands, {"line": {"number": "7", "ports": [1]}})
        applied.say(flow)
        flow.ask("first", Request.get("/"))
        applied.stands.line.ports.append(2)
        applied.say(flow)
        applied.stands.note = "never said"
        flow.ask("second", Request.get("/"))
        applied.stands.line = applied.stands.note = None
        applied.say(flow)

    assert told(tell).applied is AS_BEFORE
    assert told(tell, answered("first")).applied == {"line": {"number": "7", "ports": [1, 2]}, "note": None}
    assert told(tell, answered("first"), answered("second")).applied is None


def test_what_stands_is_read_as_it_was_stored() -> None:
    assert Applied.of(Stands, None).stands == Stands()
    assert Applied.of(dict, {"a": 1}).stands == {"a": 1}
    assert Applied.of(Stands, {"line": {"number": "7"}, "more": 1}).stands == Stands(Line("7"))
    bad_lines = [{}, {"number": 7}, {"number": "7", "ports": ["1"]}]
    for wrong in [[], "x", {"note": True}, *({"line": line} for line in bad_lines)]:
        with pytest.raises(ValueError):
            Applied.of(Stands, wrong)
