"""What is done for a whole group, as straight-line code that is re-run: logging in, registering for
notifications."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

from .flow import Ahead, Fault
from .http import Delivery, Request, Response
from .types import Again, Entry, Fail, Move, Outcome, Ready, Send, Standing, Trouble


class Errand:
    """One run of an errand's code over all that has happened on its way.

    As a `Flow`, but there is no account, nothing to report and nothing to wait for.
    """

    def __init__(self, history: Sequence[Entry]) -> None:
        self._ahead = Ahead(history)
        self._move: Move | None = None

    def ask(self, label: str, request: Request) -> Response:
        """Sends a request that does twice what it does once.

        When it is not answered the host begins the errand anew.
        """
        outcome = self._exchange(label, Delivery.REPEATABLE, request)
        return self._ahead.answer(label, outcome)

    def act(self, label: str, request: Request) -> Outcome:
        """Sends a request that must not arrive twice: `Answered`, or `Unknown`, which wants a look."""
        return self._exchange(label, Delivery.AT_MOST_ONCE, request)

    def again(self, code: str, message: str) -> NoReturn:
        """Not now, and maybe later: the host begins the errand anew after a pause."""
        self._stop(Again(Trouble(code, message)))

    def fail(self, code: str, message: str) -> NoReturn:
        """It cannot be done without a person. The group's operations are held back, and none fails."""
        self._stop(Fail(Trouble(code, message)))

    def run(self, code: Callable[[], Standing]) -> Move:
        """What the code comes to. For the SDK alone."""
        standing = self._ahead.run(code)
        if self._move is not None:
            return self._move
        if not isinstance(standing, Standing):
            raise Fault(f"an errand that is done returns a Standing, and this one returned {standing!r}")
        self._ahead.end("comes to an end")
        return Ready(standing)

    def _exchange(self, label: str, delivery: Delivery, request: Request) -> Outcome:
        entry = self._ahead.next()
        if entry is None:
            self._stop(Send(replace(request, label=label, delivery=delivery)))
        return self._ahead.exchanged(entry, label)

    def _stop(self, move: Move) -> NoReturn:
        """Takes the first move; any later one comes from code that did not hear it."""
        self._ahead.go_on()
        self._ahead.end("comes to an end")
        self._move = move
        self._ahead.stop()
