"""Orders a service for each account from an order management system that speaks REST, and waits until the
order is done: by a notification, or by looking from time to time.

Begin at `flow`, the life of an operation. Change the paths and the members to those of your system.
"""

from typing import Any

import flow as life
from config import SCHEMA, Config
from punchdown_adapter import (
    Adapter,
    Description,
    Flow,
    Key,
    Notification,
    Operation,
    Otherwise,
    Problem,
    Reading,
    Response,
    Signal,
    Trouble,
    export,
    settings,
    text_member,
)


class Oms(Adapter):
    """The adapter."""

    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Orders a service for each account by REST.",
            queries=["account_info"],
            config_schema=SCHEMA,
        )

    def check_config(self, config: Any) -> list[Problem]:
        return settings.problems(config, Config.read)

    def provision(self, flow: Flow, operation: Operation) -> None:
        life.provision(flow, operation)

    def read_notification(self, config: Any, notification: Notification) -> Reading:
        notice = notification.body.json()
        order = text_member(notice, "orderId")
        if order is None:
            return Reading(Response(202), unread=Trouble("not-understood", "no notice of an order"))
        # It may come before the answer that names the order.
        signal = Signal(Key(order), payload=notice, otherwise=Otherwise.KEEP)
        return Reading(Response(204), [signal])


export(Oms)
