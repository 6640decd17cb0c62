"""As much of RFC 3339 as the age of an operation needs."""

import re
from datetime import datetime, timedelta

_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def between(earlier: str, later: str) -> timedelta:
    """The time from `earlier` to `later`; zero when they are the other way round.

    Raises `ValueError` when one of them is no instant of the contract: `2026-01-31T08:00:00.000Z`.
    """
    return max(_parse(later) - _parse(earlier), timedelta(0))


def _parse(instant: str) -> datetime:
    parts = _INSTANT.fullmatch(instant)
    if parts is None or instant < "1970":
        raise ValueError(f"`{instant}` is no instant in UTC since 1970")
    *numbers, fraction = parts.groups(default="0")
    year, month, day, hour, minute, second = map(int, numbers)
    return datetime(year, month, day, hour, minute, second, int(fraction.ljust(6, "0")[:6]))
