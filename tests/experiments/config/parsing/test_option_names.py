from __future__ import annotations

import pytest

from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.parsing.option_names import OPTIONS, named_option
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.config.study_config import StudyConfig
from experiments.config.training_config import AblationConfig, TournamentConfig, TrainingConfig

CONFIGS = (SearchConfig, TrainingConfig, TournamentConfig, AblationConfig, DetectionConfig, SegmentationConfig)


def test_every_option_sets_a_setting_that_exists():
    known = {
        f"{section}.{key}"
        for config in (*CONFIGS, StudyConfig)
        for section, keys in config.known_settings().items()
        for key in [*keys, "name"]
    }
    assert set(OPTIONS) <= known


def test_an_error_names_the_option():
    assert named_option("search.num_trials") == " (option --trials)"
    assert named_option("recipe.epochs") == ""
    document = resolve(SearchConfig.kind, ConfigRequest("digits_ppo", {("search", "num_trials"): 0}))
    with pytest.raises(ValueError, match=r"search\.num_trials: .*equal to 1, got 0 .option --trials"):
        SearchConfig.parse(document)
