"""A group's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from punchdown_adapter import settings

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["profiles"],
    "properties": {
        "profiles": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
            "description": "The system's profiles, by the names of PortaBilling's products.",
        },
        "poll_seconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": 86_400,
            "default": 60,
            "description": "How often an order is looked at while no notification comes.",
        },
    },
}


@dataclass(frozen=True)
class Config:
    profiles: dict[str, str]
    """The system's profiles, by the names of PortaBilling's products."""
    poll_seconds: int
    """How often an order is looked at while no notification comes."""

    @classmethod
    def read(cls, read: settings.Settings) -> Config:
        return cls(
            profiles=read.required("profiles", "which profile has which product?", names),
            poll_seconds=read.optional("poll_seconds", settings.number(1, 86_400), 60),
        )


def names(value: Any) -> dict[str, str]:
    if isinstance(value, dict) and value and all(isinstance(name, str) for name in value.values()):
        return value
    raise ValueError("must be an object of texts, and not empty")
