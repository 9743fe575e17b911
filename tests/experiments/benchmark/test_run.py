"""The benchmark of controllers on a table: the real loop over seeds, kept run by run, continued."""

import io
import json

import pytest
from rich.console import Console

from experiments.benchmark import run
from experiments.benchmark.run import Benchmark, run_benchmark
from nas.edge_cell import EdgeCell

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """All cells of two operations an edge: the more convolutions, the better."""
    path = tmp_path_factory.mktemp("table") / "table.csv"
    lines = ["arch,valid,test,seconds"]
    for code in range(2**6):
        ops = [OPS[2 + (code >> edge & 1)] for edge in range(6)]
        cell = f"|{ops[0]}~0|+|{ops[1]}~0|{ops[2]}~1|+|{ops[3]}~0|{ops[4]}~1|{ops[5]}~2|"
        worth = 60 + 5 * ops.count("nor_conv_3x3")
        lines.append(f"{cell},{worth},{worth - 1},{10 + code}")
    path.write_text("\n".join(lines) + "\n")
    return path


def benchmark(table, **settings):
    values = {"controllers": ("random", "evolution"), "num_trials": 30, "num_seeds": 2, "num_processes": 1}
    return Benchmark(table, **(values | settings))


@pytest.fixture(scope="module")
def done(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmark")
    return out, run_benchmark(benchmark(table), out, Console(quiet=True))


def test_each_controller_and_seed_has_a_run_and_all_are_compared(done):
    out, comparisons = done
    assert len(list((out / "runs").glob("*.json"))) == 4
    (comparison,) = comparisons.values()
    assert [len(strategy.runs) for strategy in comparison.strategies] == [2, 2]
    assert "comparison.json" in " ".join(map(str, comparison.files))
    json.dumps(comparison.to_json(), allow_nan=False)


def test_the_comparison_says_what_was_compared(done, table):
    _, comparisons = done
    comparison = comparisons[""]
    common = comparison.configuration.common
    assert common["table.file"] == table.name
    assert (common["table.valid"], common["table.test"], common["table.seconds"]) == ("valid", "test", "seconds")
    assert (common["num_trials"], common["num_seeds"], common["failure_reward"]) == (30, 2, 0.0)
    assert len(common["table.sha256"]) == 64
    differing = {row.key: row.values for row in comparison.configuration.differing}
    assert differing["controller.name"] == {"random": "random", "evolution": "evolution"}
    assert differing["controller.population_size"] == {"random": None, "evolution": 10}
    assert comparison.environment.common["python"]


def test_the_best_are_named_by_what_they_are(done, table):
    out, comparisons = done
    for strategy in comparisons[""].strategies:
        best = strategy.best[0]
        assert best.architecture["arch"] in table.read_text()
        assert best.fingerprint == EdgeCell.from_json(best.architecture).fingerprint
        assert best.trial in range(30)
    report = (out / "report.html").read_text()
    for part in ("Configuration", "Environment", "table.sha256", "controller.population_size", "Cell of the best of"):
        assert part in report


def test_the_runs_of_strategies_share_no_random_numbers(table):
    jobs = benchmark(table, controllers=("random", "evolution"), num_workers=(1, 4)).jobs()
    assert len({job.derived_seed for job in jobs}) == len(jobs) == 8


def test_controllers_that_differ_in_name_only_are_refused(table):
    for twice in (("ppo", "ppo:batch_size=10"), ("evolution:population_size=10", "evolution")):
        with pytest.raises(ValueError, match="controllers must differ in their settings, got"):
            benchmark(table, controllers=twice).jobs()


def test_what_is_there_is_not_run_again(done, table):
    out, _ = done
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")}
    removed = min(before)
    text = removed.read_text()
    removed.unlink()
    run_benchmark(benchmark(table), out, Console(quiet=True))
    after = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*.json")}
    assert {path for path in after if after[path] != before[path]} == {removed}
    assert removed.read_text() == text


def test_a_folder_of_another_length_of_run_is_refused(done, table):
    out, _ = done
    with pytest.raises(ValueError, match="num_trials"):
        run_benchmark(benchmark(table, num_trials=20), out, Console(quiet=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_trials": 0}, "num_trials must be between 1 and 10,000,000, got 0"),
        ({"num_seeds": -1}, "num_seeds must be between 1 and 100,000, got -1"),
        ({"controllers": ()}, "controllers must be one or more, each once, got none"),
        ({"controllers": ("random", "random")}, "each once"),
        ({"num_workers": (1, 0)}, "num_workers must be between 1 and 1,000,000, got 0"),
        ({"num_trials": 10**11}, "num_trials must be between 1 and 10,000,000, got 100,000,000,000"),
        ({"num_workers": (1, 10**9)}, "num_workers must be between 1 and 1,000,000, got 1,000,000,000"),
    ],
)
def test_impossible_benchmarks_are_refused(table, settings, message):
    with pytest.raises(ValueError, match=message):
        benchmark(table, **settings)


def test_a_table_of_a_part_of_the_space_says_so_and_no_run_may_fail_throughout(table, tmp_path, capsys):
    lines = table.read_text().splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join([lines[0], lines[1], lines[-1]]) + "\n")
    with pytest.raises(ValueError, match="random, seed 0: no trial was successful"):
        run_benchmark(benchmark(part, controllers=("random",), num_trials=3), tmp_path / "out", Console(width=200))
    assert "2 of the space's 64 architectures; the others are failures" in capsys.readouterr().out


def test_the_columns_that_are_read_are_said(tmp_path, monkeypatch):
    def stop(*_):
        raise InterruptedError

    monkeypatch.setattr(run, "run_jobs", stop)
    path = tmp_path / "table.csv"
    path.write_text(
        "arch,valid_top1,valid_top5,test_top1,test_top5,seconds\n|a~0|,50,90,51,91,1\n|b~0|,60,95,61,96,1\n"
    )
    console = Console(record=True, file=io.StringIO(), width=200)
    with pytest.raises(InterruptedError):
        run_benchmark(benchmark(path, controllers=("random",), num_seeds=1), tmp_path / "out", console)
    assert "accuracy is valid_top5, tested by test_top5, time seconds" in console.export_text()
