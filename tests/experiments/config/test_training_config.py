import pytest

from experiments.config.documents import config_names, load_document
from experiments.config.kinds import TRAINING
from experiments.config.parsing.yaml_file import parse_yaml
from experiments.config.search_config import SearchConfig
from experiments.config.training_config import AblationConfig, TournamentConfig, TrainingConfig


@pytest.mark.parametrize("name", config_names(TRAINING))
def test_each_configuration_is_valid_and_comes_back_from_its_plain_data(name):
    config = TrainingConfig.parse(load_document(name, TRAINING))
    assert TrainingConfig.parse(config.to_document()) == config


def test_only_what_selects_nothing_may_hold_nothing_out():
    text = "data: {validation_fraction: 0}"
    assert TrainingConfig.parse({"training": None, **parse_yaml(text)}).data.validation_fraction == 0
    for kind, first in (
        (AblationConfig, {"ablation": None, "training": None}),
        (TournamentConfig, {"tournament": {"run": "r"}}),
        (SearchConfig, {"search": {"num_trials": 2}}),
    ):
        with pytest.raises(ValueError, match=r"data\.validation_fraction must be above 0, since validation images sel"):
            kind.parse({**first, **parse_yaml(text)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {sed: 1}", "did you mean seed?"),
        ("recipe: {mixupp: 1}", "did you mean mixup?"),
        ("recipe: {distillation: 0.5}", "must be above 0 with a training.teacher and 0 without, got 0.5 and none"),
        ("training: {teacher: t.safetensors}", "got 0 and t.safetensors"),
        ("workers: {num_workers: 3}", "batch_size must be divisible by the number of workers, 3, got 64"),
        ("workers: {num_workers: 0}", "workers.num_workers: .*got 0"),
        ("data: {name: digit}", "unknown data set in data.name 'digit'; did you mean digits?"),
        ("network: {stem: resnet}", "network.stem: "),
    ],
)
def test_bad_configurations_give_one_clear_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        TrainingConfig.parse({"training": None, **parse_yaml(text)})
    assert "\n" not in str(caught.value)
