from __future__ import annotations

import json

import pytest
import typer

from experiments.cli.main import main
from experiments.cli.output import BAD_INPUT, INTERNAL_ERROR, INTERRUPTED, MAX_ERROR, print_json, report_errors


def _raising(error: BaseException):
    def run_status(_path: object) -> None:
        raise error

    return run_status


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyboardInterrupt(), INTERRUPTED, ""),
        (OSError(28, "No space left on device"), BAD_INPUT, "error: [Errno 28] No space left on device\n"),
        (RuntimeError("first\nsecond"), BAD_INPUT, "error: first second\n"),
        (
            KeyError("x"),
            INTERNAL_ERROR,
            "error: internal error, please report it with the traceback that NAS_DEBUG=1 shows: KeyError: 'x'\n",
        ),
    ],
)
def test_no_error_shows_a_traceback(run_cli, monkeypatch, error, code, text):
    monkeypatch.setattr("experiments.search.status.run_status", _raising(error))
    assert run_cli("status", "run")[::2] == (code, text)


def test_the_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv("NAS_DEBUG", "1")
    monkeypatch.setattr("experiments.search.status.run_status", _raising(KeyError("x")))
    with pytest.raises(KeyError):
        main(["status", "run"])


def test_a_command_may_return_its_exit_code(capsys):
    assert report_errors(lambda: 7) == 7
    assert report_errors(lambda: None) == report_errors(lambda: "text") == 0
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_at_a_prompt_says_nothing(capsys):
    def abort():
        raise typer.Abort

    assert report_errors(abort) == INTERRUPTED
    assert capsys.readouterr().err == ""


def test_an_error_is_short_and_cannot_steer_the_terminal(capsys):
    def fail():
        raise ValueError("\x1b[2J" + "x" * 5000)

    assert report_errors(fail) == BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: ?[2Jxxx")
    assert len(said) == len("error: ") + MAX_ERROR + 1


def test_json_is_strict(capsys):
    print_json({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}
    with pytest.raises(ValueError, match="nan"):
        print_json({"a": float("nan")})
