"""Sections that name an entry of a table, such as the reward by which the trials of a run are ranked."""

import pytest

from experiments.architectures.find import find_architecture
from experiments.config.named import parse_reward, split_named, stored_reward
from experiments.search.status import run_status
from nas.decisions import Rollout
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger
from nas.rewards import Accuracy, CostedAccuracy, ShiftedAccuracy
from nas.trial import Success, Trial
from search_spaces.tiny import TINY


def test_what_a_configuration_names():
    assert stored_reward(None) == stored_reward({}) == stored_reward({"reward": {"name": "accuracy"}}) == Accuracy()
    section = {"name": "costed_accuracy", "target_multiply_adds": 5.0, "exponent": -0.1}
    assert stored_reward({"reward": section}) == CostedAccuracy(target_multiply_adds=5.0, exponent=-0.1)
    assert stored_reward({"reward": {"name": "shifted_accuracy"}}) == ShiftedAccuracy()


@pytest.mark.parametrize("section", [{"name": "shifted"}, {"name": 3}, "accuracy", {"name": "accuracy", "weight": 1}])
def test_what_is_no_reward(section):
    with pytest.raises(ValueError, match="reward"):
        stored_reward({"reward": section})


def test_the_best_of_a_run_is_the_one_with_the_highest_reward(tmp_path):
    (tmp_path / "config.yaml").write_text("reward: {name: shifted_accuracy}\nsearch: {num_trials: 2}\n")
    robust = [0.2, 0.8]
    with Ledger(tmp_path / "ledger.jsonl") as ledger:
        for trial_id, shifted in enumerate(robust):
            decisions = tuple(trial_id if choice.kind == "op" else 0 for choice in TINY.choices)
            trial = Trial(trial_id, Rollout(decisions, -1.0), TINY.decode(decisions), Fidelity(), 0)
            ledger.append_asked([trial])
            outcome = Success(trial_id, 0.9 - 0.1 * trial_id, metrics={"shifted_accuracy": shifted})
            ledger.append_finished(outcome)
    assert find_architecture(str(tmp_path)).outcome.trial_id == 1
    assert find_architecture(f"{tmp_path}@2").outcome.trial_id == 0
    best = run_status(tmp_path).best
    assert [row.trial for row in best] == [1, 0]
    assert [row.reward for row in best] == pytest.approx([0.8, 0.55])


def test_a_section_is_split_into_name_and_settings():
    section = {"name": "ppo", "batch_size": 3}
    assert split_named("controller", section, {"ppo": 1}) == ("ppo", {"batch_size": 3})
    assert section == {"name": "ppo", "batch_size": 3}
    for name in ("pop", 3, None, ["ppo"]):
        with pytest.raises(ValueError, match="unknown controller"):
            split_named("controller", {"name": name}, {"ppo": 1})


def test_a_reward_has_its_name_beside_it():
    assert parse_reward({"reward": {"name": "accuracy"}}) == ("accuracy", Accuracy())
    with pytest.raises(ValueError, match="unknown reward 'speed'"):
        parse_reward({"reward": {"name": "speed"}})
