import json
import re

import pytest

from experiments.config.kinds import SEARCH
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.config.training_config import AblationConfig, TrainingConfig


def test_a_document_is_parsed_and_written_out_in_full():
    config = TrainingConfig.parse({"training": {"seed": 3}})
    document = config.to_document()
    assert list(document) == list(TrainingConfig.kind.sections)
    assert document["training"] == {"seed": 3, "start": None, "teacher": None, "checkpoint_minutes": None}
    assert TrainingConfig.parse(json.loads(json.dumps(document))) == config


def test_errors_name_the_source_if_there_is_one():
    with pytest.raises(ValueError, match=r"^recipe\.epochs: "):
        TrainingConfig.parse({"training": {}, "recipe": {"epochs": 0}})
    with pytest.raises(ValueError, match=r"^configuration mine\.yaml: recipe\.epochs: "):
        TrainingConfig.parse({"training": {}, "recipe": {"epochs": 0}}, source="mine.yaml")


def test_parsing_leaves_the_document_as_it_is():
    document = {"training": {"seed": 3}, "workers": {"num_workers": 1}}
    AblationConfig.parse(document)
    assert document == {"training": {"seed": 3}, "workers": {"num_workers": 1}}


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("num_trials=7", "is it search.num_trials?"),
        ("trials=7", "is it search.num_trials?"),
        ("lr=0.1", "is it controller.learning_rate or recipe.learning_rate?"),
        ("recipe.lr=0.1", "did you mean learning_rate?"),
        ("search.lr=0.1", "is it controller.learning_rate or recipe.learning_rate?"),
        ("search.epochs=3", "is it recipe.epochs?"),
        ("recipe.num_trials=3", "is it search.num_trials?"),
        ("serch.seed=3", "did you mean search?"),
        ("bs=3", "is it controller.batch_size or evaluator.batch_size or recipe.batch_size?"),
    ],
)
def test_a_setting_in_the_wrong_place_is_found_in_the_others(setting, hint):
    document = resolve(SEARCH, ConfigRequest("digits_ppo", settings=(setting,)))
    with pytest.raises(ValueError, match=re.escape(hint)):
        SearchConfig.parse(document, source="digits_ppo")
