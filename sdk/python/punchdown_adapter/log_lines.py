"""Log lines."""

import sys
from collections.abc import Callable
from enum import Enum


class Level(Enum):
    """How much a line matters."""

    DEBUG = "debug"
    """For whoever writes the adapter."""
    INFO = "info"
    """For whoever wonders how it went."""
    WARN = "warn"
    """Something is odd."""
    ERROR = "error"
    """Something is wrong."""


def _to_standard_error(level: Level, message: str) -> None:
    print(f"{level.value}: {message}", file=sys.stderr)


_write: Callable[[Level, str], None] = _to_standard_error


def log(level: Level, message: object) -> None:
    """Writes a line to the host's log; natively, in tests, to standard error.

    Every re-run writes it again, so it says what a question found, not what happened.
    """
    _write(level, str(message))


def write_with(write: Callable[[Level, str], None]) -> None:
    """Hands all lines to `write`. For `component` alone."""
    global _write
    _write = write
