"""An adapter as the component that the host loads.

componentize-py wants classes of certain names in the author's module, and generates `wit_world`, whose
types are the contract's own. All that is here turns those into the SDK's, and back. Natively there is
no `wit_world`, and `export` does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from . import adapter as asked
from . import jsontext, log_lines, written
from .adapter import Adapter, LogIn, Register
from .http import Body, Header, Request, Response
from .last_words import last_words
from .notices import AccountId, Correlation, IAccount, Key, Notification, Reading, Signal
from .types import (
    AS_BEFORE,
    Again,
    Answered,
    Decision,
    Description,
    Elapsed,
    Entry,
    Event,
    Exchanged,
    Fail,
    Finish,
    Happening,
    Ignore,
    Move,
    Notified,
    Operation,
    Outcome,
    Park,
    Problem,
    Progress,
    Ready,
    Renew,
    Report,
    Send,
    Standing,
    Subscriber,
    Trouble,
    Unknown,
    Waiting,
    Wanted,
)

T = TypeVar("T")

# What Python itself loads only when it is used: a component takes what is loaded when it is made.
_LATE = [
    "_strptime",
    "encodings.cp1252",
    "encodings.iso8859_15",
    "encodings.utf_8_sig",
]


def export(adapter: type[Adapter]) -> None:
    """Exports an adapter as the component's own, with its `LogIn` and its `Register`, if it has them.

    To be called once, at the end of the module that is made a component.
    """
    if find_spec("wit_world") is None:
        return
    for late in _LATE:
        import_module(late)
    words = import_module("wit_world.imports.types")
    host = import_module("wit_world.imports.log")
    log_lines.write_with(lambda level, message: host.write(host.Level[level.name], message))
    module = sys._getframe(1).f_globals
    module["ExternalSystem"] = _external_system(adapter, words)
    if _has(adapter, LogIn, "Session") and issubclass(adapter, LogIn):
        module["Session"] = _session(adapter, words)
    if _has(adapter, Register, "Registration") and issubclass(adapter, Register):
        module["Registration"] = _registration(adapter, words)


def _has(adapter: type[Adapter], interface: type, exported: str) -> bool:
    """Whether an adapter has an optional interface; it must when its project says so, and only then."""
    has = issubclass(adapter, interface)
    said = hasattr(import_module("wit_world.exports"), exported)
    if has == said:
        return has
    name, word = adapter.__name__, exported.lower()
    if has:
        raise TypeError(f"{name} is a {interface.__name__}: name `{word}` in `interfaces` of pyproject.toml")
    raise TypeError(f"`interfaces` of pyproject.toml names `{word}`, and {name} is no {interface.__name__}")


def _external_system(adapter: type[Adapter], words: Any) -> type:
    given, answer = _Given(words), _Answer(words)

    class ExternalSystem:
        def describe(self) -> Any:
            return _answered(Description, answer.description, lambda: adapter().describe())

        def check_config(self, config: str) -> Any:
            def ask() -> list[Problem]:
                return adapter().check_config(jsontext.read(config))

            return _answered(list[Problem], answer.problems, ask)

        def provision(self, operation: Any, history: list[Any]) -> Any:
            def ask() -> Progress:
                return asked.provision(adapter, given.operation(operation), given.history(history))

            return _answered(Progress, answer.progress, ask)

        def read_notification(self, config: str, notification: Any) -> Any:
            def ask() -> Reading:
                return adapter().read_notification(jsontext.read(config), given.notification(notification))

            return _answered(Reading, answer.reading, ask)

    return ExternalSystem


def _session(adapter: type[LogIn], words: Any) -> type:
    given, answer = _Given(words), _Answer(words)

    class Session:
        def log_in(self, config: str, history: list[Any]) -> Any:
            def ask() -> Move:
                return asked.log_in(adapter, jsontext.read(config), given.history(history))

            return _answered(Move, answer.move, ask)

    return Session


def _registration(adapter: type[Register], words: Any) -> type:
    given, answer = _Given(words), _Answer(words)

    class Registration:
        def register_at(self, config: str, address: str, standing: str | None, history: list[Any]) -> Any:
            def ask() -> Move:
                read, stands = jsontext.read(config), _optional_read(standing)
                return asked.register_at(adapter, read, address, stands, given.history(history))

            return _answered(Move, answer.move, ask)

        def unregister(self, config: str, standing: str, history: list[Any]) -> Any:
            def ask() -> Move:
                read, stands = jsontext.read(config), jsontext.read(standing)
                return asked.unregister(adapter, read, stands, given.history(history))

            return _answered(Move, answer.move, ask)

    return Registration


class Stopped(Exception):
    """The adapter has left its last words; what is left to do is to trap."""


def _answered(kind: Any, answer: Callable[[T], Any], ask: Callable[[], T]) -> Any:
    """Answers a question, or leaves last words: the trap itself says neither where nor why."""
    try:
        return answer(written.checked(kind, ask()))
    except BaseException as error:
        print(last_words(error), file=sys.stderr, flush=True)
    # The words are said: a traceback through the SDK would only hide them.
    sys.excepthook = lambda *_: None
    raise Stopped


class _Given:
    """From the component's own types to the pleasant ones."""

    def __init__(self, words: Any) -> None:
        self._words = words

    def operation(self, operation: Any) -> Operation:
        return Operation(
            id=operation.id,
            group=operation.group,
            i_account=operation.i_account,
            began=operation.began,
            event=self._event(operation.event),
            wanted=Wanted[operation.wanted.name],
            subscriber=None if operation.subscriber is None else self._subscriber(operation.subscriber),
            applied=_optional_read(operation.applied),
            config=jsontext.read(operation.config),
            notify_at=operation.notify_at,
            extras=jsontext.read(operation.extras),
        )

    def _event(self, event: Any) -> Event:
        variables, enclosed = jsontext.read(event.variables), jsontext.read(event.enclosed)
        return Event(event.id, event.name, event.received_at, variables, enclosed)

    def _subscriber(self, subscriber: Any) -> Subscriber:
        return Subscriber(
            account_id=subscriber.account_id,
            msisdn=subscriber.msisdn,
            imsi=subscriber.imsi,
            iccid=subscriber.iccid,
            documents=jsontext.read(subscriber.documents),
        )

    def history(self, history: list[Any]) -> list[Entry]:
        return [Entry(entry.at, self._happening(entry.what)) for entry in history]

    def _happening(self, what: Any) -> Happening:
        if isinstance(what, self._words.Happening_Exchanged):
            return Exchanged(what.value.label, self._outcome(what.value.outcome))
        if isinstance(what, self._words.Happening_Notified):
            return Notified(jsontext.read(what.value))
        return Elapsed()

    def _outcome(self, outcome: Any) -> Outcome:
        if isinstance(outcome, self._words.Outcome_Unknown):
            return Unknown(outcome.value)
        response = outcome.value
        return Answered(Response(response.status, _headers(response.headers), self._body(response.body)))

    def _body(self, body: Any) -> Body:
        return Body(None if isinstance(body, self._words.Body_Empty) else body.value)

    def notification(self, notification: Any) -> Notification:
        return Notification(
            method=notification.method,
            path=notification.path,
            headers=_headers(notification.headers),
            body=self._body(notification.body),
            received_at=notification.received_at,
        )


def _headers(headers: list[Any]) -> list[Header]:
    return [Header(header.name, header.value) for header in headers]


class _Answer:
    """From the pleasant types to the component's own."""

    def __init__(self, words: Any) -> None:
        self._words = words

    def progress(self, progress: Progress) -> Any:
        return self._words.Progress(
            decision=self._decision(progress.decision),
            reports=[self._report(report) for report in progress.reports],
            applied=None if progress.applied is AS_BEFORE else jsontext.write(progress.applied),
            keys=list(progress.keys),
            extras=_optional_write(progress.extras),
        )

    def _decision(self, decision: Decision) -> Any:
        words = self._words
        match decision:
            case Send(request):
                return words.Decision_Send(self._request(request))
            case Again(trouble):
                return words.Decision_Again(self._trouble(trouble))
            case Renew(trouble):
                return words.Decision_Renew(self._trouble(trouble))
            case Waiting(seconds, forget, gives_way):
                return words.Decision_Wait(words.Waiting(seconds, forget, gives_way))
            case Finish():
                return words.Decision_Finish()
            case Ignore(why):
                return words.Decision_Ignore(why)
            case Park(trouble):
                return words.Decision_Park(self._trouble(trouble))

    def move(self, move: Move) -> Any:
        words = self._words
        match move:
            case Send(request):
                return words.Errand_Send(self._request(request))
            case Again(trouble):
                return words.Errand_Again(self._trouble(trouble))
            case Ready(Standing(value, seconds)):
                return words.Errand_Ready(words.Standing(jsontext.write(value), seconds))
            case Fail(trouble):
                return words.Errand_Fail(self._trouble(trouble))

    def _request(self, request: Request) -> Any:
        return self._words.Request(
            label=request.label,
            method=request.method,
            path=request.path,
            headers=self._headers(request.headers),
            body=self._body(request.body),
            delivery=self._named(self._words.Delivery, request.delivery),
            fills=[
                self._words.Fill(fill.mark, fill.source, self._named(self._words.Escape, fill.escape))
                for fill in request.fills
            ],
            extras=_optional_write(request.extras),
        )

    def _headers(self, headers: list[Header]) -> list[Any]:
        return [self._words.Header(header.name, header.value) for header in headers]

    def _body(self, body: Body) -> Any:
        if body.content is None:
            return self._words.Body_Empty()
        if isinstance(body.content, bytes):
            return self._words.Body_Bytes(body.content)
        return self._words.Body_Text(body.content)

    def _trouble(self, trouble: Trouble) -> Any:
        return self._words.Trouble(trouble.code, trouble.message)

    def _report(self, report: Report) -> Any:
        status = self._named(self._words.Status, report.status)
        return self._words.Report(report.group, status, report.message)

    def _named(self, enum: Any, member: Enum) -> Any:
        return enum[member.name]

    def reading(self, reading: Reading) -> Any:
        reply = reading.reply
        return self._words.Reading(
            reply=self._words.Response(reply.status, self._headers(reply.headers), self._body(reply.body)),
            signals=[self._signal(signal) for signal in reading.signals],
            unread=None if reading.unread is None else self._trouble(reading.unread),
        )

    def _signal(self, signal: Signal) -> Any:
        return self._words.Signal(
            id=signal.id,
            correlation=self._correlation(signal.correlation),
            payload=jsontext.write(signal.payload),
            otherwise=self._named(self._words.Otherwise, signal.otherwise),
        )

    def _correlation(self, correlation: Correlation) -> Any:
        match correlation:
            case Key(value):
                return self._words.Correlation_Key(value)
            case IAccount(value):
                return self._words.Correlation_IAccount(value)
            case AccountId(value):
                return self._words.Correlation_AccountId(value)

    def problems(self, problems: list[Problem]) -> Any:
        return [self._words.Problem(problem.at, problem.message) for problem in problems]

    def description(self, description: Description) -> Any:
        return self._words.Description(
            name=description.name,
            version=description.version,
            summary=description.summary,
            queries=list(description.queries),
            config_schema=jsontext.write(description.config_schema),
            secrets=list(description.secrets),
            secret_fields=list(description.secret_fields),
        )


def _optional_write(value: Any) -> str | None:
    return None if value is None else jsontext.write(value)


def _optional_read(text: str | None) -> Any:
    return None if text is None else jsontext.read(text)
