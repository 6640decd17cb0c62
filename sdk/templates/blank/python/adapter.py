"""A blank adapter, to begin one of your own with: for a system that speaks SOAP and wants a log-in first,
as many platforms for VoIP, WiMAX, network access, number portability or lawful interception do.

It keeps one service for each account in a system that nobody sells, so change what is its own: the words
of `wire`, the settings of `config`, and what `flow` remembers. What it shows is the shape: look before
you create, remember what you made as soon as you ask for it, look again when an answer is lost, and
judge an answer by what it says and not by its status code.
"""

from typing import Any

import flow as life
import wire
from config import SCHEMA, BadConfig, Config
from punchdown_adapter import (
    Adapter,
    Description,
    Errand,
    Flow,
    LogIn,
    Notification,
    Operation,
    Problem,
    Reading,
    Response,
    Standing,
    export,
)
from wire import Call, Done, Refusal, Unclear


class Blank(Adapter, LogIn):
    """The adapter."""

    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Keeps a service for each account in a system that speaks SOAP.",
            queries=["account_info"],
            config_schema=SCHEMA,
            secrets=["user", "password"],
            secret_fields=["session"],
        )

    def check_config(self, config: Any) -> list[Problem]:
        try:
            Config.read(config)
        except BadConfig as bad:
            return bad.problems
        return []

    def provision(self, flow: Flow, operation: Operation) -> None:
        life.provision(flow, operation)

    def read_notification(self, config: Any, notification: Notification) -> Reading:
        # This system never notifies: it has done what it answers.
        return Reading(Response(204))

    def log_in(self, errand: Errand, config: Any) -> Standing:
        try:
            read = Config.read(config)
        except BadConfig:
            errand.fail("configuration", "it is not as it was checked")
        response = errand.ask("log-in", Call.log_in().request(read))
        match wire.read(response):
            case Done() as done:
                session, seconds = done.text("session"), done.text("seconds")
                if session is None:
                    errand.fail("no-session", "it let us in and gave no session")
                if seconds is not None and seconds.isascii() and seconds.isdigit():
                    return Standing({"id": session}, int(seconds))
                return Standing({"id": session})
            case Refusal("Client.Login", why):
                errand.fail("refused", why)
            case Refusal(_, why) | Unclear(why):
                errand.again("busy", why)


export(Blank)
