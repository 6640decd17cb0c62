"""What external systems send of themselves, and what an adapter makes of it: the words of `read_notification`."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .http import Body, Header, Response
from .types import Trouble


@dataclass(frozen=True)
class Notification:
    """A message from the external system, authenticated and stored by the host."""

    method: str
    """The HTTP method."""
    path: str
    """Path and query below the group's notification address."""
    body: Body
    """What it says."""
    received_at: str
    """When the host took it, RFC 3339 in UTC."""
    headers: list[Header] = field(default_factory=list)
    """In order, names in lower case."""


@dataclass(frozen=True)
class Key:
    """Whom a notification speaks of: a key that an operation named, or an operation's id."""

    value: str


@dataclass(frozen=True)
class IAccount:
    """Whom a notification speaks of: the account's open operation in this group, by `i_account`."""

    value: str


@dataclass(frozen=True)
class AccountId:
    """Whom a notification speaks of: the account's open operation, by account ID."""

    value: str


Correlation = Key | IAccount | AccountId
"""Whom a notification speaks of."""


class Otherwise(Enum):
    """What becomes of a signal for which no operation waits."""

    KEEP = "keep"
    """Keep it: its operation may not have come so far yet."""
    BEGIN = "begin"
    """The system changed of itself: begin an operation for this."""
    DROP = "drop"
    """Only record it."""


@dataclass(frozen=True)
class Signal:
    """One thing that a notification says to one operation."""

    correlation: Correlation
    """Whom it speaks of."""
    payload: Any
    """Becomes the `Notified` entry of the operation it belongs to."""
    otherwise: Otherwise
    """What becomes of it when no operation waits for it."""
    id: str | None = None
    """The sender's own id of it: one that was seen before is dropped. `None`: it is taken as new."""


@dataclass(frozen=True)
class Reading:
    """An adapter's answer to `read_notification`."""

    reply: Response
    """What the host answers the external system once the signals are durable."""
    signals: list[Signal] = field(default_factory=list)
    """What it says, and to whom."""
    unread: Trouble | None = None
    """Why it could not be understood."""
