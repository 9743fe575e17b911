import io
import json

import pytest
import yaml
from rich.console import Console

from experiments.config.resolve import ConfigRequest
from experiments.tournament.run import print_selection, run_select
from nas.models.checkpoint import load_checkpoint
from nas.trial import Failure, Success

TRAINING = {
    "training": {"seed": 0},
    "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1},
    "recipe": {"epochs": 3, "batch_size": 50, "reference_batch": 50, "learning_rate": 0.1, "flip": False},
    "data": {"name": "digits", "num_train": 100, "validation_fraction": 0.25},
}
ACCURACIES = (0.5, 0.9, 0.7, 0.8, 0.6)
OPTIONS = {"top": 2, "random": 2, "grace_epochs": 1}


def select(search, config, out, console, *, workers=None, **options):
    changes = {("tournament", key): value for key, value in {"run": search, **OPTIONS, **options}.items()}
    return run_select(ConfigRequest(config, {**changes, ("workers", "num_workers"): workers}), out, console)


@pytest.fixture
def search(write_run):
    """A run of six trials of different architectures, of which the last failed."""
    outcomes = [Success(place, accuracy, 1000, 20_000, 2.0) for place, accuracy in enumerate(ACCURACIES)]
    return write_run("search", "random", 0, outcomes=[*outcomes, Failure(5, "diverged", "no", 1.0)])


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump(TRAINING))
    return str(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "tournament.top: .*greater than or equal to 1, got 0"),
        ({"random": -1}, "tournament.random: .*greater than or equal to 0, got -1"),
        ({"workers": 0}, "workers.num_workers: .*greater than or equal to 1, got 0"),
        ({"seed": -1}, "tournament.seed: .*greater than or equal to 0, got -1"),
        ({"grace_epochs": 0}, "tournament.grace_epochs: .*got 0"),
        ({"reduction_factor": 1}, "tournament.reduction_factor: .*greater than 1, got 1"),
    ],
)
def test_impossible_options_are_refused(search, config, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        select(search, config, tmp_path / "out", Console(quiet=True), **options)
    assert not (tmp_path / "out").exists()


def test_a_tournament_ends_with_a_result_and_the_winners_network(ray_cluster, search, config, tmp_path):
    out, stream, few = tmp_path / "out", io.StringIO(), {"top": 1, "random": 1, "workers": 1}
    result = select(search, config, out, Console(file=stream), **few)
    assert json.loads((out / "tournament.json").read_text()) == result
    ranking = result["ranking"]
    assert {row["trial"] for row in ranking if row["chosen"]} == {1}
    assert ranking[0]["epochs"] == 3
    assert result["epochs"]["in_full"] == 6
    winner = load_checkpoint(out / "network.safetensors")
    assert winner.accuracy == ranking[0]["accuracy"]
    assert set(result["test"]) == {"raw"}
    assert all((out / name).stat().st_size > 1000 for name in ("tournament.png", "tournament.svg"))
    (tested,) = (out / "candidates").glob("*/result.json")
    assert tested.parent.name == ranking[0]["name"]

    print_selection(result, Console(file=stream, width=120))
    text = stream.getvalue()
    for part in (
        "won with",
        "no other candidate was tested on them",
        "network.safetensors",
        f"│ {ranking[0]['trial']} │",
    ):
        assert part.replace(" ", "") in text.replace(" ", "")

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}
    assert select(search, config, out, Console(file=stream), **few) == result
    assert "is finished" in stream.getvalue()
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"} == before

    (out / "tournament.json").unlink()  # as if it had been killed before the end
    assert select(search, config, out, Console(file=stream), **few) == result
    message = r"holds a run with another configuration \(tournament.top: 1 in the folder, 2 requested\)"
    with pytest.raises(ValueError, match=message):
        select(search, config, out, Console(file=stream), **few | {"top": 2})


def test_a_folder_of_something_else_is_refused(search, config, finished_run):
    with pytest.raises(ValueError, match="holds a run of `nas search`; choose another --out"):
        select(search, config, finished_run, Console(quiet=True))


def test_several_workers_for_one_candidate_are_refused(search, tmp_path):
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump({**TRAINING, "workers": {"num_workers": 2}}))
    with pytest.raises(
        ValueError, match=r"each candidate of a tournament is trained by 1 worker, got workers.num_workers 2"
    ):
        select(search, str(path), tmp_path / "out", Console(quiet=True))
