from __future__ import annotations

import io
import json

import pytest
import torch

from controllers.ppo import PPO, PPOSettings
from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from experiments.watch import analysis
from experiments.watch.analysis import answer, comparison, main, preferences, stages
from nas.architecture import Architecture, Block, Cell, Edge
from nas.fidelity import NetworkSpec
from nas.ledger.writer import Ledger
from nas.models.complexity import measure
from nas.search import trial_seed
from nas.trial import Success, Trial

ARCHITECTURE = Architecture(*[Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity")),))] * 2)


@pytest.fixture
def run(tmp_path):
    """A PPO run of 7 trials whose reward is the share of the first option, updated after every 2."""
    document = {
        "space": {"name": "tiny"},
        "controller": {"name": "ppo", "batch_size": 2, "learning_rate": 0.05},
        "search": {"num_trials": 7, "seed": 3, "deterministic": False},
        "data": {"name": "digits"},
    }
    config, folder = SearchConfig.parse(document), RunFolder(tmp_path)
    folder.write_config(config.to_document())
    controller = config.build_controller()
    with Ledger(folder.ledger) as ledger:
        for number in range(7):
            (rollout,) = controller.ask([number])
            architecture = config.space.decode(rollout.decisions)
            ledger.append_asked([Trial(number, rollout, architecture, config.fidelity, trial_seed(3, number))])
            accuracy = sum(decision == 0 for decision in rollout.decisions) / len(rollout.decisions)
            ledger.append_finished(Success(number, accuracy))
            controller.tell(rollout, accuracy)
    return tmp_path, controller


def test_a_replay_ends_at_the_policy_of_the_search(run):
    folder, controller = run
    found = preferences(str(folder))
    assert found["told"] == list(range(8))
    assert found["until"] is None
    for choice, probabilities in zip(found["choices"], controller.controller.preferences(), strict=True):
        assert choice["points"][-1] == pytest.approx(probabilities, abs=1e-3)
        assert sum(choice["points"][0]) == pytest.approx(1, abs=1e-2)
    first = found["choices"][0]
    assert (first["name"], first["kind"], first["labels"]) == ("normal/block0/left/source", "source", ["0", "1"])
    ops = next(choice for choice in found["choices"] if choice["kind"] == "op")
    assert ops["labels"] == ["identity", "max_pool_3x3", "conv_1x1", "sep_conv_3x3"]


def test_a_replay_has_few_points_and_ends_when_its_time_is_over(run, monkeypatch):
    folder, _ = run
    monkeypatch.setattr(analysis, "NUM_POINTS", 2)
    assert preferences(str(folder))["told"] == [0, 4]
    monkeypatch.setattr(analysis, "NUM_POINTS", 7)
    assert preferences(str(folder), max_seconds=-1)["until"] == 1


def test_preferences_do_not_change_what_is_proposed():
    from search_spaces.tiny import TINY

    one, other = (PPO(TINY.choices, PPOSettings(), seed=0) for _ in range(2))
    state = torch.random.get_rng_state()
    one.preferences()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.ask([0, 1]) == other.ask([0, 1])


def test_a_controller_without_a_policy_has_no_preferences(write_run):
    folder = write_run("watched", "random", 0)
    document = {"space": {"name": "tiny"}, "controller": {"name": "random"}, "search": {"num_trials": 6}}
    RunFolder(folder).write_config(SearchConfig.parse(document).to_document())
    assert preferences(str(folder)) is None


def test_statistics_are_those_of_compare_also_of_one_run(write_run):
    runs = [str(write_run("watched_a", "ppo", 0)), str(write_run("watched_b", "random", 0))]
    found = comparison(runs)
    assert [each["name"] for each in found["strategies"]] == ["ppo", "random"]
    assert "curves" not in found["strategies"][0]
    assert comparison(runs[:1])["strategies"][0]["num_runs"] == 1
    json.dumps(found, allow_nan=False)


def test_costs_by_stage_are_those_of_count():
    spec = NetworkSpec(num_filters=4, num_repeats=1, num_stages=2)
    found = stages(ARCHITECTURE.to_json(), {"num_filters": 4, "num_repeats": 1, "num_stages": 2})
    counted = measure(ARCHITECTURE, spec).stages
    assert [(each["name"], each["num_parameters"]) for each in found] == [
        (each.name, each.num_parameters) for each in counted
    ]


def test_questions_are_answered_one_a_line_and_errors_are_answers(monkeypatch):
    monkeypatch.setattr("os.nice", lambda _by: 0)
    monkeypatch.setattr(torch, "set_num_threads", lambda _number: None)
    questions = [{"kind": "comparison", "runs": ["/no/such/run"]}, {"kind": "stages", "architecture": 3, "network": {}}]
    answers = io.StringIO()
    main(io.StringIO("".join(json.dumps(each) + "\n" for each in questions)), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert "there is no folder /no/such/run" in first["error"]
    assert set(second) == {"error"}
    assert "error" in answer("nonsense")
