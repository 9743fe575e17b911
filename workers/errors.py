"""The text and kind of exceptions, as outcomes and messages hold them. Loads without torch and Ray."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.trial import FailureKind

_MEMORY_TEXTS = ("DefaultCPUAllocator", "CUDA error: out of memory", "_ALLOC_FAILED")  # the last: cuBLAS and cuDNN
MAX_LENGTH = 2000
"""Characters of an error that an outcome holds."""


def describe_error(error: BaseException) -> str:
    """Type, message and origin of an exception, in one line of at most `MAX_LENGTH` characters."""
    last = traceback.extract_tb(error.__traceback__, limit=-1)
    origin = "".join(f" ({Path(frame.filename).name}:{frame.lineno} in {frame.name})" for frame in last)
    message = " ".join(safe_text(error).split())
    return f"{type(error).__name__}: {message}"[: MAX_LENGTH - len(origin)] + origin


def failure_kind(error: BaseException) -> FailureKind:
    """``out_of_memory``, also if that raised another error, or ``error``.

    torch's errors are recognized by name and text, so that torch is not imported.
    """
    cause = error.__cause__ or error.__context__
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if is_memory or any(text in safe_text(error) for text in _MEMORY_TEXTS):
        return "out_of_memory"
    return "error" if cause is None else failure_kind(cause)


def safe_text(value: Any, convert: Callable[[Any], str] = str) -> str:  # noqa: ANN401 - whatever an evaluator returns
    """Text of a value, even if its own ``__str__`` or ``__repr__`` raises."""
    try:
        return convert(value)
    except Exception as error:  # whatever foreign code raises
        return f"(a {type(value).__name__} that cannot be shown: {type(error).__name__})"


def first_line(error: Exception) -> str:
    """First line of a message of Ray, which may go on for pages, cut to 500 characters."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:500]


def last_line(error: Exception) -> str:
    """Last line of a message of Ray: in a remote traceback, the line that names the exception."""
    return next(reversed(str(error).strip().splitlines()), type(error).__name__)[:500]
