"""The words that the host and an adapter share, as `wit/adapter.wit` says them.

What travels there as JSON text is a plain value here: dict, list, str, int, float, bool or None.
A variant is one of several classes, to be told apart by `match`.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from .http import Request, Response


@dataclass(frozen=True)
class Event:
    """Why the operation exists."""

    id: str
    """`i_event` as decimal text: an equal id is the same event delivered again."""
    name: str
    """As PortaBilling sent it, for example `Account/New`; or the host's own: `Punchdown/Resync`."""
    received_at: str
    """When the host took it, RFC 3339 in UTC."""
    variables: Any
    """The event's `variables` object; of a notification, its signal's payload."""
    enclosed: Any
    """What came with it beside that; `{}` when nothing did."""


class Wanted(Enum):
    """What PortaBilling wants of the service, the account and its customer taken together."""

    RUNNING = "running"
    """Open, neither blocked nor suspended: it must run."""
    SUSPENDED = "suspended"
    """The account exists but its service must not run: keep the record, switch it off."""
    GONE = "gone"
    """The account is closed, or PortaBilling has it no more: take away what was made."""


@dataclass(frozen=True)
class Subscriber:
    """What PortaBilling knew of the account when the operation began."""

    account_id: str
    """The account ID with its realm: `15550001111@msisdn`."""
    msisdn: str | None
    """The telephone number."""
    imsi: str | None
    """The identity of the SIM in the network."""
    iccid: str | None
    """The number of the SIM card."""
    documents: Any
    """Every document that the host read for this adapter, by query name; `None`: it has none."""

    def document(self, pointer: str) -> Any:
        """What stands in the documents at a JSON pointer that begins with a query's name.

        An element of a list may be called by its `name`, as PortaBilling's lists are:
        `/account_info/service_features/netaccess_policy`. `None` when there is nothing.
        """
        if not pointer.startswith("/"):
            return None
        value = self.documents
        for segment in pointer[1:].split("/"):
            value = _member(value, segment.replace("~1", "/").replace("~0", "~"))
        return value


def _member(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    if not isinstance(value, list):
        return None
    if name.isascii() and name.isdigit():
        return value[int(name)] if int(name) < len(value) else None
    named = (element for element in value if isinstance(element, dict) and element.get("name") == name)
    return next(named, None)


@dataclass(frozen=True)
class Operation:
    """One durable unit of work, the same to the letter at every asking."""

    id: str
    """Also a key by which a notification finds it, without being named."""
    group: str
    """The ESPF service group, for example `HSS`."""
    i_account: str
    """PortaBilling's internal number of the account, as decimal text."""
    began: str
    """When the subscriber was read, RFC 3339 in UTC."""
    event: Event
    """Why the operation exists."""
    wanted: Wanted
    """What PortaBilling wants of the service."""
    config: Any
    """The group's own configuration, already found good by `check_config`."""
    subscriber: Subscriber | None = None
    """Absent when PortaBilling has the account no more."""
    applied: Any = None
    """What earlier operations left in the external system; `None` when nothing."""
    notify_at: str | None = None
    """The public address of the group's notification door, where it has one."""
    extras: Any = field(default_factory=dict)
    """What later hosts have to say; `{}` today. Skip what you do not know."""


@dataclass(frozen=True)
class Answered:
    """The target answered, with whatever status code."""

    response: Response


@dataclass(frozen=True)
class Unknown:
    """It may have arrived, and here is why nobody knows: look before you leap."""

    why: str


Outcome = Answered | Unknown
"""What became of a request. `Unknown` of `at-most-once` requests alone."""


@dataclass(frozen=True)
class Exchanged:
    """A request, by its label, and what became of it."""

    label: str
    outcome: Outcome


@dataclass(frozen=True)
class Notified:
    """A notification reached the operation in its wait, with the payload that its signal has."""

    payload: Any


@dataclass(frozen=True)
class Elapsed:
    """The wait's time was up, or the group's deadline came: look for yourself."""


Happening = Exchanged | Notified | Elapsed
"""What can happen to an operation."""


@dataclass(frozen=True)
class Entry:
    """One thing that has happened. Each ends one `send` or one `wait`."""

    at: str
    """When, RFC 3339 in UTC."""
    what: Happening
    """What."""


class Status(Enum):
    """What the ESPF can be told of an account in a group."""

    OK = "ok"
    """The service is as PortaBilling wants it."""
    IN_PROGRESS = "in-progress"
    """It is being made so."""
    RETRY = "retry"
    """It is tried again; the host says so by itself while it sends again."""
    FAILED = "failed"
    """It could not be made so."""


@dataclass(frozen=True)
class Report:
    """A status to store in PortaBilling."""

    status: Status
    """What is reported."""
    message: str | None = None
    """For the administrator who reads it in PortaBilling; at most 4000 characters."""
    group: str | None = None
    """`None`: the operation's own group."""


@dataclass(frozen=True)
class Trouble:
    """Why something did not go on."""

    code: str
    """A stable word to search and group by: `profile-unknown`."""
    message: str
    """For a person."""


@dataclass(frozen=True)
class Send:
    """Send this; then ask again with its outcome."""

    request: Request


@dataclass(frozen=True)
class Again:
    """Strike the exchange that ends the history, and send the same request again later.

    Of an errand: begin anew, later.
    """

    trouble: Trouble


@dataclass(frozen=True)
class Renew:
    """As `Again`, but at once and with a new session."""

    trouble: Trouble


@dataclass(frozen=True)
class Waiting:
    """Sleep until a notification or the time comes; then ask again."""

    seconds: int | None
    """End the wait after so many seconds. `None`: the group's deadline ends it."""
    forget: bool
    """Strike everything since the wait before this one from the history."""
    gives_way: bool
    """A newer operation that wants another state may take this one's place here."""


@dataclass(frozen=True)
class Finish:
    """Done, well or badly: the reports say which."""


@dataclass(frozen=True)
class Ignore:
    """The event is none of this group's business. Only while the history is empty."""

    why: str


@dataclass(frozen=True)
class Park:
    """It cannot go on without a person, or without newer data from PortaBilling."""

    trouble: Trouble


Decision = Send | Again | Renew | Waiting | Finish | Ignore | Park
"""What to do next."""


class _AsBefore:
    def __repr__(self) -> str:
        return "AS_BEFORE"


AS_BEFORE: Final = _AsBefore()
"""Nothing new is said of what is applied, which `None` would be: nothing stands."""


@dataclass(frozen=True)
class Progress:
    """An adapter's answer to `provision`: a decision, and all that is said with it."""

    decision: Decision
    """What to do next."""
    reports: list[Report] = field(default_factory=list)
    """What has happened, to store in PortaBilling, in order."""
    applied: Any = AS_BEFORE
    """What now stands, or may come to stand; `None`: nothing; `AS_BEFORE`: as said before."""
    keys: list[str] = field(default_factory=list)
    """Keys by which notifications find this operation from now on."""
    extras: Any = None
    """For what later hosts can do. A host refuses a word that it does not know."""


@dataclass(frozen=True)
class Standing:
    """What an errand came to."""

    value: Any
    """A session's values by name, texts and numbers; or what finds a registration again."""
    seconds: int | None = None
    """Good for so long; then the errand is run again. `None`: until told otherwise."""


@dataclass(frozen=True)
class Ready:
    """An errand is done."""

    standing: Standing


@dataclass(frozen=True)
class Fail:
    """An errand cannot be done without a person."""

    trouble: Trouble


Move = Send | Again | Ready | Fail
"""The next move of an errand: something done for a whole group, not for one account."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration."""

    at: str
    """JSON pointer to it."""
    message: str
    """For a person."""


@dataclass(frozen=True)
class Description:
    """An adapter's answer to `describe`."""

    name: str
    """The adapter's name."""
    version: str
    """The adapter's version."""
    summary: str
    """One sentence."""
    queries: list[str]
    """The PortaBilling queries whose documents the adapter needs."""
    config_schema: Any
    """JSON Schema of a group's configuration."""
    secrets: list[str] = field(default_factory=list)
    """Names of the group's secrets that its fills use."""
    secret_fields: list[str] = field(default_factory=list)
    """Names, beside the host's own list, whose values are never shown or logged."""
