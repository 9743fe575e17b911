import io
import json

import pytest
import yaml
from rich.console import Console

from experiments.tournament.run import SelectOptions, print_selection, run_select
from nas.models.checkpoint import load_checkpoint
from nas.trial import Failure, Success
from workers.tune.tournament import Rules

TRAINING = {
    "training": {"seed": 0},
    "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1},
    "recipe": {"epochs": 3, "batch_size": 50, "reference_batch": 50, "learning_rate": 0.1, "flip": False},
    "data": {"name": "digits", "num_train": 100, "validation_fraction": 0.25},
}
ACCURACIES = (0.5, 0.9, 0.7, 0.8, 0.6)
OPTIONS = SelectOptions(top=2, random=2, rules=Rules(grace_epochs=1))


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
    ("settings", "message"),
    [
        ({"top": 0}, "top must be at least 1 and random at least 0, got 0 and 8"),
        ({"random": -1}, "got 8 and -1"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_impossible_options_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SelectOptions(**settings)


def test_a_tournament_ends_with_a_result_and_the_winners_network(ray_cluster, search, config, tmp_path):
    out, stream = tmp_path / "out", io.StringIO()
    result = run_select(search, config, out, OPTIONS, Console(file=stream))
    assert json.loads((out / "tournament.json").read_text()) == result
    ranking = result["ranking"]
    assert {row["trial"] for row in ranking if row["chosen"]} == {1, 3}
    assert ranking[0]["epochs"] == 3
    assert result["epochs"]["in_full"] == 12
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
        "opened now and for the winner alone",
        "network.safetensors",
        f"│ {ranking[0]['trial']} │",
    ):
        assert part.replace(" ", "") in text.replace(" ", "")

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"}
    assert run_select(search, config, out, OPTIONS, Console(file=stream)) == result
    assert "is finished" in stream.getvalue()
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"} == before

    (out / "tournament.json").unlink()  # as if it had been killed before the end
    assert run_select(search, config, out, OPTIONS, Console(file=stream)) == result
    other = SelectOptions(top=1, random=2, rules=Rules(grace_epochs=1))
    with pytest.raises(ValueError, match=r"holds another tournament \(tournament.random|tournament.top"):
        run_select(search, config, out, other, Console(file=stream))


def test_a_folder_of_something_else_is_refused(search, config, finished_run):
    with pytest.raises(ValueError, match="holds something else than a tournament"):
        run_select(search, config, finished_run, OPTIONS, Console(quiet=True))


def test_several_workers_for_one_candidate_are_refused(search, tmp_path):
    path = tmp_path / "training.yaml"
    path.write_text(yaml.safe_dump({**TRAINING, "workers": {"num_workers": 2}}))
    with pytest.raises(ValueError, match=r"each candidate is trained by one worker, got workers.num_workers 2"):
        run_select(search, str(path), tmp_path / "out", OPTIONS, Console(quiet=True))
