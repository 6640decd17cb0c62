"""What is said to the system, and what its answers mean: SOAP 1.1, whose faults come in a `200` as
often as in a `500`."""

from __future__ import annotations

from dataclasses import dataclass, field

from config import Config
from punchdown_adapter import Escape, Request, Response, xml

# Stands for the session in what is recorded; the host puts it in as the request leaves.
_SESSION = "@@session@@"


@dataclass
class Call:
    """A call, as the members of its element."""

    name: str
    members: list[tuple[str, str]] = field(default_factory=list)
    fills: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def log_in(cls) -> Call:
        user, password = "@@user@@", "@@password@@"
        fills = [(user, "secret.user"), (password, "secret.password")]
        return cls("Login", [("user", user), ("password", password)], fills)

    @classmethod
    def new(cls, name: str, **members: str) -> Call:
        fills = [(_SESSION, "session.id")]
        return cls(name, [("session", _SESSION), *members.items()], fills)

    def request(self, config: Config) -> Request:
        members = "".join(f"<{name}>{xml.escape(value)}</{name}>" for name, value in self.members)
        envelope = (
            '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
            f'<{self.name} xmlns="urn:example:services">{members}</{self.name}>'
            "</soap:Body></soap:Envelope>"
        )
        request = Request.post(config.path).text("text/xml; charset=utf-8", envelope)
        request = request.header("soapaction", f'"urn:example:services#{self.name}"')
        for mark, source in self.fills:
            request = request.fill(mark, source, Escape.XML)
        return request


@dataclass(frozen=True)
class Done:
    """The system did it, and this is its answer's text."""

    document: str

    def text(self, name: str) -> str | None:
        return xml.find(self.document, name)


@dataclass(frozen=True)
class Refusal:
    """The system named a fault."""

    code: str
    why: str


@dataclass(frozen=True)
class Unclear:
    """Nothing that this system says."""

    why: str


def read(response: Response) -> Done | Refusal | Unclear:
    unclear = Unclear(f"answered {response.status} without a SOAP envelope")
    text = response.body.text
    if text is None:
        return unclear
    code = xml.find(text, "Fault/faultcode")
    if code is not None:
        code = code.rsplit(":", 1)[-1]
        why = xml.find(text, "Fault/faultstring")
        return Refusal(code, code if why is None else why)
    if xml.find(text, "Envelope/Body") is not None and response.is_success:
        return Done(text)
    return unclear
