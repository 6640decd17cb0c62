"""The words of the contract as JSON: what a golden case is written in.

Names are in kebab case, a variant is named from outside, and a name that nobody knows is refused.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from . import jsontext
from .http import Body
from .notices import AccountId, Correlation, IAccount, Key
from .types import (
    AS_BEFORE,
    Again,
    Answered,
    Decision,
    Elapsed,
    Exchanged,
    Fail,
    Finish,
    Happening,
    Ignore,
    Move,
    Notified,
    Outcome,
    Park,
    Ready,
    Renew,
    Send,
    Unknown,
    Waiting,
)

_TAGS: dict[type, str] = {
    Answered: "answered",
    Unknown: "unknown",
    Exchanged: "exchanged",
    Notified: "notified",
    Elapsed: "elapsed",
    Send: "send",
    Again: "again",
    Renew: "renew",
    Waiting: "wait",
    Finish: "finish",
    Ignore: "ignore",
    Park: "park",
    Ready: "ready",
    Fail: "fail",
    Key: "key",
    IAccount: "i-account",
    AccountId: "account-id",
}
_VARIANTS = [Outcome, Happening, Decision, Move, Correlation]


class BreaksContract(ValueError):
    """The JSON is not what the contract says of that place."""


def read(kind: Any, value: Any, at: str = "") -> Any:
    """A value of that kind from its JSON. Raises `BreaksContract`, which names the place."""
    if kind is Any:
        return value
    if kind is Body:
        return _read_body(value, at)
    if kind in _VARIANTS:
        return _read_variant(kind, value, at)
    if isinstance(kind, UnionType):
        return None if value is None else read(_not_none(kind), value, at)
    if get_origin(kind) is list:
        (element,) = get_args(kind)
        _must(isinstance(value, list), "a list", value, at)
        return [read(element, each, f"{at}/{place}") for place, each in enumerate(value)]
    if dataclasses.is_dataclass(kind):
        return _read_record(kind, value, at)
    if issubclass(kind, Enum):
        words = [member.value for member in kind]
        _must(isinstance(value, str) and value in words, f"one of {', '.join(words)}", value, at)
        return kind(value)
    _must(type(value) is kind, {str: "text", int: "a whole number", bool: "true or false"}[kind], value, at)
    return value


def show(value: Any) -> Any:
    """A value of the contract as JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Body):
        return _show_body(value)
    if isinstance(value, list):
        return [show(each) for each in value]
    if not dataclasses.is_dataclass(value):
        return value
    tag = _TAGS.get(type(value))
    if tag is None:
        return _show_record(value)
    fields = dataclasses.fields(value)
    if not fields:
        return tag
    if len(fields) == 1:
        return {tag: show(getattr(value, fields[0].name))}
    return {tag: _show_record(value)}


def checked(kind: Any, value: Any) -> Any:
    """An answer of an adapter, when it is all of the kinds that the contract says.

    Python sees to no type by itself. Raises `ValueError`, which names the place.
    """
    shown = show(value)
    jsontext.write(shown).encode("utf-8")
    read(kind, shown)
    return value


def _read_record(kind: Any, value: Any, at: str) -> Any:
    _must(isinstance(value, dict), "an object", value, at)
    hints = get_type_hints(kind)
    fields = {field.name.replace("_", "-"): field for field in dataclasses.fields(kind)}
    for name in value:
        _must(name in fields, f"one of {', '.join(fields)}", name, at)
    read_fields = {}
    for name, field in fields.items():
        hint = hints[field.name]
        if name in value:
            read_fields[field.name] = read(hint, value[name], f"{at}/{name}")
        elif isinstance(hint, UnionType) and hint not in _VARIANTS:
            read_fields[field.name] = None
        elif get_origin(hint) is list:
            read_fields[field.name] = []
        elif hint is not Any or not _has_default(field):
            raise BreaksContract(f"{at}/{name}: is missing")
    return kind(**read_fields)


def _show_record(value: Any) -> dict[str, Any]:
    members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {
        name.replace("_", "-"): show(member) for name, member in members.items() if member is not AS_BEFORE
    }


def _read_variant(kind: Any, value: Any, at: str) -> Any:
    known = {_TAGS[each]: each for each in get_args(kind)}
    tag, inner = value, None
    if isinstance(value, dict) and len(value) == 1:
        ((tag, inner),) = value.items()
    _must(isinstance(tag, str) and tag in known, f"one of {', '.join(known)}", value, at)
    chosen = known[tag]
    fields = dataclasses.fields(chosen)
    if not fields:
        _must(isinstance(value, str), f'"{tag}" alone', value, at)
        return chosen()
    _must(isinstance(value, dict), f"{tag} and what belongs to it", value, at)
    if len(fields) == 1:
        hint = get_type_hints(chosen)[fields[0].name]
        return chosen(read(hint, inner, f"{at}/{tag}"))
    return _read_record(chosen, inner, f"{at}/{tag}")


def _read_body(value: Any, at: str) -> Body:
    match value:
        case "empty":
            return Body()
        case {"text": str(text), **rest} if not rest:
            return Body(text)
        case {"bytes": list(numbers), **rest} if not rest:
            _must(all(type(each) is int and 0 <= each < 256 for each in numbers), "bytes", numbers, at)
            return Body(bytes(numbers))
        case {"json": held, **rest} if not rest:
            return Body(jsontext.write(held))
    raise BreaksContract(f'{at}: must be "empty", or one of text, bytes, json with its content')


def _show_body(body: Body) -> Any:
    if body.content is None:
        return "empty"
    if isinstance(body.content, bytes):
        return {"bytes": list(body.content)}
    return {"text": body.content}


def _not_none(kind: UnionType) -> Any:
    (inner,) = [each for each in get_args(kind) if each is not NoneType]
    return inner


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _must(good: bool, be: str, value: Any, at: str) -> None:
    if not good:
        place = f"{at}:" if at else "it"
        raise BreaksContract(f"{place} must be {be}, and is {jsontext.write(value)}")
