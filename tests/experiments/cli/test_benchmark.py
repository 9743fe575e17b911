from __future__ import annotations

import json

import pytest

from experiments.benchmark.run import Benchmark
from experiments.cli.benchmark import split, whole_numbers
from experiments.comparison.analysis import compare_strategies
from workers.evaluators.table import Columns


@pytest.fixture
def table(tmp_path):
    """A table of one cell, which is enough where the arguments are what is tested."""
    path = tmp_path / "table.csv"
    cell = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|"
    path.write_text(f"arch,valid,test,seconds\n{cell},91.5,90.5,10\n")
    return path


@pytest.fixture
def asked(monkeypatch, make_strategy):
    """What `run_benchmark`, which has tests of its own, is asked for."""
    calls = []
    strategies = [make_strategy(name, seeds=2) for name in ("random", "evolution")]

    def run_benchmark(benchmark, out, _console):
        calls.append((benchmark, out))
        comparison = compare_strategies(strategies)
        return {str(number): comparison for number in benchmark.num_workers}

    monkeypatch.setattr("experiments.benchmark.run.run_benchmark", run_benchmark)
    return calls


def test_options_reach_the_benchmark(run_cli, tmp_path, table, asked):
    options = (
        "--controllers",
        "random, evolution",
        "--trials",
        12,
        "--seeds",
        2,
        "--workers",
        "1,20",
        "--valid",
        "valid",
    )
    code, _, _ = run_cli("benchmark", "nasbench201", "--table", table, "--out", tmp_path / "out", *options)
    expected = Benchmark(table, ("random", "evolution"), 12, 2, (1, 20), Columns("valid"), None)
    assert (code, asked) == (0, [(expected, tmp_path / "out")])


def test_rungs_reach_the_benchmark(run_cli, tmp_path, table, asked):
    options = ("--rungs", "12=valid_12, 50=valid_50", "--eta", 8, "--seeds", 2)
    code, _, _ = run_cli("benchmark", "nasbench201", "--table", table, "--out", tmp_path / "out", *options)
    assert code == 0
    ((benchmark, _),) = asked
    assert (benchmark.rungs, benchmark.eta) == ({12: "valid_12", 50: "valid_50"}, 8.0)


def test_comparisons_are_printed_as_a_table_or_as_json(run_cli, tmp_path, table, asked):
    common = ("benchmark", "nasbench201", "--table", table, "--out", tmp_path / "out", "--workers")
    code, out, _ = run_cli(*common, "1", "--json")
    assert (code, list(json.loads(out))) == (0, ["1"])
    code, out, _ = run_cli(*common, "1,20")
    assert (code, "random search" in out, "\n20:\n" in out) == (0, True, True)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"--table": "missing.csv"}, "missing.csv"),
        ({"--controllers": "pop"}, "did you mean ppo?"),
        ({"--trials": "-1"}, "num_trials must be between 1 and 10,000,000, got -1"),
        ({"--workers": "1,many"}, "numbers must be whole"),
        ({"--rungs": "twelve=valid"}, "rungs must be EPOCHS=COLUMN with epochs of 1..199, got 'twelve=valid'"),
        ({"--rungs": "12=valid_12"}, "valid_12"),
    ],
)
def test_bad_arguments_give_one_clear_line(run_cli, tmp_path, table, changes, part):
    options = {"--table": table, "--seeds": 1, "--out": tmp_path / "out", **changes}
    code, _, err = run_cli("benchmark", "nasbench201", *(word for pair in options.items() for word in pair))
    assert code == 2
    assert part in err
    assert err.count("\n") == 1


def test_an_unknown_space_is_refused(run_cli, table, tmp_path):
    code, _, err = run_cli("benchmark", "nasbench", "--table", table, "--out", tmp_path / "out")
    assert code == 2
    assert "did you mean nasbench201?" in err


def test_lists_are_split_at_commas():
    assert split(" ppo, random,") == ("ppo", "random")
    assert whole_numbers("1, 20,500") == (1, 20, 500)


def test_the_command_explains_itself_with_an_example(run_cli):
    code, out, _ = run_cli("benchmark", "--help")
    assert code == 0
    assert "Example: nas benchmark" in " ".join(out.split())
