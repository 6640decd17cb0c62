"""Keeps a customer for each account in an IPTV system that wants a log-in first and takes forms.

A customer is found by its login name, so that name is all that is remembered. Change the paths and the
fields to those of your system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from punchdown_adapter import (
    Adapter,
    Answered,
    Applied,
    Description,
    Errand,
    Escape,
    Flow,
    LogIn,
    Notification,
    Operation,
    Problem,
    Reading,
    Request,
    Response,
    Standing,
    Status,
    Subscriber,
    Wanted,
    export,
    member,
    settings,
    text_member,
)

# How often a customer is asked for while nobody can say whether it was made.
TRIES_MAX = 4

CONFIG_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["packages"],
    "properties": {
        "packages": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
            "description": "The system's packages, by the names of PortaBilling's products.",
        },
        "password_field": {
            "type": "string",
            "minLength": 1,
            "default": "iptv_password",
            "description": "The custom field that holds a customer's password.",
        },
    },
}


@dataclass(frozen=True)
class Config:
    """A group's configuration."""

    packages: dict[str, str]
    """The system's packages, by the names of PortaBilling's products."""
    password_field: str
    """The custom field that holds a customer's password."""

    @classmethod
    def read(cls, read: settings.Settings) -> Config:
        return cls(
            packages=read.required("packages", "which package has which product?", names),
            password_field=read.optional("password_field", settings.text, "iptv_password"),
        )

    def password(self, subscriber: Subscriber) -> str | None:
        fields = member(subscriber.documents, "custom_fields")
        for field in fields if isinstance(fields, list) else []:
            if text_member(field, "name") == self.password_field:
                return text_member(field, "db_value") or None
        return None


def names(value: Any) -> dict[str, str]:
    if isinstance(value, dict) and value and all(isinstance(name, str) for name in value.values()):
        return value
    raise ValueError("must be an object of texts, and not empty")


@dataclass
class Customer:
    """What stands in the system for the account, as `applied` remembers it."""

    login: str | None = None


class Iptv(Adapter, LogIn):
    """The adapter."""

    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Keeps a customer for each account in an IPTV system.",
            queries=["account_info", "custom_fields"],
            config_schema=CONFIG_SCHEMA,
            secrets=["user", "password"],
            # What custom fields hold: one of them is the password.
            secret_fields=["db_value", "text_value"],
        )

    def check_config(self, config: Any) -> list[Problem]:
        return settings.problems(config, Config.read)

    def provision(self, flow: Flow, operation: Operation) -> None:
        try:
            standing = Applied.of(Customer, operation.applied)
        except ValueError:
            flow.park("applied", "what stands was not written by this adapter")
        if operation.wanted is Wanted.GONE:
            refused = remove(flow, standing)
        elif operation.wanted is Wanted.SUSPENDED:
            refused = suspend(flow, standing)
        elif operation.subscriber is None:
            flow.park("subscriber", "nothing is known of the account")
        else:
            refused = keep(flow, operation, operation.subscriber, standing)
        standing.say(flow)
        if refused is None:
            flow.report(Status.OK)
        else:
            flow.report(Status.FAILED, refused)

    def read_notification(self, config: Any, notification: Notification) -> Reading:
        # This system never notifies: it has done what it answers.
        return Reading(Response(204))

    def log_in(self, errand: Errand, config: Any) -> Standing:
        # The host puts the secrets in as the request leaves.
        request = form(Request.post("/login"), "user=@@user@@&password=@@password@@")
        request = request.fill("@@user@@", "secret.user", Escape.URL)
        request = request.fill("@@password@@", "secret.password", Escape.URL)
        response = errand.ask("log-in", request)
        said = response.json()
        token, seconds = text_member(said, "token"), member(said, "expires_in")
        if response.is_success and token is not None:
            is_number = type(seconds) is int and 0 <= seconds < 2**32
            return Standing({"token": token}, seconds if is_number else None)
        if response.status in (400, 401, 403):
            errand.fail("refused", reason("log-in", response))
        errand.again("busy", f"log-in: {response.status}")


# Where a function of these returns a text, the system refuses, and that is why.


def keep(flow: Flow, operation: Operation, subscriber: Subscriber, standing: Applied[Customer]) -> str | None:
    config = settings.read(operation.config, Config.read)
    product = text_member(subscriber.documents, "account_info", "product_name") or ""
    package = config.packages.get(product)
    if package is None:
        flow.park("package-unknown", f"no package for the product `{product}`")
    # An account may be renamed: its customer keeps the name that it has.
    login = standing.stands.login or subscriber.account_id.split("@")[0]
    wanted = {"package": package, "state": "active"}
    found = look(flow, login)
    if found is not None:
        standing.stands.login = login
        return change(flow, standing, found, wanted)
    password = config.password(subscriber)
    if password is None:
        flow.park("password-unknown", f"the account has no custom field `{config.password_field}`")
    return make(flow, standing, login, password, wanted)


def make(
    flow: Flow, standing: Applied[Customer], login: str, password: str, wanted: dict[str, str]
) -> str | None:
    request = Request.post("/customers").form({"login": login, "password": password, **wanted})
    for _ in range(TRIES_MAX):
        standing.stands.login = login
        standing.say(flow)  # Before it is made: the answer may be lost.
        refused = None
        match flow.act("create", with_session(request)):
            case Answered(response) if response.is_success:
                return None
            case Answered(response) if response.status in (401, 403, 408, 429, 503):
                later(flow, "create", response)
            case Answered(response) if 400 <= response.status < 500:
                refused = reason("create", response)
            # Any other may be a proxy's answer, which is as good as none.
        # Its answer was lost, or one that was lost before has made it after all.
        found = look(flow, login)
        if found is not None:
            return change(flow, standing, found, wanted)
        if refused is not None:
            standing.stands.login = None
            return refused
    flow.park("in-doubt", "nobody can say whether the customer was made")


def suspend(flow: Flow, standing: Applied[Customer]) -> str | None:
    """Who must not watch is switched off, and the record kept."""
    if standing.stands.login is None:
        return None
    found = look(flow, standing.stands.login)
    if found is not None:
        return change(flow, standing, found, {"state": "suspended"})
    standing.stands.login = None
    return None


def remove(flow: Flow, standing: Applied[Customer]) -> str | None:
    if standing.stands.login is None:
        return None
    found = look(flow, standing.stands.login)
    if found is not None:
        response = flow.ask("delete", with_session(at("DELETE", found)))
        if response.status != 404:
            refused = judged(flow, "delete", response)
            if refused is not None:
                return refused
    standing.stands.login = None
    return None


def change(flow: Flow, standing: Applied[Customer], found: Any, wanted: dict[str, str]) -> str | None:
    """Changes what was found, where it is not yet as it is wanted."""
    standing.say(flow)
    other = {name: value for name, value in wanted.items() if found.get(name) != value}
    if not other:
        return None
    response = flow.ask("change", with_session(at("PUT", found).form(other)))
    return judged(flow, "change", response)


def look(flow: Flow, login: str) -> dict[str, Any] | None:
    """The customer of that login name. An answer that is not 2xx never means that there is none."""
    response = flow.ask("look", with_session(Request.get("/customers").query("login", login)))
    found = response.json()
    if not response.is_success or not isinstance(found, list):
        later(flow, "look", response)
    ours = next((one for one in found if text_member(one, "login") == login), None)
    if ours is not None and text_member(ours, "id") is None:
        flow.park("not-understood", "the customer has no id that is a text")
    return ours


def at(method: str, found: dict[str, Any]) -> Request:
    """A request to the customer that was found."""
    return Request.new(method, "/customers").segment(found["id"])


def with_session(request: Request) -> Request:
    """Puts the token in as the request leaves.

    A system that wants it in `x-token` has no `Bearer` before it.
    """
    request = request.header("authorization", "Bearer @@token@@")
    return request.fill("@@token@@", "session.token", Escape.VERBATIM)


def form(request: Request, fields: str) -> Request:
    """A form whose marks stand as they are: `Request.form` would encode them."""
    return request.text("application/x-www-form-urlencoded", fields)


def judged(flow: Flow, label: str, response: Response) -> str | None:
    """What the answer to a request that may be repeated means."""
    if response.is_success:
        return None
    if response.status in (401, 403, 408, 429) or response.status >= 500:
        later(flow, label, response)
    return reason(label, response)


def later(flow: Flow, label: str, response: Response) -> NoReturn:
    """It is the trouble of the session or of the group, and not of the account."""
    if response.status == 401:
        flow.renew("session-ended", f"{label}: 401")
    flow.again("busy", f"{label}: {response.status}")


def reason(label: str, response: Response) -> str:
    """Why it is refused, in the system's own words where it has some."""
    said = text_member(response.json(), "reason")
    return f"{label}: {response.status}" if said is None else said


export(Iptv)
