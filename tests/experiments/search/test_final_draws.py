"""Searches with shared weights, to their end: the draws with the final weights, and what takes them up."""

from __future__ import annotations

import io

import pytest
import yaml
from rich.console import Console

from experiments.architectures.find import find_architecture
from experiments.config.resolve import ConfigRequest
from experiments.config.search_config import SearchConfig
from experiments.config.training_config import TournamentSettings
from experiments.runs.run_folder import RunFolder
from experiments.search.final_draws import are_drawn
from experiments.search.run import run_search
from experiments.search.status import run_status
from experiments.tournament.candidates import choose_candidates
from nas.ledger.writer import read_ledger
from nas.trial import Success

SHARED = {
    "space": "tiny",
    "controller": "random",
    "evaluator": {"name": "shared_weights", "steps": 1, "checkpoint_trials": 2, "final_draws": 4},
    "search": {"num_trials": 5, "seed": 3},
    "network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1},
    "recipe": {"epochs": 1, "batch_size": 15, "flip": False, "crop_padding": 0},
    "data": {"name": "digits", "num_train": 80, "validation_fraction": 0.25},
    "workers": {"pool": "serial"},
}
"""Four trials train one step each, the fifth finds the training over."""


def run(folder, *, settings=(), **sections):
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**SHARED, **sections}))
    stream = io.StringIO()
    code = run_search(ConfigRequest(str(path), {}, tuple(settings)), folder, Console(file=stream, width=200))
    return code, stream.getvalue()


def outcomes(path):
    return [record.outcome for record in read_ledger(path).finished]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "run"
    return folder, *run(folder)


def test_trials_train_the_shared_weights_and_the_draws_are_scored_with_them(finished):
    folder, code, text = finished
    assert code == 0
    trained = outcomes(folder / "ledger.jsonl")
    assert ["train_loss" in outcome.metrics for outcome in trained] == [True] * 4 + [False]
    sizes = [outcome.metrics["num_tensors"] for outcome in trained[:4]]
    assert sizes == sorted(sizes)  # the store grows with what is visited
    drawn = read_ledger(folder / "draws-5.jsonl").finished
    assert len(drawn) == 4
    assert all(record.trial.fidelity.shared_steps == 0 for record in drawn)
    assert all(isinstance(record.outcome, Success) and not record.outcome.metrics for record in drawn)
    best = max(record.outcome.accuracy for record in drawn)
    assert f"best of 4 draws with the final shared weights: draw {_first(drawn, best)} with {best:.2%}" in text
    assert "nas select" in text
    assert run_status(folder).num_finished == 5


def _first(records, accuracy):
    return min(record.trial.id for record in records if record.outcome.accuracy == accuracy)


def test_no_outcome_is_taken_for_another(finished):
    """Trials of equal architecture are trained again; draws have another fidelity than trials, and both than others."""
    folder, _, _ = finished
    searched, drawn = (read_ledger(folder / name).finished for name in ("ledger.jsonl", "draws-5.jsonl"))
    fidelities = {record.trial.fidelity.fingerprint for record in (*searched, *drawn)}
    config = SearchConfig.parse({**SHARED, "evaluator": "train_and_validate"})
    assert len({*fidelities, config.fidelity.fingerprint}) == 3
    assert not any(record.outcome.cached for record in searched)


def test_the_best_draws_are_what_is_trained_from_scratch(finished):
    folder, _, _ = finished
    best = read_ledger(folder / "draws-5.jsonl").best(2)
    chosen = choose_candidates(TournamentSettings(str(folder), top=2, random=0))
    assert [entrant.trial for entrant, _ in chosen] == [record.trial.id for record in best]
    found = find_architecture(str(folder))
    assert found.architecture == best[0].trial.architecture
    assert found.weights is None


def test_a_finished_search_stays_as_it_is(finished):
    folder, _, _ = finished
    before = {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}
    code, text = run(folder)
    assert code == 0
    assert "is finished" in text
    assert {path.name: path.read_bytes() for path in folder.glob("*.jsonl")} == before


def _facts(path):
    return [
        (record.trial.rollout, record.outcome.accuracy, record.outcome.metrics) for record in read_ledger(path).finished
    ]


def test_a_search_in_one_process_is_reproducible(finished, tmp_path):
    folder, _, _ = finished
    assert run(tmp_path / "run")[0] == 0
    for name in ("ledger.jsonl", "draws-5.jsonl"):
        assert _facts(folder / name) == _facts(tmp_path / "run" / name)


def test_more_trials_and_new_draws_can_be_added(finished, tmp_path):
    folder, _, _ = finished
    assert run(tmp_path / "run", settings=["search.num_trials=3"])[0] == 0
    assert RunFolder(tmp_path / "run").ranking.name == "draws-3.jsonl"
    assert run(tmp_path / "run")[0] == 0
    assert RunFolder(tmp_path / "run").ranking.name == "draws-5.jsonl"
    assert _facts(folder / "draws-5.jsonl") == _facts(tmp_path / "run" / "draws-5.jsonl")


@pytest.mark.parametrize("num_lines", [4, 7])
def test_a_killed_search_loses_at_most_the_steps_since_the_checkpoint(tmp_path, num_lines):
    """A kill leaves the first lines of the ledger, and the checkpoint after two trials."""
    folder = tmp_path / "run"
    evaluator = {**SHARED["evaluator"], "final_draws": 0}
    assert run(folder, settings=["search.num_trials=2"], evaluator=evaluator)[0] == 0
    checkpoint = (folder / "shared.safetensors").read_bytes()
    assert run(folder, evaluator=evaluator)[0] == 0
    lines = (folder / "ledger.jsonl").read_text().splitlines(keepends=True)
    whole = [record.trial for record in read_ledger(folder / "ledger.jsonl").finished]
    (folder / "ledger.jsonl").write_text("".join(lines[:num_lines]))
    (folder / "shared.safetensors").write_bytes(checkpoint)
    assert run(folder, evaluator=evaluator)[0] == 0
    again = read_ledger(folder / "ledger.jsonl")
    assert [record.trial for record in again.finished] == whole
    assert not again.pending


def test_without_draws_there_is_no_ledger_of_them(tmp_path):
    evaluator = {**SHARED["evaluator"], "final_draws": 0}
    assert run(tmp_path / "run", evaluator=evaluator, search={"num_trials": 1})[0] == 0
    assert RunFolder(tmp_path / "run").ranking.name == "ledger.jsonl"
    config = SearchConfig.parse({**SHARED, "evaluator": evaluator})
    assert are_drawn(config, RunFolder(tmp_path / "run"))


@pytest.mark.parametrize("controller", ["ppo", "evolution"])
def test_every_controller_can_share_weights_of_cells_of_nasbench201(tmp_path, controller):
    assert run(tmp_path / "run", space="nasbench201", controller=controller, search={"num_trials": 2})[0] == 0
    assert [outcome.metrics["num_stale"] for outcome in outcomes(tmp_path / "run" / "ledger.jsonl")] == [0, 0]


@pytest.mark.ray
def test_weights_are_shared_on_ray(tmp_path, ray_cluster):
    workers = ["workers.pool=ray", "workers.num_workers=2"]
    assert run(tmp_path / "run", settings=workers)[0] == 0
    found = outcomes(tmp_path / "run" / "ledger.jsonl")
    assert len(found) == 5
    assert all(isinstance(outcome, Success) for outcome in found)
    trained = [outcome for outcome in found if "staleness" in outcome.metrics]
    assert len(trained) == 4
    assert max(outcome.metrics["num_tensors"] for outcome in trained) > 0
    assert (tmp_path / "run" / "shared.safetensors").exists()
    assert len(outcomes(tmp_path / "run" / "draws-5.jsonl")) == 4


def test_status_ranks_the_draws_as_export_does(finished):
    folder, _, text = finished
    status = run_status(folder)
    best = read_ledger(folder / "draws-5.jsonl").best(4)
    assert status.ranked == "draws-5.jsonl"
    assert [row.trial for row in status.best] == [record.trial.id for record in best]
    assert "nas export" not in text


def test_weights_that_are_missing_are_not_replaced_by_initial_ones(finished, tmp_path):
    """After the training nothing would train them again; within it, a warning says that they are lost."""
    out = tmp_path / "run"
    assert run(out, settings=["search.num_trials=3"])[0] == 0
    (out / "shared.safetensors").unlink()
    code, text = run(out)
    assert code == 0
    assert "shared.safetensors is missing, with the weights that 3 trials have trained; further trials start" in text
    (out / "shared.safetensors").unlink()
    before = (out / "ledger.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"that 4 trials have trained; no trial would train them again"):
        run(out, settings=["search.num_trials=9"])
    assert (out / "ledger.jsonl").read_bytes() == before
