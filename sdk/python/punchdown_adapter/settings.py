"""A group's configuration, read member by member.

All that is wrong is noted, each with its place, and so is whatever nobody asked for.

>>> def line(settings):
...     name = settings.required("name", "what is to be made?", text)
...     return name, settings.optional("seconds", number(1, 86_400), 30)
>>> read({"name": "line"}, line)
('line', 30)
>>> [problem.at for problem in problems({"seconds": 0, "nmae": "line"}, line)]
['/name', '/seconds', '/nmae']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, overload

from .types import Problem

T = TypeVar("T")
Reader = Callable[[Any], T]
"""Makes a value of a member, or raises `ValueError` with what it must be."""


class BadSettings(ValueError):
    """A configuration that will not do, and all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.at}: {problem.message}" for problem in problems))
        self.problems = problems


def read(config: Any, make: Callable[[Settings], T]) -> T:
    """Reads a whole configuration. Raises `BadSettings`; what `make` made of the rest is dropped then."""
    noted: list[Problem] = []
    try:
        value = _object("", config, noted, make)
    except Exception:
        if not noted:
            raise
        # It stumbled over what was noted before.
    if noted:
        raise BadSettings(noted)
    return value


def problems(config: Any, make: Callable[[Settings], object]) -> list[Problem]:
    """All that is wrong with a configuration; empty when it will do."""
    try:
        read(config, make)
    except BadSettings as bad:
        return bad.problems
    return []


class Settings:
    """An object of a configuration. Whoever reads a member says that it is known."""

    def __init__(self, at: str, members: dict[str, Any] | None, noted: list[Problem]) -> None:
        self._at = at
        # `None`: it is no object, which is noted, and nothing more is said of it.
        self._members = members
        self._known: set[str] = set()
        self._noted = noted

    @overload
    def optional(self, name: str, read: Reader[T]) -> T | None: ...

    @overload
    def optional(self, name: str, read: Reader[T], default: T) -> T: ...

    def optional(self, name: str, read: Reader[T], default: T | None = None) -> T | None:
        """A member that may be left out, or has a default."""
        self._known.add(name)
        if self._members is None or name not in self._members:
            return default
        try:
            return read(self._members[name])
        except ValueError as wrong:
            self.note(name, str(wrong))
            return default

    def required(self, name: str, why: str, read: Reader[T], instead: T | None = None) -> T:
        """A member that must be there; `why` is said where it is missing, and `instead` given.

        That is `None` by itself, whatever the type says: what is made of it is dropped.
        """
        if self._members is not None and name not in self._members:
            self.note(name, f"is missing: {why}")
        return self.optional(name, read, cast(T, instead))

    def table(self, name: str, make: Callable[[Settings], T]) -> T | None:
        """A member that is an object itself."""
        self._known.add(name)
        if self._members is None or name not in self._members:
            return None
        return _object(_pointer(self._at, name), self._members[name], self._noted, make)

    def tables(self, name: str, make: Callable[[Settings], T]) -> dict[str, T]:
        """A member that is an object of objects, by names of the operator's choosing."""
        self._known.add(name)
        if self._members is None or name not in self._members:
            return {}
        members = self._members[name]
        if not isinstance(members, dict):
            self.note(name, "must be an object")
            return {}
        at = _pointer(self._at, name)
        return {
            each: _object(_pointer(at, each), value, self._noted, make)
            for each, value in sorted(members.items())
        }

    def note(self, name: str, message: str) -> None:
        """Notes what is wrong with a member, or with this object when the name is empty."""
        at = _pointer(self._at, name) if name else self._at
        self._noted.append(Problem(at, message))

    def note_unknown(self) -> None:
        """Notes the members that nobody asked for. For the SDK alone."""
        for name in sorted(set(self._members or {}) - self._known):
            self.note(name, "is no setting of this adapter")


def _object(at: str, value: Any, noted: list[Problem], make: Callable[[Settings], T]) -> T:
    before = len(noted)
    settings = Settings(at, value if isinstance(value, dict) else None, noted)
    made = make(settings)
    if isinstance(value, dict):
        settings.note_unknown()
    else:
        # Whatever else was noted follows from it.
        del noted[before:]
        settings.note("", "must be an object")
    return made


def _pointer(at: str, name: str) -> str:
    """The JSON pointer to a member of what is at `at`."""
    return f"{at}/{name.replace('~', '~0').replace('/', '~1')}"


def text(value: Any) -> str:
    """Text that is not empty."""
    if isinstance(value, str) and value:
        return value
    raise ValueError("must be text, and not empty")


def texts(value: Any) -> list[str]:
    """A list of such texts that is not empty itself."""
    if isinstance(value, list) and value and all(isinstance(each, str) and each for each in value):
        return value
    raise ValueError("must be a list of texts, and not empty")


def document(*queries: str) -> Reader[str]:
    """A JSON pointer into one of these documents: what an adapter does not read it cannot point into."""

    def read(value: Any) -> str:
        pointer = text(value)
        if pointer.startswith("/") and pointer[1:].split("/")[0] in queries:
            return pointer
        names = " or ".join(f"/{query}" for query in queries)
        raise ValueError(f"must begin with {names}: there are no other documents")

    return read


def flag(value: Any) -> bool:
    """`True` or `False`."""
    if isinstance(value, bool):
        return value
    raise ValueError("must be true or false")


def number(low: int, high: int) -> Reader[int]:
    """A whole number from `low` to `high`."""

    def read(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"must be a whole number from {low} to {high}")

    return read


def word(words: Mapping[str, T]) -> Reader[T]:
    """One of these words, and what is meant by it."""

    def read(value: Any) -> T:
        if isinstance(value, str) and value in words:
            return words[value]
        raise ValueError(f"must be {' or '.join(words)}")

    return read
