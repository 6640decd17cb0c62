"""What an adapter leaves when its code fails: the trap itself says neither where nor why."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath
from types import TracebackType

from .flow import Fault


def last_words(error: BaseException) -> str:
    """What went wrong, and the innermost line of the author's where it did."""
    if isinstance(error, Fault):
        said = str(error)
    else:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    at = _author_line(error.__traceback__)
    return f"{said} ({at})" if at else said


def _author_line(traceback: TracebackType | None) -> str | None:
    foreign = os.path.dirname(__file__), os.path.dirname(os.__file__)
    at = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith((*foreign, "<")):
            at = f"{_short(file)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return at


def _short(file: str) -> str:
    """The file as its author knows it, below the folder that it was found in."""
    for folder in sorted(sys.path, key=len, reverse=True):
        if folder and PurePath(file).is_relative_to(folder):
            return str(PurePath(file).relative_to(folder))
    return file
