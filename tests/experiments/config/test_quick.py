from __future__ import annotations

from pathlib import Path

import pytest

from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.documents import config_names
from experiments.config.kinds import ABLATION, DETECTION, KINDS, SEARCH, SEGMENTATION, STUDY, TOURNAMENT, TRAINING
from experiments.config.quick import LIMITS
from experiments.config.resolve import ConfigRequest, resolve
from experiments.config.search_config import SearchConfig
from experiments.config.study_config import StudyConfig
from experiments.config.training_config import AblationConfig, TournamentConfig, TrainingConfig
from experiments.runs.run_folder import differences

CONFIGS = (SearchConfig, TrainingConfig, TournamentConfig, AblationConfig, DetectionConfig, SegmentationConfig)
TABLES = {"tournament": {"run": "runs/x"}}


def quick(kind, source, *settings, **changes):
    return resolve(kind, ConfigRequest(source, changes.get("changes", {}), settings, quick=True))


def test_every_kind_that_trains_or_searches_has_limits():
    assert set(LIMITS) == {kind.command for kind in KINDS}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind.command)
def test_every_configuration_has_a_valid_quick_form_of_a_few_steps(config):
    given = {("tournament", "run"): "runs/x"} if config.kind is TOURNAMENT else {}
    for name in config_names(config.kind):
        parsed = config.parse(quick(config.kind, name, changes=given), source=name)
        length = parsed.recipe.iterations if config.kind.counts_iterations else parsed.recipe.epochs
        assert length <= 6
        if not config.kind.counts_iterations:
            assert parsed.data.num_train * (1 - parsed.data.validation_fraction) // parsed.recipe.batch_size <= 10


def test_a_search_with_rungs_has_one():
    parsed = SearchConfig.parse(quick(SEARCH, "cifar10_rungs"))
    assert parsed.search.rungs.resolve(parsed.recipe.epochs) == (1,)
    scored = SearchConfig.parse(quick(SEARCH, "cifar10_rungs", "search.rungs.scores=[synflow, snip]"))
    assert scored.search.rungs.scores == ("synflow", "snip")
    assert scored.search.rungs.resolve(scored.recipe.epochs) == (0, 1)


def test_a_study_has_one_short_training_of_each_start():
    study = StudyConfig.parse(quick(STUDY, "coco_study_small"))
    assert (study.study.num_seeds, study.study.schedules, study.study.fractions) == (1, ("1x",), (1.0,))
    assert (study.data.num_train, study.recipe.batch_size) == (4, 2)  # 1x is 24 iterations: 12.2 per image and batch


def test_a_quick_run_differs_from_a_real_one_in_bound_settings():
    for config in CONFIGS:
        name = config_names(config.kind)[0]
        given = {("tournament", "run"): "runs/x"} if config.kind is TOURNAMENT else {}
        real = config.parse(resolve(config.kind, ConfigRequest(name, given))).to_document()
        short = config.parse(quick(config.kind, name, changes=given)).to_document()
        assert any(text.startswith("recipe.") for text in differences(config.kind, real, short)), name


def test_what_is_given_stays():
    document = quick(SEARCH, "digits_ppo", "recipe.epochs=2", changes={("search", "num_trials"): 7})
    assert (document["recipe"]["epochs"], document["search"]["num_trials"]) == (2, 7)
    assert document["recipe"]["batch_size"] == 16


def test_a_shorter_configuration_is_not_lengthened(tmp_path):
    (tmp_path / "tiny.yaml").write_text("search: {num_trials: 2}\nrecipe: {epochs: 1, batch_size: 4}\n")
    document = quick(SEARCH, str(tmp_path / "tiny.yaml"))
    assert (document["search"]["num_trials"], document["recipe"]["batch_size"]) == (2, 4)


def test_workers_can_share_the_batch():
    for workers in (1, 3, 40):
        document = quick(TRAINING, "cifar10_small", changes={("workers", "num_workers"): workers})
        assert document["recipe"]["batch_size"] % workers == 0
    assert quick(DETECTION, "coco_small", changes={("workers", "num_workers"): 4})["recipe"]["batch_size"] == 4
    assert quick(SEGMENTATION, "coco_segment_small")["recipe"]["batch_size"] == 2


def test_each_class_of_a_folder_has_images_in_both_splits(tmp_path):
    for label in range(50):
        folder = tmp_path / "train" / f"class-{label}"
        folder.mkdir(parents=True)
        for number in range(5):
            (folder / f"{number}.png").touch()
    data = quick(TRAINING, "cifar10_small", changes={("data", "root"): tmp_path})["data"]
    assert (data["validation_fraction"], data["num_train"]) == (0.5, 100)
    small = quick(TRAINING, "cifar10_small", "recipe.batch_size=60", changes={("data", "root"): tmp_path})["data"]
    assert small["num_train"] is None  # all 250 images, about as many as the 240 for two batches


def test_a_quick_run_has_a_folder_of_its_own():
    assert ConfigRequest("digits_ppo", quick=True).default_folder == Path("runs/digits_ppo_quick")
    assert ConfigRequest("digits_ppo").default_folder == Path("runs/digits_ppo")


def test_an_ablation_is_quick_with_one_seed():
    assert quick(ABLATION, "cifar10_small")["ablation"]["num_seeds"] == 1
