from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from experiments.cli import main as cli
from experiments.cli.main import main
from experiments.cli.output import BAD_INPUT
from experiments.config.quick import LIMITS

COMMANDS = sorted(
    command.name or command.callback.__name__ for module in cli.COMMANDS for command in module.app.registered_commands
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(run_cli, command):
    code, out, _ = run_cli(command, "--help")
    assert code == 0
    assert f"Example: nas {command}" in " ".join(out.split())


def test_no_command_got_lost():
    assert [
        *("ablate", "benchmark", "compare", "config", "configs", "count", "detect", "divergence", "draw", "evaluate"),
        *("export", "import-weights", "init", "plugins", "report", "robustness", "schema", "score", "search"),
        *("segment", "select", "status", "train", "watch"),
    ] == COMMANDS
    assert [group.name for group in cli.app.registered_groups if isinstance(group.name, str)] == ["study", "latency"]


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom experiments.cli.main import main\nmain(['--help'])\n"
        "assert not {'torch', 'ray', 'matplotlib', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout


def test_without_arguments_the_help_is_shown(run_cli):
    code, out, err = run_cli()
    assert code == BAD_INPUT
    assert "Commands" in out + err
    assert "error" not in err


def test_the_process_is_asked_for_arguments(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nas", "status", "/no/such/run"])
    assert main() == BAD_INPUT
    assert "there is no folder /no/such/run" in capsys.readouterr().err
    assert cli.app.info.name == "nas"


def test_an_unknown_command_is_one_line(run_cli):
    code, _, err = run_cli("serch")
    assert (code, err.count("\n"), "No such command 'serch'" in err) == (BAD_INPUT, 1, True)


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "experiments.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, "Usage: nas" in done.stdout) == (0, True)


def test_the_version_is_that_of_the_package(run_cli):
    assert run_cli("--version") == (0, f"nas-engine {importlib.metadata.version('nas-engine')}\n", "")


@pytest.mark.parametrize("command", ["search", "count"])
def test_h_is_short_for_help(run_cli, command):
    assert run_cli(command, "-h")[1] == run_cli(command, "--help")[1]
    assert "--install-completion" in run_cli("-h")[1]


def test_a_command_says_that_it_starts_before_it_loads_torch(run_cli, monkeypatch, tmp_path):
    assert "starting" not in run_cli("status", tmp_path)[2]  # torch is loaded here
    monkeypatch.delitem(sys.modules, "torch")
    assert run_cli("status", tmp_path)[2].startswith("nas status: starting\n")


@pytest.mark.parametrize("command", [*LIMITS, "benchmark"])
def test_every_command_that_trains_or_searches_can_be_quick(run_cli, command):
    assert "--quick" in run_cli(*command.split(), "--help")[1]
