"""JSON text, read and written as strictly as the host does it."""

import json
import re
from typing import Any

# Deeper than this nobody writes, and a parser's stack has an end.
_DEPTH_MAX = 128
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def read(text: str | bytes) -> Any:
    """The value of a JSON text. Raises `ValueError` when it is none."""
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    if _depth(text) > _DEPTH_MAX:
        raise ValueError(f"it is nested more than {_DEPTH_MAX} times")
    value = json.loads(text, parse_constant=_no_number)
    if "\\u" in text:
        # Half a character of UTF-16 is none, and could not be sent on.
        write(value).encode("utf-8")
    return value


def write(value: Any) -> str:
    """A value as JSON text, its members by name: the same value is always the same text."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def member(value: Any, *names: str | int) -> Any:
    """What stands there, by names of members and places in lists. `None` when there is nothing."""
    for name in names:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and -len(value) <= name < len(value):
            value = value[name]
        else:
            return None
    return value


def text_member(value: Any, *names: str | int) -> str | None:
    """The text that stands there. `None` when there is none."""
    found = member(value, *names)
    return found if isinstance(found, str) else None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _depth(text: str) -> int:
    if text.count("[") + text.count("{") <= _DEPTH_MAX:
        return 0
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        match found.group():
            case "[" | "{":
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}":
                depth -= 1
    return deepest
