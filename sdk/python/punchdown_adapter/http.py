"""Requests and responses: the contract's records, and what makes them pleasant to write and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import quote

from . import jsontext


@dataclass(frozen=True)
class Header:
    """One header of a request, a response or a notification."""

    name: str
    """Lower case in what the host hands over; a name may come more than once."""
    value: str


@dataclass(frozen=True)
class Body:
    """The body of a request, a response or a notification.

    A golden case may write `{"json": …}` for a text that holds JSON.
    """

    content: str | bytes | None = None
    """`None`: there is none. Text is sent as UTF-8; what could not be decoded comes as bytes."""

    @property
    def text(self) -> str | None:
        """The body as text; `None` when there is none, or when it is not UTF-8 text."""
        if isinstance(self.content, bytes):
            try:
                return self.content.decode("utf-8")
            except UnicodeDecodeError:
                return None
        return self.content

    def json(self) -> Any:
        """The body as JSON; `None` when it is not JSON."""
        try:
            return None if self.content is None else jsontext.read(self.content)
        except ValueError:
            return None


class Delivery(Enum):
    """What the host may do when it cannot know whether a request arrived."""

    REPEATABLE = "repeatable"
    """Twice does what once does: the host sends it again until it is answered."""
    AT_MOST_ONCE = "at-most-once"
    """Never twice of the host's own accord: the adapter is told `unknown`."""


class Escape(Enum):
    """How a filled-in value is written in its place."""

    VERBATIM = "verbatim"
    """As it is."""
    JSON = "json"
    """As the inside of a JSON string."""
    XML = "xml"
    """As XML text."""
    URL = "url"
    """Percent-encoded."""


@dataclass(frozen=True)
class Fill:
    """A value that only the host knows, put into a request as it leaves."""

    mark: str
    """The text that stands for the value, in the path, a header or a text body."""
    source: str
    """`secret.<name>`: a secret of the group; `session.<name>`: a value of the running session."""
    escape: Escape
    """How the value is written there."""


@dataclass(frozen=True)
class Request:
    """A request to the group's target. Begin one with `Request.get` and its kind.

    Each method gives a new request, so that they can be written one after the other.
    """

    label: str
    """The adapter's own name for it. `Flow.ask` and `act` set it."""
    method: str
    """The HTTP method."""
    path: str
    """Path and query below the target's base URL."""
    headers: list[Header] = field(default_factory=list)
    """What the host does not set itself."""
    body: Body = Body()
    """What is sent."""
    delivery: Delivery = Delivery.REPEATABLE
    """Whether it may be sent twice. `Flow.ask` and `act` set it."""
    fills: list[Fill] = field(default_factory=list)
    """The marks in it, and what stands in their place as it leaves."""
    extras: Any = None
    """For what later hosts can do. A host refuses a word that it does not know."""

    @classmethod
    def get(cls, path: str) -> Request:
        """A `GET`. `path` is what follows the target's base URL: `/subscriber/7`."""
        return cls.new("GET", path)

    @classmethod
    def post(cls, path: str) -> Request:
        """A `POST`."""
        return cls.new("POST", path)

    @classmethod
    def put(cls, path: str) -> Request:
        """A `PUT`."""
        return cls.new("PUT", path)

    @classmethod
    def patch(cls, path: str) -> Request:
        """A `PATCH`."""
        return cls.new("PATCH", path)

    @classmethod
    def delete(cls, path: str) -> Request:
        """A `DELETE`."""
        return cls.new("DELETE", path)

    @classmethod
    def new(cls, method: str, path: str) -> Request:
        """A request with any method."""
        return cls(label="", method=method, path=path)

    def segment(self, segment: str) -> Request:
        """Adds one segment to the path, percent-encoded. Before any `query`.

        `Request.get("/order").segment("a/b")` asks for `/order/a%2Fb`.
        """
        return replace(self, path=f"{self.path}/{_encoded(segment)}")

    def query(self, name: str, value: str) -> Request:
        """Adds one parameter to the query, percent-encoded."""
        separator = "&" if "?" in self.path else "?"
        return replace(self, path=f"{self.path}{separator}{_encoded(name)}={_encoded(value)}")

    def header(self, name: str, value: str) -> Request:
        """Adds a header."""
        return replace(self, headers=[*self.headers, Header(name, value)])

    def json(self, value: Any) -> Request:
        """Sends `value` as JSON, and says so in `content-type`."""
        return self.text("application/json", jsontext.write(value))

    def text(self, content_type: str, text: str) -> Request:
        """Sends `text` under the content type given."""
        return replace(self, body=Body(text)).header("content-type", content_type)

    def form(self, fields: Mapping[str, str] | Iterable[tuple[str, str]]) -> Request:
        """Sends fields as a form of the web, in their order, percent-encoded.

        So is a mark among them: let it be of letters, digits, `_` and `-`, and fill it with `Escape.URL`.
        """
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        text = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)
        return self.text("application/x-www-form-urlencoded", text)

    def fill(self, mark: str, source: str, escape: Escape) -> Request:
        """Puts the value of `source` in the place of `mark`, wherever that stands in the request."""
        return replace(self, fills=[*self.fills, Fill(mark, source, escape)])


@dataclass(frozen=True)
class Response:
    """What the target answered, or what a notification is answered."""

    status: int
    """The HTTP status code."""
    headers: list[Header] = field(default_factory=list)
    """In order, names in lower case."""
    body: Body = Body()
    """What came, or what is sent back."""

    @property
    def is_success(self) -> bool:
        """Whether the status code is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, whatever its case."""
        wanted = name.lower()
        return next((header.value for header in self.headers if header.name.lower() == wanted), None)

    def json(self) -> Any:
        """The body as JSON; `None` when it is not JSON."""
        return self.body.json()


def _encoded(text: str) -> str:
    # The unreserved characters of RFC 3986 alone, which is right in a path, a query and a form.
    return quote(text, safe="")
