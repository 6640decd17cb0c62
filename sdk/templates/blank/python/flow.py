"""The life of an operation: find what stands, then make, change or remove it."""

from __future__ import annotations

from dataclasses import dataclass

import wire
from config import BadConfig, Config, product_of
from punchdown_adapter import (
    Answered,
    Flow,
    Operation,
    Response,
    Status,
    Subscriber,
    Wait,
    Wanted,
    text_member,
)
from wire import Call, Done, Refusal, Unclear

# How often a service is asked for while nobody can say whether it was made.
_TRIES_MAX = 4
# What was asked for and is not there yet may still be under way.
_UNDER_WAY_SECONDS = 60

# A fault that is the answer to a question.
_NOT_FOUND = "Client.NotFound"
# Somebody has made it already; perhaps we, and its answer was lost.
_EXISTS = "Client.Exists"


@dataclass(frozen=True)
class Service:
    """What the system is to have."""

    number: str
    profile: str
    state: str


def provision(flow: Flow, operation: Operation) -> None:
    try:
        config = Config.read(operation.config)
    except BadConfig:
        flow.park("configuration", "it is not as it was checked")
    number = text_member(operation.applied, "number")
    known = text_member(operation.applied, "id")
    # It was asked for, and nobody knows what became of that: what it was asked for under is known.
    if known is None and number is not None:
        known = _look(flow, config, number)
    if operation.wanted is Wanted.GONE:
        _remove(flow, config, known)
    elif operation.subscriber is None:
        flow.park("subscriber", "there is no subscriber")
    else:
        _keep(flow, config, operation.wanted, operation.subscriber, known)


def _keep(flow: Flow, config: Config, wanted: Wanted, subscriber: Subscriber, known: str | None) -> None:
    profile = config.profile_of(subscriber)
    if profile is None:
        flow.park("profile-unknown", f"no profile for the product `{product_of(subscriber)}`")
    # The part of the account ID that the system knows.
    number = subscriber.account_id.split("@")[0]
    state = "active" if wanted is Wanted.RUNNING else "suspended"
    service = Service(number, profile, state)
    found = known if known is not None else _look(flow, config, number)
    if found is not None:
        made = _change(flow, config, found, service)
    else:
        made = _add(flow, config, service)
    if made is not None:
        flow.applied({"id": made, "number": number})
        flow.report(Status.OK)


def _look(flow: Flow, config: Config, number: str) -> str | None:
    """The id of the service of that number, where there is one."""
    response = flow.ask("look", Call.new("GetService", number=number).request(config))
    match _judged(flow, response):
        case Done() as done:
            return done.text("id")
        case Refusal(code) if code == _NOT_FOUND:
            return None
        case Refusal(code, why):
            flow.again(code, why)


def _add(flow: Flow, config: Config, service: Service) -> str | None:
    """The id of what was made. `None`: it is refused, and that is reported."""
    call = Call.new("AddService", number=service.number, profile=service.profile, state=service.state)
    for _ in range(_TRIES_MAX):
        # Before it is asked for: its answer may be lost.
        flow.applied({"number": service.number})
        match flow.act("add", call.request(config)):
            case Answered(response):
                made = _made(flow, response)
                if isinstance(made, Refusal):
                    _refuse(flow, made.why)
                    return None
                if made is not None:
                    return made
        found = _look_twice(flow, config, service.number)
        if found is not None:
            return _change(flow, config, found, service)
    flow.park("unanswered", "nobody can say whether the service was made")


def _made(flow: Flow, response: Response) -> str | Refusal | None:
    """What an answer says of a service that was asked for. `None`: nobody knows.

    Whoever speaks for the system, a proxy for one, knows nothing of what it did: that is as good as
    no answer.
    """
    if isinstance(wire.read(response), Unclear):
        return None
    match _judged(flow, response):
        case Done() as done:
            return done.text("id")
        case Refusal(code) if code == _EXISTS:
            return None
        case Refusal() as refusal:
            return refusal


def _look_twice(flow: Flow, config: Config, number: str) -> str | None:
    """What is not there at once may come yet."""
    found = _look(flow, config, number)
    if found is not None:
        return found
    flow.wait(Wait(_UNDER_WAY_SECONDS))
    return _look(flow, config, number)


def _change(flow: Flow, config: Config, known: str, service: Service) -> str | None:
    flow.applied({"id": known, "number": service.number})
    call = Call.new(
        "ChangeService", id=known, number=service.number, profile=service.profile, state=service.state
    )
    response = flow.ask("change", call.request(config))
    match _judged(flow, response):
        case Done():
            return known
        case Refusal(code) if code == _NOT_FOUND:
            # Somebody has removed it by hand, and may have made another one.
            other = _look(flow, config, service.number)
            if other is not None and other != known:
                return _change(flow, config, other, service)
            return _add(flow, config, service)
        case Refusal(_, why):
            _refuse(flow, why)
            return None


def _remove(flow: Flow, config: Config, known: str | None) -> None:
    if known is not None:
        response = flow.ask("remove", Call.new("RemoveService", id=known).request(config))
        match _judged(flow, response):
            case Refusal(code, why) if code != _NOT_FOUND:
                _refuse(flow, why)
                return
    flow.nothing_applied()
    flow.report(Status.OK)


def _refuse(flow: Flow, why: str) -> None:
    flow.report(Status.FAILED, why)


def _judged(flow: Flow, response: Response) -> Done | Refusal:
    """What the system did, or the fault that it named. What says nothing of the request is asked again."""
    match wire.read(response):
        case Refusal("Client.Session", why):
            flow.renew("session-ended", why)
        case Refusal("Server.Busy", why):
            flow.again("busy", why)
        case Unclear(why):
            flow.again("unclear", why)
        case judged:
            return judged
