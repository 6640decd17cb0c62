"""Keeps a subscriber for each account in an HSS that speaks REST, and does at once what it is asked.

A subscriber is found by its IMSI, so the IMSI is all that is remembered. Change the paths and the members
to those of your system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from punchdown_adapter import (
    Adapter,
    Answered,
    Applied,
    Description,
    Flow,
    Notification,
    Operation,
    Problem,
    Reading,
    Request,
    Response,
    Status,
    Wanted,
    export,
    settings,
    text_member,
)

# How often a subscriber is asked for while nobody can say whether it was made.
TRIES_MAX = 4

CONFIG_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["profiles"],
    "properties": {
        "profiles": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
            "description": "The HSS's profiles, by the names of PortaBilling's products.",
        },
    },
}


@dataclass
class Standing:
    """What stands in the HSS for the account, as `applied` remembers it."""

    imsi: str | None = None


class Hss(Adapter):
    """The adapter."""

    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Keeps a subscriber for each account in an HSS, by REST.",
            queries=["account_info", "sim_card"],
            config_schema=CONFIG_SCHEMA,
        )

    def check_config(self, config: Any) -> list[Problem]:
        return settings.problems(config, read_profiles)

    def provision(self, flow: Flow, operation: Operation) -> None:
        try:
            standing = Applied.of(Standing, operation.applied)
        except ValueError:
            flow.park("applied", "what stands was not written by this adapter")
        if operation.wanted is Wanted.RUNNING:
            refused = keep(flow, operation, standing)
        elif operation.wanted is Wanted.SUSPENDED:
            refused = suspend(flow, standing)
        else:
            refused = remove(flow, standing)
        standing.say(flow)
        if refused is None:
            flow.report(Status.OK)
        else:
            flow.report(Status.FAILED, refused)

    def read_notification(self, config: Any, notification: Notification) -> Reading:
        # This HSS never notifies: it has done what it answers.
        return Reading(Response(204))


def read_profiles(read: settings.Settings) -> dict[str, str]:
    return read.required("profiles", "which profile has which product?", names)


def names(value: Any) -> dict[str, str]:
    if isinstance(value, dict) and value and all(isinstance(name, str) for name in value.values()):
        return value
    raise ValueError("must be an object of texts, and not empty")


# Where a function of these returns a text, the system refuses, and that is why.


def keep(flow: Flow, operation: Operation, standing: Applied[Standing]) -> str | None:
    subscriber = operation.subscriber
    if subscriber is None or subscriber.imsi is None:
        flow.park("imsi-unknown", "the account has no SIM card with an IMSI")
    imsi = subscriber.imsi
    product = text_member(subscriber.documents, "account_info", "product_name") or ""
    profile = settings.read(operation.config, read_profiles).get(product)
    if profile is None:
        flow.park("profile-unknown", f"no profile for the product `{product}`")
    if standing.stands.imsi not in (None, imsi):
        # Another card: the old one is not left in the network.
        refused = remove(flow, standing)
        if refused is not None:
            return refused
    wanted = {"imsi": imsi, "msisdn": subscriber.msisdn, "profile": profile, "state": "active"}
    found = look(flow, standing, imsi)
    if found is not None:
        return change(flow, standing, found, wanted)
    return make(flow, standing, wanted)


def make(flow: Flow, standing: Applied[Standing], wanted: dict[str, Any]) -> str | None:
    for _ in range(TRIES_MAX):
        standing.stands.imsi = wanted["imsi"]
        standing.say(flow)  # Before it is made: the answer may be lost.
        refused = None
        match flow.act("create", Request.post("/subscribers").json(wanted)):
            case Answered(response) if response.is_success:
                return None
            case Answered(response) if response.status in (401, 403, 408, 429, 503):
                busy(flow, "create", response)
            case Answered(response) if 400 <= response.status < 500:
                refused = reason("create", response)
            # Any other may be a proxy's answer, which is as good as none.
        # Its answer was lost, or one that was lost before has made it after all.
        found = look(flow, standing, wanted["imsi"])
        if found is not None:
            return change(flow, standing, found, wanted)
        if refused is not None:
            standing.stands.imsi = None
            return refused
    flow.park("in-doubt", "nobody can say whether the subscriber was made")


def suspend(flow: Flow, standing: Applied[Standing]) -> str | None:
    """Who must not be served is switched off, and the record kept."""
    imsi = standing.stands.imsi
    if imsi is None:
        return None
    found = look(flow, standing, imsi)
    if found is not None:
        return change(flow, standing, found, {"imsi": imsi, "state": "suspended"})
    standing.stands.imsi = None
    return None


def remove(flow: Flow, standing: Applied[Standing]) -> str | None:
    if standing.stands.imsi is None:
        return None
    found = look(flow, standing, standing.stands.imsi)
    if found is not None:
        response = flow.ask("delete", at("DELETE", found))
        if response.status != 404:
            refused = judged(flow, "delete", response)
            if refused is not None:
                return refused
    standing.stands.imsi = None
    return None


def change(flow: Flow, standing: Applied[Standing], found: Any, wanted: dict[str, Any]) -> str | None:
    """Changes what was found, where it is not yet as it is wanted."""
    standing.stands.imsi = wanted["imsi"]
    standing.say(flow)
    other = {name: value for name, value in wanted.items() if found.get(name) != value}
    if not other:
        return None
    response = flow.ask("change", at("PATCH", found).json(other))
    return judged(flow, "change", response)


def look(flow: Flow, standing: Applied[Standing], imsi: str) -> dict[str, Any] | None:
    """The subscriber of that IMSI. An answer that is not 2xx never means that there is none."""
    standing.say(flow)
    response = flow.ask("look", Request.get("/subscribers").query("imsi", imsi))
    found = response.json()
    if not response.is_success or not isinstance(found, list):
        flow.again("look-failed", f"look: {response.status}")
    ours = next((one for one in found if text_member(one, "imsi") == imsi), None)
    if ours is not None and text_member(ours, "id") is None:
        flow.park("not-understood", "the subscriber has no id that is a text")
    return ours


def at(method: str, found: dict[str, Any]) -> Request:
    """A request to the subscriber that was found."""
    return Request.new(method, "/subscribers").segment(found["id"])


def judged(flow: Flow, label: str, response: Response) -> str | None:
    """What the answer to a request that may be repeated means."""
    if response.is_success:
        return None
    if response.status in (401, 403, 408, 429) or response.status >= 500:
        busy(flow, label, response)
    return reason(label, response)


def busy(flow: Flow, label: str, response: Response) -> NoReturn:
    """It is the trouble of the group and not of the account: later."""
    flow.again("busy", f"{label}: {response.status}")


def reason(label: str, response: Response) -> str:
    """Why it is refused, in the system's own words where it has some."""
    said = text_member(response.json(), "reason")
    return f"{label}: {response.status}" if said is None else said


export(Hss)
