"""Adapters for Punchdown, in Python.

An adapter decides, the host acts: `Adapter` is four pure functions, and `export` makes a component of
them. `Flow` lets `provision` be written as straight-line code; `cases` tests all of it natively, from
files of given and expected.

There is no network here, no clock and no randomness, and nothing to initialise.

    class Line(Adapter):
        def provision(self, flow, operation):
            line = {"reference": operation.id, "account": operation.i_account}
            flow.applied(line)  # Before it is made: its answer may be lost.
            match flow.act("create-line", Request.post("/lines").json(line)):
                case Answered(response) if response.is_success:
                    flow.report(Status.OK)
                case Answered(response):
                    flow.park("refused", f"answered {response.status}")
                case Unknown(why):
                    flow.park("in-doubt", why)
"""

from . import settings, xml
from .adapter import Adapter, LogIn, Register, log_in, provision, register_at, unregister
from .applied import Applied
from .component import export
from .errand import Errand
from .flow import Diverged, Fault, Flow, Stop, Wait
from .http import Body, Delivery, Escape, Fill, Header, Request, Response
from .jsontext import member, text_member
from .log_lines import Level, log
from .notices import AccountId, Correlation, IAccount, Key, Notification, Otherwise, Reading, Signal
from .types import (
    AS_BEFORE,
    Again,
    Answered,
    Decision,
    Description,
    Elapsed,
    Entry,
    Event,
    Exchanged,
    Fail,
    Finish,
    Happening,
    Ignore,
    Move,
    Notified,
    Operation,
    Outcome,
    Park,
    Problem,
    Progress,
    Ready,
    Renew,
    Report,
    Send,
    Standing,
    Status,
    Subscriber,
    Trouble,
    Unknown,
    Waiting,
    Wanted,
)

__all__ = [
    "AS_BEFORE",
    "AccountId",
    "Adapter",
    "Again",
    "Answered",
    "Applied",
    "Body",
    "Correlation",
    "Decision",
    "Delivery",
    "Description",
    "Diverged",
    "Elapsed",
    "Entry",
    "Errand",
    "Escape",
    "Event",
    "Exchanged",
    "Fail",
    "Fault",
    "Fill",
    "Finish",
    "Flow",
    "Happening",
    "Header",
    "IAccount",
    "Ignore",
    "Key",
    "Level",
    "LogIn",
    "Move",
    "Notification",
    "Notified",
    "Operation",
    "Otherwise",
    "Outcome",
    "Park",
    "Problem",
    "Progress",
    "Reading",
    "Ready",
    "Register",
    "Renew",
    "Report",
    "Request",
    "Response",
    "Send",
    "Signal",
    "Standing",
    "Status",
    "Stop",
    "Subscriber",
    "Trouble",
    "Unknown",
    "Wait",
    "Waiting",
    "Wanted",
    "export",
    "log",
    "log_in",
    "member",
    "provision",
    "register_at",
    "settings",
    "text_member",
    "unregister",
    "xml",
]
