"""A group's configuration: what its schema promises, what is checked, what the flow works with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from punchdown_adapter import Problem, Subscriber, text_member

_MEMBERS = ["path", "profiles", "default-profile"]

# The JSON Schema of what `Config.read` takes.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [
        {"required": ["profiles"], "properties": {"profiles": {"minProperties": 1}}},
        {"required": ["default-profile"]},
    ],
    "properties": {
        "path": {
            "type": "string",
            "default": "/services",
            "pattern": r"^/[^?#\s]*$",
            "description": "Where the system listens, below the target's base URL.",
        },
        "profiles": {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1},
            "description": "The system's profiles, by the names of PortaBilling's products.",
        },
        "default-profile": {
            "type": "string",
            "minLength": 1,
            "description": "The profile of all other products.",
        },
    },
}


class BadConfig(Exception):
    """A configuration that will not do, and all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


@dataclass(frozen=True)
class Config:
    path: str
    """Where the system listens, below the target's base URL."""
    profiles: dict[str, str]
    """Its profiles, by the names of PortaBilling's products."""
    default_profile: str | None
    """That of all other products."""

    @classmethod
    def read(cls, config: Any) -> Config:
        """Reads a configuration, or raises `BadConfig` with all that is wrong."""
        read = cls(*_members(config))
        problems = []
        if not re.fullmatch(r"/[^?#\s]*", read.path):
            problems.append(Problem("/path", "must be a path that begins with /"))
        if not read.profiles and read.default_profile is None:
            problems.append(Problem("/profiles", "names no profile, and there is no `default-profile`"))
        if "" in read.profiles.values() or read.default_profile == "":
            problems.append(Problem("/profiles", "a profile has a name"))
        if problems:
            raise BadConfig(problems)
        return read

    def profile_of(self, subscriber: Subscriber) -> str | None:
        """The profile of the subscriber's product; `None` when there is none for it."""
        return self.profiles.get(product_of(subscriber), self.default_profile)


def product_of(subscriber: Subscriber) -> str:
    return text_member(subscriber.documents, "account_info", "product_name") or ""


def _members(config: Any) -> tuple[str, dict[str, str], str | None]:
    """The members as they are, when each is of its kind."""
    if not isinstance(config, dict):
        raise BadConfig([Problem("", "must be an object")])
    for name in sorted(config):
        if name not in _MEMBERS:
            known = ", ".join(f"`{member}`" for member in _MEMBERS)
            raise BadConfig([Problem("", f"unknown field `{name}`, expected one of {known}")])
    path = config.get("path", "/services")
    profiles = config.get("profiles", {})
    default_profile = config.get("default-profile")
    if not isinstance(path, str):
        raise BadConfig([Problem("/path", "must be text")])
    if not isinstance(profiles, dict) or not all(isinstance(name, str) for name in profiles.values()):
        raise BadConfig([Problem("/profiles", "must be an object of texts")])
    if not isinstance(default_profile, str | None):
        raise BadConfig([Problem("/default-profile", "must be text")])
    return path, profiles, default_profile
