"""Adapters that are nothing but a flow, and histories for them."""

from collections.abc import Callable

from punchdown_adapter import (
    Adapter,
    Answered,
    Description,
    Elapsed,
    Entry,
    Event,
    Exchanged,
    Flow,
    Happening,
    Notification,
    Notified,
    Operation,
    Problem,
    Progress,
    Reading,
    Response,
    Send,
    Unknown,
    Wanted,
    provision,
)

BEGAN = "2026-01-31T08:00:00Z"


class Story(Adapter):
    def describe(self) -> Description:
        raise NotImplementedError("a story is a flow and nothing else")

    def check_config(self, config: object) -> list[Problem]:
        return []

    def read_notification(self, config: object, notification: Notification) -> Reading:
        raise NotImplementedError("a story is a flow and nothing else")


def told(tell: Callable[[Flow], None], *history: Entry) -> Progress:
    class Told(Story):
        def provision(self, flow: Flow, operation: Operation) -> None:
            tell(flow)

    return provision(Told, operation(), history)


def operation() -> Operation:
    return Operation(
        id="operation-1",
        group="HSS",
        i_account="189",
        began=BEGAN,
        event=Event("1", "Account/New", BEGAN, {}, {}),
        wanted=Wanted.RUNNING,
        config={},
    )


def answered(label: str, status: int = 200) -> Entry:
    return entry(Exchanged(label, Answered(Response(status))))


def unknown(label: str) -> Entry:
    return entry(Exchanged(label, Unknown("no answer")))


def notified(word: str) -> Entry:
    return entry(Notified(word))


def elapsed() -> Entry:
    return entry(Elapsed())


def entry(what: Happening) -> Entry:
    return Entry("2026-01-31T08:00:20Z", what)


def asks(progress: Progress) -> tuple[str, str]:
    """What a decision sends, and how."""
    assert isinstance(progress.decision, Send)
    request = progress.decision.request
    return request.label, request.delivery.value
