"""Straight-line code that is re-run: the way a flow of many steps reads like one of none.

Every question runs an adapter's code from its first line. What has happened already is answered
from the history; at the first thing that has not, the code is stopped, and that thing is the
decision. Nothing here does anything: the host does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, NoReturn

from . import instant, jsontext
from .http import Delivery, Request, Response
from .types import (
    AS_BEFORE,
    Again,
    Answered,
    Decision,
    Elapsed,
    Entry,
    Exchanged,
    Finish,
    Ignore,
    Notified,
    Operation,
    Outcome,
    Park,
    Progress,
    Renew,
    Report,
    Send,
    Status,
    Trouble,
    Waiting,
)

# As many characters as a report may have.
_MESSAGE_CHARS_MAX = 4_000


class Stop(BaseException):
    """The code has said what comes next and is not to go on: let it pass.

    It is no `Exception`, so that `except Exception` does not hold it up. Whoever holds it up all the
    same gets it again from every later call, so nothing is sent twice.
    """


class Fault(BaseException):
    """The adapter breaks a rule of the flow. Nothing it says after that counts: the host parks."""


class Diverged(Fault):
    """The code took another way than the run before it: never a silent second send."""


@dataclass(frozen=True)
class Wait:
    """How long to wait, and whether a newer operation may take this one's place meanwhile."""

    seconds: int | None = None
    """So many at most. `None`: until a notification comes, or the group's deadline."""
    gives_way: bool = False
    """A newer operation that wants another state of the service may take this one's place. Only
    when what was said to be applied tells it all."""


@dataclass
class _Said:
    """What goes with the decision that is being formed."""

    reports: list[Report] = field(default_factory=list)
    applied: Any = AS_BEFORE
    keys: list[str] = field(default_factory=list)


class Flow:
    """One run of an adapter's code over all that has happened to an operation.

    What is said beside the decision (reports, what is applied, keys) belongs to the next decision,
    and goes with it: say it before the call that it belongs to.

    `ask`, `act` and `wait` raise `Stop` while their answer is not there; `wait_on`, `again`, `renew`,
    `park` and `ignore` always do. All raise `Diverged` when the history has something else.
    """

    def __init__(self, operation: Operation, history: Sequence[Entry]) -> None:
        self._operation = operation
        self._ahead = Ahead(history)
        self._now = operation.began
        self._acted_since_wait = False
        self._said = _Said()
        self._progress: Progress | None = None

    def ask(self, label: str, request: Request) -> Response:
        """Sends a request that does twice what it does once.

        The host repeats it until it is answered, so there always is an answer; whether that means
        success is yours to say.
        """
        outcome = self._exchange(label, Delivery.REPEATABLE, request)
        return self._ahead.answer(label, outcome)

    def act(self, label: str, request: Request) -> Outcome:
        """Sends a request that must not arrive twice: `Answered`, or `Unknown`, which wants a look."""
        outcome = self._exchange(label, Delivery.AT_MOST_ONCE, request)
        self._acted_since_wait = True
        return outcome

    def wait(self, wait: Wait) -> Notified | Elapsed:
        """Sleeps until a notification or the time comes."""
        entry = self._next_entry()
        if entry is None:
            self._stop(Waiting(wait.seconds, False, wait.gives_way))
        self._acted_since_wait = False
        if isinstance(entry.what, Exchanged):
            self._ahead.diverged(entry, "waits")
        return entry.what

    def wait_on(self, wait: Wait) -> NoReturn:
        """Sleeps on: the last wait brought no news, and neither did anything since.

        All of that is struck from the history. The code will come to the last wait again, not to here.
        """
        if self._acted_since_wait:
            self._ahead.broken(Fault("a request that must not be sent twice cannot be forgotten"))
        self._stop(Waiting(wait.seconds, True, wait.gives_way))

    def again(self, code: str, message: str) -> NoReturn:
        """The answer changed nothing and may be another one later.

        The host strikes it and sends the same request again on the group's schedule.
        """
        self._stop(Again(Trouble(code, message)))

    def renew(self, code: str, message: str) -> NoReturn:
        """As `again`, but at once and with a new session."""
        self._stop(Renew(Trouble(code, message)))

    def park(self, code: str, message: str) -> NoReturn:
        """It cannot go on without a person, or without newer data from PortaBilling."""
        self._stop(Park(Trouble(code, message)))

    def ignore(self, why: str) -> NoReturn:
        """The event is none of this group's business. Only before anything was sent."""
        self._stop(Ignore(why))

    def report(self, status: Status, message: str | None = None) -> None:
        """Reports a status of the account in the operation's own group.

        A message is cut at 4000 characters.
        """
        self._say_report(None, status, message)

    def report_for(self, group: str, status: Status, message: str | None = None) -> None:
        """Reports a status of the account in another group."""
        self._say_report(group, status, message)

    def applied(self, applied: Any) -> None:
        """Says what now stands, or by the next decision may come to stand, in the external system."""
        # A copy, and as JSON: the author may go on with what was given.
        self._said.applied = jsontext.read(jsontext.write(applied))

    def nothing_applied(self) -> None:
        """Says that nothing stands there for this account."""
        self.applied(None)

    def key(self, key: str) -> None:
        """Names a key by which notifications find this operation from now on."""
        self._said.keys.append(key)

    def now(self) -> str:
        """The time of the last thing that happened, or of the operation's beginning.

        RFC 3339 in UTC, and the same at every re-run.
        """
        return self._now

    def age(self) -> timedelta:
        """How old the operation is by `now`."""
        return instant.between(self._operation.began, self._now)

    def run(self, code: Callable[[], object]) -> Progress:
        """What the code comes to. A run that was not stopped has finished. For the SDK alone."""
        self._ahead.run(code)
        return self._progress or self._decided(Finish())

    def _say_report(self, group: str | None, status: Status, message: str | None) -> None:
        message = None if message is None else message[:_MESSAGE_CHARS_MAX]
        self._said.reports.append(Report(status, message, group))

    def _exchange(self, label: str, delivery: Delivery, request: Request) -> Outcome:
        entry = self._next_entry()
        if entry is None:
            self._stop(Send(replace(request, label=label, delivery=delivery)))
        return self._ahead.exchanged(entry, label)

    def _next_entry(self) -> Entry | None:
        """The next thing that has happened. What was said before it went with the decision that led
        there."""
        entry = self._ahead.next()
        if entry is not None:
            self._now = entry.at
            self._said = _Said()
        return entry

    def _stop(self, decision: Decision) -> NoReturn:
        """Takes the first decision; any later one comes from code that did not hear it."""
        self._ahead.go_on()
        self._progress = self._decided(decision)
        self._ahead.stop()

    def _decided(self, decision: Decision) -> Progress:
        self._ahead.end(_DOING[type(decision)])
        # What is said from here on comes from code that did not hear it.
        said, self._said = self._said, _Said()
        return Progress(decision, said.reports, said.applied, said.keys)


class Ahead:
    """What a run has not come to yet of its history, and what ended the run. For the SDK alone."""

    def __init__(self, history: Sequence[Entry]) -> None:
        self._entries = iter(history)
        self._ended_by: BaseException | None = None

    def go_on(self) -> None:
        """Raises again what has ended this run already: somebody held it up."""
        if self._ended_by is not None:
            raise self._ended_by

    def next(self) -> Entry | None:
        """The next entry; `None` at the end."""
        self.go_on()
        return next(self._entries, None)

    def stop(self) -> NoReturn:
        """Ends the run well."""
        self._ended_by = Stop()
        raise self._ended_by

    def broken(self, fault: Fault) -> NoReturn:
        """Ends the run badly."""
        self._ended_by = fault
        raise fault

    def end(self, doing: str) -> None:
        """Sees to it that nothing is left where the flow comes to an end."""
        entry = next(self._entries, None)
        if entry is not None:
            self.diverged(entry, doing)

    def exchanged(self, entry: Entry, label: str) -> Outcome:
        """What became of the request with that label, which is what the entry must tell."""
        if isinstance(entry.what, Exchanged) and entry.what.label == label:
            return entry.what.outcome
        self.diverged(entry, f'sends "{label}"')

    def answer(self, label: str, outcome: Outcome) -> Response:
        """The answer to a request that the host repeats until there is one."""
        if isinstance(outcome, Answered):
            return outcome.response
        self.broken(Diverged(f'diverged: the history has "{label}" unanswered where the flow asks for it'))

    def diverged(self, entry: Entry, doing: str) -> NoReturn:
        """Ends a run that took another way than the one before it."""
        match entry.what:
            case Exchanged(label, _):
                has = f'"{label}"'
            case Notified():
                has = "a notification"
            case Elapsed():
                has = "a wait that elapsed"
        self.broken(Diverged(f"diverged: the history has {has} where the flow {doing}"))

    def run(self, code: Callable[[], Any]) -> Any:
        """Runs an author's code until it ends or is stopped; a fault that it held up is one still."""
        returned = None
        try:
            returned = code()
        except Stop as stop:
            if stop is not self._ended_by:
                self.broken(Fault("a stop of another flow was handed up"))
        if isinstance(self._ended_by, Fault):
            raise self._ended_by
        return returned


_DOING: dict[type, str] = {
    Send: "sends",
    Again: "says again",
    Renew: "renews",
    Waiting: "waits on",
    Finish: "finishes",
    Ignore: "ignores",
    Park: "parks",
}
