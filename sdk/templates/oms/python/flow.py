"""The life of an operation: settle what an earlier one left open, order, wait for the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from config import Config
from punchdown_adapter import (
    Answered,
    Applied,
    Flow,
    Notified,
    Operation,
    Request,
    Response,
    Status,
    Wait,
    Wanted,
    settings,
    text_member,
)

# How often an order is sent while nobody can say whether it arrived.
TRIES_MAX = 4


@dataclass(frozen=True)
class Service:
    profile: str
    state: str


@dataclass(frozen=True)
class Asked:
    external_id: str
    id: str | None = None
    """`None` until the system said so."""
    leaves: Service | None = None
    """What stands when it is done."""


@dataclass
class Standing:
    """What stands in the system for the account, as `applied` remembers it."""

    service: Service | None = None
    order: Asked | None = None
    """An order whose end is not known."""


@dataclass(frozen=True)
class End:
    """How an order ended: well, or why not."""

    failure: str | None = None


@dataclass(frozen=True)
class Order:
    """An order as the system shows it."""

    id: str
    state: str
    reason: str | None

    @classmethod
    def read(cls, shown: Any) -> Order | None:
        order = text_member(shown, "id")
        if order is None:
            order = text_member(shown, "orderId")  # As a notification calls it.
        state = text_member(shown, "state")
        if order is None or state is None:
            return None
        return cls(order, state, text_member(shown, "reason"))

    def end(self) -> End | None:
        """`None`: it goes on, and so does a state that nobody knows."""
        if self.state == "done":
            return End()
        if self.state in ("failed", "cancelled"):
            return End(self.state if self.reason is None else self.reason)
        return None


def provision(flow: Flow, operation: Operation) -> None:
    try:
        config = settings.read(operation.config, Config.read)
    except settings.BadSettings:
        flow.park("configuration", "it is not as it was checked")
    try:
        standing = Applied.of(Standing, operation.applied)
    except ValueError:
        flow.park("applied", "what stands was not written by this adapter")
    settle_earlier(flow, config, standing)
    wanted = next_order(flow, config, operation, standing)
    if wanted is None:
        standing.say(flow)
        flow.report(Status.OK)
        return
    action, service = wanted
    leaves = None if action == "delete" else service
    end = carry_out(flow, config, operation, standing, action, service, leaves)
    standing.stands.order = None
    if end.failure is None:
        standing.stands.service = leaves
    standing.say(flow)
    flow.report(Status.OK if end.failure is None else Status.FAILED, end.failure)


def carry_out(
    flow: Flow,
    config: Config,
    operation: Operation,
    standing: Applied[Standing],
    action: str,
    service: Service,
    leaves: Service | None,
) -> End:
    """Orders, and waits for the end."""
    body = {
        "externalId": operation.id,
        "account": operation.i_account,
        "action": action,
        "profile": service.profile,
        "state": service.state,
    }
    asked = Asked(operation.id, leaves=leaves)
    standing.stands.order = asked
    standing.say(flow)  # Before it is ordered: the answer may be lost.
    placed = place(flow, config, operation.id, body)
    if isinstance(placed, End):
        return placed
    flow.key(placed.id)
    standing.stands.order = replace(asked, id=placed.id)
    standing.say(flow)
    return follow(flow, config, placed)


def next_order(
    flow: Flow, config: Config, operation: Operation, standing: Applied[Standing]
) -> tuple[str, Service] | None:
    """What to order so that the system agrees with PortaBilling. `None`: it does."""
    stands = standing.stands.service
    if operation.wanted is Wanted.RUNNING:
        documents = operation.subscriber.documents if operation.subscriber else None
        product = text_member(documents, "account_info", "product_name") or ""
        profile = config.profiles.get(product)
        if profile is None:
            standing.say(flow)
            flow.park("profile-unknown", f"no profile for the product `{product}`")
        return "add" if stands is None else "change", Service(profile, "active")
    if stands is None:
        return None
    if operation.wanted is Wanted.SUSPENDED:
        return "change", replace(stands, state="suspended")
    return "delete", stands


def settle_earlier(flow: Flow, config: Config, standing: Applied[Standing]) -> None:
    """An earlier operation may have left an order open. It is cancelled; what counts is how it ended."""
    asked = standing.stands.order
    if asked is None:
        return
    if asked.id is None:
        found = find(flow, asked.external_id)
        asked = replace(asked, id=found.id if found else None)
    if asked.id is not None:
        flow.key(asked.id)  # News of it is ours from now on.
        standing.stands.order = asked
        standing.say(flow)
        response = flow.ask("cancel", Request.post("/orders").segment(asked.id).segment("cancel"))
        if is_trouble_of_the_group(response) or response.status >= 500:
            flow.again("busy", f"cancel: {response.status}")
        # A refusal is as good an answer as any: a look says what came of it.
        seen = look(flow, asked.id)
        if seen is not None and follow(flow, config, seen).failure is None:
            standing.stands.service = asked.leaves
    standing.stands.order = None


def place(flow: Flow, config: Config, external_id: str, body: dict[str, str]) -> Order | End:
    """Orders once. `End`: it is refused.

    When nobody knows whether the order arrived, it is looked for, and sent again only when it is not
    there.
    """
    for _ in range(TRIES_MAX):
        match flow.act("order", Request.post("/orders").json(body)):
            case Answered(response):
                taken = read_answer(flow, response)
                if taken is not None:
                    return taken
        found = find(flow, external_id)
        if found is not None:
            return found
        # What is not there at once may be under way still.
        flow.wait(Wait(config.poll_seconds))
        found = find(flow, external_id)
        if found is not None:
            return found
    flow.park("in-doubt", "nobody can say whether the order was taken")


def read_answer(flow: Flow, response: Response) -> Order | End | None:
    """The order that was taken, or why it was not. `None`: it may be a proxy's answer, as good as none."""
    shown = response.json()
    if is_trouble_of_the_group(response):
        flow.again("busy", f"order: {response.status}")
    if 400 <= response.status < 500:
        reason = text_member(shown, "reason")
        return End(f"order: {response.status}" if reason is None else reason)
    return Order.read(shown) if response.is_success else None


def follow(flow: Flow, config: Config, order: Order) -> End:
    """Sleeps until the order has come to its end."""
    end = order.end()
    if end is not None:
        return end
    wait = Wait(config.poll_seconds, gives_way=True)
    match flow.wait(wait):
        case Notified(notice):
            news = Order.read(notice)
            if news is not None and news.id != order.id:
                news = None
        case _:
            news = look(flow, order.id)
            if news is None:
                flow.park("order-lost", "the order was taken, and is not there any more")
    # What is no news, such as a notice of another order, does not end the wait.
    end = news.end() if news else None
    if end is None:
        flow.wait_on(wait)
    return end


def look(flow: Flow, order: str) -> Order | None:
    """The order of that id. `None`: it is not there."""
    response = flow.ask("look", Request.get("/orders").segment(order))
    if response.status == 404:
        return None
    seen = Order.read(response.json()) if response.is_success else None
    if seen is None:
        flow.again("look-failed", f"look: {response.status}")
    return seen


def find(flow: Flow, external_id: str) -> Order | None:
    """The order that has our name. An answer that is not 2xx never means that it is not there."""
    response = flow.ask("find", Request.get("/orders").query("externalId", external_id))
    orders = response.json()
    if not response.is_success or not isinstance(orders, list):
        flow.again("look-failed", f"find: {response.status}")
    ours = next((order for order in orders if text_member(order, "externalId") == external_id), None)
    if ours is None:
        return None
    # It is there: what cannot be read must not be ordered once more.
    order = Order.read(ours)
    if order is None:
        flow.park("not-understood", "the order has no id and state that are texts")
    return order


def is_trouble_of_the_group(response: Response) -> bool:
    """Nothing was done, and it is not the account's fault."""
    return response.status in (401, 403, 408, 429, 503)
