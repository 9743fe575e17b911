"""Output of commands: JSON, and errors as one line with an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer
import typer.core

from experiments.runs.printing import one_line

if TYPE_CHECKING:
    from rich.console import Console

BAD_INPUT, INTERNAL_ERROR, INTERRUPTED = 2, 1, 130
MAX_ERROR = 1000

_UsageError: type[Exception] = typer.BadParameter.__mro__[2]
"""ClickException: typer may bring its own copy of click, and does not export the class."""


class AnnouncedCommand(typer.core.TyperCommand):
    """A command that says that it starts before it loads libraries for seconds, on stderr."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in the base class
        """Runs the command."""
        if "torch" not in sys.modules:
            typer.echo(f"{ctx.command_path}: starting", err=True)
        return super().invoke(ctx)


def print_json(value: Any) -> None:  # noqa: ANN401 - plain data of any form
    """Prints plain data as JSON."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_result(result: Any, show: Callable[[Any, Console], None], *, as_json: bool) -> None:  # noqa: ANN401
    """Prints a result as JSON, which its `to_json` returns, or with `show`."""
    from rich.console import Console

    if as_json:
        print_json(result.to_json())
    else:
        show(result, Console())


def report_errors(command: Callable[[], object]) -> int:
    """Runs a command and turns whatever it raises into one line on stderr.

    Returns:
        The command's exit code, 0 if it returns none; 2 for bad input, 130 after Ctrl-C, 1 for an internal error.
    """
    try:
        code = command()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except _UsageError as error:
        return _complain(_usage(error), error, BAD_INPUT)
    except (ValueError, OSError, RuntimeError) as error:
        return _complain(_plain(error), error, BAD_INPUT)
    except Exception as error:  # the last resort: a line that asks for a report, not a traceback
        text = f"internal error, please report it with the traceback that NAS_DEBUG=1 shows: {type(error).__name__}: "
        return _complain(f"{text}{error}", error, INTERNAL_ERROR)
    return code if isinstance(code, int) else 0


def _plain(error: Exception) -> str:
    """The message of an error of the input: of a section that is not valid its first fault, of a file its name."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r:.60}"
    return str(error)


def _complain(text: str, error: BaseException, code: int) -> int:
    if os.environ.get("NAS_DEBUG"):
        raise error
    if text:
        print("error:", one_line(text)[:MAX_ERROR], file=sys.stderr)
    return code


def _usage(error: Exception) -> str:
    """The error in the arguments, and where help is; nothing where the help itself was just shown."""
    format_message, context = getattr(error, "format_message", None), getattr(error, "ctx", None)
    message = str(format_message() if format_message else error)
    return f"{message} (see {context.command_path} --help)" if message and context else message
