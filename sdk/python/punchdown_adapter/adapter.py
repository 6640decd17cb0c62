"""The questions that an adapter answers, and how they are asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from .errand import Errand
from .flow import Flow
from .notices import Notification, Reading
from .types import Description, Entry, Move, Operation, Problem, Progress, Standing


class Adapter(ABC):
    """The questions that an adapter answers. Every answer depends on the arguments alone.

    Each question is put to an adapter of its own, which nobody asks again: what it keeps is lost.
    """

    @abstractmethod
    def describe(self) -> Description:
        """What it is, and what it needs."""

    @abstractmethod
    def check_config(self, config: Any) -> list[Problem]:
        """All that is wrong with a group's configuration; empty when it will do."""

    @abstractmethod
    def provision(self, flow: Flow, operation: Operation) -> None:
        """Subscriber data to requests, from the first to the last. To return is `finish`."""

    @abstractmethod
    def read_notification(self, config: Any, notification: Notification) -> Reading:
        """A notification to the operations it speaks of."""


class LogIn(ABC):
    """For a system that wants a log-in first.

    The host does it once for all operations of a group, keeps what it brought in memory alone, and
    fills it in where a request says `fill(…, "session.<name>", …)`. An answer that says that the
    session has ended is for `Flow.renew`.
    """

    @abstractmethod
    def log_in(self, errand: Errand, config: Any) -> Standing:
        """Logs in, and says what the session has."""


class Register(ABC):
    """For a system that notifies only who has registered.

    The host does it once for a group, remembers what stands, and does it again when its time is up.
    """

    @abstractmethod
    def register_at(self, errand: Errand, config: Any, address: str, standing: Any) -> Standing:
        """Be registered at `address`.

        Every registration has one of its own; whatever comes to one that came to nothing is answered
        410. `standing` is what the last registration left, to be removed or replaced, and `None` when
        there was none: its address is closed soon after this one is granted.
        """

    @abstractmethod
    def unregister(self, errand: Errand, config: Any, standing: Any) -> None:
        """Be registered no more."""


def provision(adapter: type[Adapter], operation: Operation, history: Sequence[Entry]) -> Progress:
    """What comes next for `operation` after all that has happened: the contract's `provision`.

    Raises `Diverged` when the adapter would now take another way than the history shows.
    """
    flow = Flow(operation, history)
    return flow.run(lambda: adapter().provision(flow, operation))


def log_in(adapter: type[LogIn], config: Any, history: Sequence[Entry]) -> Move:
    """The next move of a log-in after all that has happened on its way: the contract's `log-in`."""
    errand = Errand(history)
    return errand.run(lambda: adapter().log_in(errand, config))


def register_at(
    adapter: type[Register], config: Any, address: str, standing: Any, history: Sequence[Entry]
) -> Move:
    """The next move of a registration: the contract's `register-at`."""
    errand = Errand(history)
    return errand.run(lambda: adapter().register_at(errand, config, address, standing))


def unregister(adapter: type[Register], config: Any, standing: Any, history: Sequence[Entry]) -> Move:
    """The next move of the end of a registration: the contract's `unregister`."""
    errand = Errand(history)

    def done() -> Standing:
        adapter().unregister(errand, config, standing)
        return Standing(None)

    return errand.run(done)
