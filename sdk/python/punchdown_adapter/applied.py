"""What stands in the external system, and what of that was said."""

from __future__ import annotations

import dataclasses
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from . import jsontext
from .flow import Flow

T = TypeVar("T")


class Applied(Generic[T]):
    """What a flow works with while it runs: change `stands`, and `say` it before a request leaves.

    `stands` is a dataclass whose members all have defaults, or a dict; as `T()` makes it, nothing stands.
    """

    def __init__(self, stands: T) -> None:
        """Begins with what the operation was given, and so what is said already."""
        self.stands = stands
        self._said = jsontext.write(_plain(stands))

    @classmethod
    def of(cls, kind: type[T], applied: Any) -> Applied[T]:
        """Begins with `operation.applied`. Raises `ValueError` when that is not what `kind` is stored as.

        A member that `kind` does not know is passed over, one that is missing has its default.
        """
        return cls(kind() if applied is None else _restored(kind, applied))

    def say(self, flow: Flow) -> None:
        """Says what stands, when that is news: before the request that may change it leaves."""
        stands = _plain(self.stands)
        text = jsontext.write(stands)
        if text == self._said:
            return
        if self.stands == type(self.stands)():
            flow.nothing_applied()
        else:
            flow.applied(stands)
        self._said = text


def _plain(value: Any) -> Any:
    is_record = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if is_record else value


def _restored(kind: Any, value: Any) -> Any:
    if kind is Any:
        return value
    if isinstance(kind, UnionType):
        (inner,) = [each for each in get_args(kind) if each is not NoneType]
        return None if value is None else _restored(inner, value)
    if get_origin(kind) is list and isinstance(value, list):
        return [_restored(get_args(kind)[0], each) for each in value]
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _restored_record(kind, value)
    if type(value) is (get_origin(kind) or kind):
        return value
    raise ValueError(f"{jsontext.write(value)} is not what {kind} is stored as")


def _restored_record(kind: Any, value: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    try:
        return kind(**{name: _restored(hints[name], value[name]) for name in names if name in value})
    except TypeError as missing:
        raise ValueError(str(missing)) from None
