from __future__ import annotations

import errno
import io
import json

import pytest
from rich.console import Console

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.run import compare_runs, print_comparison, write_comparison
from experiments.runs.data_record import read_data_record, write_data_record
from nas.data.identity import identify_files
from nas.data.report import DataReport
from nas.files.storage import StorageError
from nas.trial import Failure, Success


@pytest.fixture(scope="module")
def runs(write_run):
    return [write_run(f"{name}-{seed}", name, seed) for name in ("random", "ppo") for seed in range(2)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("compared") / "deep" / "out"


@pytest.fixture(scope="module")
def compared(runs, out):
    return compare_runs(runs, out)


def printed(comparison, width=120):
    console = Console(file=io.StringIO(), width=width)
    print_comparison(comparison, console)
    return console.file.getvalue()


def test_runs_are_compared_and_everything_is_written(compared, out):
    names = ["comparison.json", "curves.png", "curves.svg", "differences.png", "differences.svg", "report.html"]
    assert list(compared.files) == [str(out / name) for name in names]
    assert all((out / name).stat().st_size > 1000 for name in names)
    stored = json.loads((out / "comparison.json").read_text(), parse_constant=pytest.fail)
    assert stored == {key: value for key, value in compared.to_json().items() if key != "files"}
    assert [each["name"] for each in stored["strategies"]] == ["ppo", "random"]
    assert stored["strategies"][0]["final"]["value"] > stored["strategies"][1]["final"]["value"]
    assert stored["objections"] == []


def test_the_best_are_given_with_their_architectures(compared, make_trial):
    best = compared.strategies[0].best[0]
    assert best.architecture == make_trial(best.trial).architecture.to_json()
    assert (best.num_parameters, best.num_multiply_adds) == (1000, 20_000)


def test_configuration_and_environment_show_what_differs(compared, runs):
    assert compared.configuration.common["recipe.epochs"] == 3
    differing = {row.key for row in compared.configuration.differing}
    assert differing == {"controller.name", "data.root", "search.seed"}
    assert compared.environment.common == {"python": "3.12.0"}
    assert compared.environment.differing[0].values[str(runs[1])] == 3


def test_single_runs_are_drawn_and_not_tested(write_run, tmp_path):
    out = tmp_path / "out"
    comparison = compare_runs([write_run("a", "ppo", 0), write_run("b", "random", 0)], out)
    assert sorted(path.name for path in out.iterdir()) == ["comparison.json", "curves.png", "curves.svg", "report.html"]
    assert "No test is possible" in comparison.verdict[0]


def test_runs_that_differ_are_refused_unless_forced_and_unfinished_ones_named(write_run, tmp_path):
    runs = [
        write_run("a", "ppo", 0, search__num_trials=9),
        write_run("b", "random", 0, search__num_trials=9, recipe__epochs=9),
    ]
    with pytest.raises(ValueError, match=r"are not comparable .*: recipe.epochs is 3 in .*, 9 in"):
        compare_runs(runs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    comparison = compare_runs(runs, tmp_path / "out", force=True)
    assert "recipe.epochs is 3" in comparison.objections[0]
    assert comparison.notes[0].startswith("The comparison was forced")
    assert f"{runs[0]} is not finished: 6 of 9 trials." in comparison.notes
    assert "The comparison was forced" in (tmp_path / "out" / "report.html").read_text()


def test_many_differences_are_cut_short(write_run, tmp_path):
    changes = {f"recipe__setting_{place}": place for place in range(11)}
    runs = [write_run("a", "ppo", 0), write_run("b", "random", 0, **changes)]
    with pytest.raises(ValueError, match=r"recipe.setting_0 is .*; and 3 more$"):
        compare_runs(runs, tmp_path / "out")


def test_no_run_and_a_run_twice_are_refused(write_run, tmp_path):
    with pytest.raises(ValueError, match="at least one run"):
        compare_runs([], tmp_path / "out")
    run = write_run("a", "ppo", 0)
    with pytest.raises(ValueError, match="each run must be given once"):
        compare_runs([run, run / ".." / run.name], tmp_path / "out")


def test_one_run_alone_is_shown_with_its_failures(write_run, tmp_path):
    outcomes = [Failure(0, "timeout", "x", 4.0), Success(1, 0.5, 1, 1, 2.0), Success(2, 0.4, 1, 1, cached=True)]
    comparison = compare_runs([write_run("a", "ppo", 0, outcomes=outcomes)], tmp_path / "out")
    assert comparison.verdict == ("PPO is the only strategy, so there is no comparison.",)
    trials = comparison.strategies[0].trials
    assert (trials.trained, trials.cached, trials.failed) == (1, 1, {"timeout": 1})


def test_comparisons_of_plain_arrays_are_written_as_well(make_strategy, tmp_path):
    comparison = compare_strategies(
        [make_strategy("ppo", seeds=2, trials=12), make_strategy("random", seeds=2, trials=12)]
    )
    assert write_comparison(comparison, tmp_path)[-1] == str(tmp_path / "report.html")
    assert "PPO" in printed(comparison)


def test_printing_shows_strategies_and_verdict(compared):
    text = printed(compared)
    assert "validation accuracy, %" in text
    assert "random search" in text
    assert "The difference between PPO and random search after 6 trials is not significant" in text
    assert "report.html" in text


def test_printing_takes_names_as_they_are(make_strategy):
    comparison = compare_strategies([make_strategy("[bold]x[/nonsense]", seeds=1)])
    assert "[bold]x[/nonsense]" in printed(comparison)


def images(**files):
    identity = identify_files({name: (1, digest) for name, digest in files.items()})
    return DataReport({"training images": len(files)}, identity=identity)


def test_runs_on_different_images_are_not_compared_unless_that_is_accepted(write_run, tmp_path):
    runs = [write_run(f"own-{name}", name, 0) for name in ("random", "ppo")]
    compare_runs(runs, tmp_path / "unknown")
    for run in runs:
        write_data_record(run, images(a="x", b="y"), None)
    same = compare_runs(runs, tmp_path / "same")
    assert same.objections == ()
    write_data_record(runs[1], images(a="z"), None)
    message = (
        r"\(--accept-data to compare\): the images of .*own-ppo.* differ .*own-random.* \(1 file gone \(b\); 1 file ch"
    )
    with pytest.raises(ValueError, match=message):
        compare_runs(runs, tmp_path / "other")
    accepted = compare_runs(runs, tmp_path / "other", accept_data=True)
    assert "1 file gone (b)" in accepted.objections[0]
    assert "1 file gone (b)" in printed(accepted)
    write_data_record(runs[1], images(a="x", b="y"), read_data_record(runs[1]))
    with pytest.raises(ValueError, match=r"the images changed while .*own-ppo.* ran"):
        compare_runs(runs, tmp_path / "changed")


def test_runs_without_a_record_of_their_images_are_named(compared):
    assert any("were not recorded and could not be compared" in note for note in compared.notes)


def test_a_full_disk_is_named_with_its_file(compared, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("nas.files.atomic_write.os.fsync", full)
    with pytest.raises(StorageError, match=r"comparison\.json") as raised:
        write_comparison(compared, tmp_path / "out")
    assert "No space left on device" in str(raised.value)
