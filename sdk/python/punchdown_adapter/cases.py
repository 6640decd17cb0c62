"""Golden cases: files of what is given and what is expected, run against the adapter natively.

The host runs the same files against the component. A `provision` case is a life in steps: asked
with everything that was said to happen so far, the adapter must answer `expect`; `then` is what
happens next. What a decision strikes from the history is struck here too. Every question is
asked twice, because its answer must depend on nothing but the question.

    @pytest.mark.parametrize("case", cases("cases"), ids=str)
    def test_the_case_holds(case):
        hold(Line, case)
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from . import jsontext, written
from .adapter import Adapter, LogIn, Register, log_in, provision, register_at, unregister
from .flow import Fault
from .notices import Notification, Reading
from .types import (
    Again,
    Decision,
    Entry,
    Exchanged,
    Move,
    Operation,
    Problem,
    Progress,
    Renew,
    Send,
    Unknown,
    Waiting,
)

_MEMBERS = {
    "provision": ({"operation", "steps"}, set()),
    "read-notification": ({"config", "notification", "expect"}, set()),
    "check-config": ({"config", "expect"}, set()),
    "log-in": ({"config", "steps"}, set()),
    "register-at": ({"config", "address", "steps"}, {"standing"}),
    "unregister": ({"config", "standing", "steps"}, set()),
}


class DoesNotHold(AssertionError):
    """An adapter answers otherwise than a case expects, or the case is none."""


@dataclass(frozen=True)
class Case:
    """A golden case, by its file."""

    path: Path

    def __str__(self) -> str:
        return self.path.stem


def cases(folder: str | Path) -> list[Case]:
    """The `*.json` of a folder, in their order. Raises `DoesNotHold` when there is none."""
    found = [Case(path) for path in sorted(Path(folder).glob("*.json"))]
    if not found:
        raise DoesNotHold(f"no golden case there: {folder}")
    return found


def adapter_in(module: ModuleType) -> type[Adapter]:
    """The one adapter that a module defines."""
    here = [each for each in vars(module).values() if getattr(each, "__module__", None) == module.__name__]
    found = [each for each in here if isinstance(each, type) and issubclass(each, Adapter)]
    if len(found) != 1:
        raise DoesNotHold(f"{module.__name__} defines {len(found)} adapters, and it must be one")
    return found[0]


def hold(adapter: type[Adapter], case: Case | str | Path) -> None:
    """Asks an adapter all that a case holds. Raises `DoesNotHold` with everything that differs."""
    __tracebackhide__ = True
    path = case.path if isinstance(case, Case) else Path(case)
    about = ""
    try:
        read = _read(path)
        about = f" {read['about']}"
        _ASK[read["ask"]](adapter, read)
    except DoesNotHold as why:
        raise DoesNotHold(f"{path.name}:{about}\n    {why}") from why.__cause__


def _read(path: Path) -> dict[str, Any]:
    try:
        case = jsontext.read(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DoesNotHold(f"not a case: {error}") from None
    ask = case.get("ask") if isinstance(case, dict) else None
    if not isinstance(ask, str) or ask not in _MEMBERS:
        raise DoesNotHold(f"not a case: `ask` must be one of {', '.join(_MEMBERS)}")
    must, may = _MEMBERS[ask]
    must = must | {"about", "ask"}
    for name in sorted(must - set(case)):
        raise DoesNotHold(f"not a case: `{name}` is missing")
    for name in sorted(set(case) - must - may):
        raise DoesNotHold(f"not a case: `{name}` is nothing that {ask} has")
    return dict(case)


def _of(kind: Any, value: Any, at: str) -> Any:
    try:
        return written.read(kind, value, at)
    except written.BreaksContract as error:
        raise DoesNotHold(f"not a case: {error}") from None


def _live(adapter: type[Adapter], case: dict[str, Any]) -> None:
    def ask(history: list[Any]) -> Progress:
        # Made anew for every asking: an adapter may have changed what it was given.
        operation = _of(Operation, _copy(case["operation"]), "/operation")
        return provision(adapter, operation, _entries(history))

    _walk(case, Progress, ask)


def _log_in(adapter: type[Adapter], case: dict[str, Any]) -> None:
    who = _as(adapter, LogIn)
    _walk(case, Move, lambda history: log_in(who, _copy(case["config"]), _entries(history)))


def _register_at(adapter: type[Adapter], case: dict[str, Any]) -> None:
    who = _as(adapter, Register)

    def ask(history: list[Any]) -> Move:
        config, standing = _copy(case["config"]), _copy(case.get("standing"))
        return register_at(who, config, case["address"], standing, _entries(history))

    _walk(case, Move, ask)


def _unregister(adapter: type[Adapter], case: dict[str, Any]) -> None:
    who = _as(adapter, Register)

    def ask(history: list[Any]) -> Move:
        config, standing = _copy(case["config"]), _copy(case["standing"])
        return unregister(who, config, standing, _entries(history))

    _walk(case, Move, ask)


def _as(adapter: Any, interface: type) -> Any:
    if not issubclass(adapter, interface):
        raise DoesNotHold(f"{adapter.__name__} is no {interface.__name__}")
    return adapter


def _read_notification(adapter: type[Adapter], case: dict[str, Any]) -> None:
    def ask() -> Reading:
        notification = _of(Notification, case["notification"], "/notification")
        return adapter().read_notification(_copy(case["config"]), notification)

    _compare(Reading, _of(Reading, case["expect"], "/expect"), ask)


def _check_config(adapter: type[Adapter], case: dict[str, Any]) -> None:
    expected = _of(list[Problem], case["expect"], "/expect")
    _compare(list[Problem], expected, lambda: adapter().check_config(_copy(case["config"])))


_ASK: dict[str, Callable[[type[Adapter], dict[str, Any]], None]] = {
    "provision": _live,
    "read-notification": _read_notification,
    "check-config": _check_config,
    "log-in": _log_in,
    "register-at": _register_at,
    "unregister": _unregister,
}


def _walk(case: dict[str, Any], kind: Any, ask: Callable[[list[Any]], Any]) -> None:
    history: list[Any] = []
    for place, step in enumerate(case["steps"]):
        is_last = place + 1 == len(case["steps"])
        try:
            expected, then = _step(kind, step, f"/steps/{place}")
            _compare(kind, expected, lambda: ask(history))
            if is_last and then is not None:
                raise DoesNotHold("no step follows this `then`")
            if not is_last and then is None:
                raise DoesNotHold("`then` is missing")
            if then is not None:
                decision = expected.decision if isinstance(expected, Progress) else expected
                _happen(decision, then, history)
        except DoesNotHold as why:
            raise DoesNotHold(f"step {place + 1}:\n    {why}") from why.__cause__


def _step(kind: Any, step: Any, at: str) -> tuple[Any, Entry | None]:
    if not isinstance(step, dict) or "expect" not in step or not set(step) <= {"expect", "then"}:
        raise DoesNotHold("not a case: a step has `expect`, and maybe `then`")
    expected = _of(kind, step["expect"], f"{at}/expect")
    then = step.get("then")
    return expected, None if then is None else _of(Entry, then, f"{at}/then")


def _happen(decision: Decision | Move, then: Entry, history: list[Any]) -> None:
    """Appends what a decision led to, and before that strikes what the decision strikes."""
    if not _fits(decision, then, history):
        raise DoesNotHold("`then` cannot follow from this decision")
    # As JSON, so that every asking gets one that nobody has changed.
    history.append(written.show(then))


def _fits(decision: Decision | Move, then: Entry, history: list[Any]) -> bool:
    exchanged = _label(then)
    match decision:
        case Send(request):
            return exchanged == request.label
        case Again() | Renew():
            struck = _entries([history.pop()])[0] if history else None
            if struck is None or _is_unknown(struck):
                return False
            return exchanged is not None and exchanged == _label(struck)
        case Waiting():
            waits = [place for place, entry in enumerate(_entries(history)) if _label(entry) is None]
            if decision.forget and waits:
                del history[waits[-1] :]
            return exchanged is None
    return False


def _label(entry: Entry) -> str | None:
    """The label of an exchange; what is none ends a wait."""
    return entry.what.label if isinstance(entry.what, Exchanged) else None


def _is_unknown(entry: Entry) -> bool:
    return isinstance(entry.what, Exchanged) and isinstance(entry.what.outcome, Unknown)


def _entries(history: list[Any]) -> list[Entry]:
    return [written.read(Entry, _copy(entry)) for entry in history]


def _copy(value: Any) -> Any:
    return jsontext.read(jsontext.write(value))


def _compare(kind: Any, expected: Any, ask: Callable[[], Any]) -> None:
    wanted, answer, second = _readable(expected), _answered(kind, ask), _answered(kind, ask)
    differences: list[str] = []
    _note_differences("", wanted, answer, differences)
    if not _same(answer, second):
        differences.append("asked a second time, it answers otherwise")
        _note_differences("", answer, second, differences)
    if differences:
        raise DoesNotHold("\n    ".join(differences))


def _answered(kind: Any, ask: Callable[[], Any]) -> Any:
    try:
        return _readable(written.checked(kind, ask()))
    except DoesNotHold:
        raise
    except (Exception, Fault) as error:
        words = "".join(traceback.format_exception_only(error)).strip()
        raise DoesNotHold(f"it stopped: {words}") from error


def _readable(value: Any) -> Any:
    """A value as JSON, with texts that hold JSON taken for what they hold.

    The order of members and the space between them are nobody's business.
    """
    return _unfolded(_copy(written.show(value)))


def _unfolded(value: Any) -> Any:
    match value:
        case {"text": str(text)} if len(value) == 1:
            try:
                return {"json": jsontext.read(text)}
            except ValueError:
                return value
        case dict():
            return {name: _unfolded(member) for name, member in value.items()}
        case list():
            return [_unfolded(element) for element in value]
    return value


_NOTHING = object()


def _note_differences(at: str, expected: Any, answer: Any, into: list[str]) -> None:
    """Names the smallest parts that differ, each by its JSON pointer."""
    if _same(expected, answer):
        return
    if isinstance(expected, dict) and isinstance(answer, dict):
        for name in sorted({*expected, *answer}):
            left, right = expected.get(name, _NOTHING), answer.get(name, _NOTHING)
            _note_differences(f"{at}/{name}", left, right, into)
    elif isinstance(expected, list) and isinstance(answer, list):
        for place in range(max(len(expected), len(answer))):
            left, right = (each[place] if place < len(each) else _NOTHING for each in (expected, answer))
            _note_differences(f"{at}/{place}", left, right, into)
    else:
        into.append(f"{at}: expected {_shown(expected)}, answered {_shown(answer)}")


def _same(one: Any, other: Any) -> bool:
    # As text: to Python 1, 1.0 and True are the same, and to nobody else.
    return _shown(one) == _shown(other)


def _shown(value: Any) -> str:
    return "nothing" if value is _NOTHING else jsontext.write(value)
