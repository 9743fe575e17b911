import pytest

from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.kinds import (
    ABLATION,
    DETECTION,
    KINDS,
    SEARCH,
    SEGMENTATION,
    STUDY,
    TOURNAMENT,
    TRAINING,
    kind_of,
)
from experiments.config.parsing.sections import flatten
from experiments.config.search_config import SearchConfig
from experiments.config.study_config import StudyConfig
from experiments.config.training_config import AblationConfig, TournamentConfig, TrainingConfig

SMALLEST = {
    SearchConfig: {"search": {"num_trials": 1}},
    TrainingConfig: {"training": {}},
    TournamentConfig: {"tournament": {"run": "run"}},
    AblationConfig: {"ablation": {}},
    DetectionConfig: {"detection": {}},
    SegmentationConfig: {"segmentation": {}},
    StudyConfig: {"study": {}},
}


def test_every_kind_has_a_configuration():
    assert [config.kind for config in SMALLEST] == list(KINDS)


@pytest.mark.parametrize("config", SMALLEST, ids=lambda config: config.kind.command)
def test_a_stored_configuration_tells_its_kind(config):
    assert kind_of(config.parse(SMALLEST[config]).to_document()) is config.kind


@pytest.mark.parametrize("config", SMALLEST, ids=lambda config: config.kind.command)
def test_rules_name_settings_that_exist(config):
    document, kind = config.parse(SMALLEST[config]).to_document(), config.kind
    known = {f"{section}.{key}" for section, settings in document.items() for key in settings}
    of_some_data = {"data.cache_mib", "data.check_pictures"}
    assert {key for key in (*kind.free, *kind.bound) if not key.endswith(".")} <= known | of_some_data
    assert {key[:-1] for key in kind.free if key.endswith(".")} <= set(kind.sections)
    assert {section for section, _ in kind.adopted} | set(kind.named) <= set(kind.sections)


@pytest.mark.parametrize(
    ("kind", "free", "bound"),
    [
        (
            SEARCH,
            ["data.root", "search.num_trials", "workers.num_workers", "workers.resources.tpu", "trackers.mlflow"],
            ["search.seed", "workers.max_parameters", "workers.max_multiply_adds", "data.num_train", "shifts.test"],
        ),
        (TRAINING, ["data.cache_mib", "workers.gpus"], ["training.start", "recipe.device", "network.num_filters"]),
        (TOURNAMENT, ["data.root", "workers.num_workers"], ["tournament.run", "tournament.top", "recipe.epochs"]),
        (ABLATION, ["ablation.num_seeds"], ["training.seed", "recipe.epochs"]),
        (
            DETECTION,
            ["recipe.device", "recipe.num_threads", "recipe.record_iterations", "recipe.checkpoint_iterations"],
            ["recipe.iterations", "detection.seed", "detector.norm", "detection.start"],
        ),
        (SEGMENTATION, ["test.severity", "recipe.device", "recipe.evaluation_iterations"], ["head.kind"]),
        (STUDY, ["study.num_seeds", "study.fractions", "study.pretrained"], ["study.num_known", "detector.norm"]),
    ],
    ids=lambda value: value.command if hasattr(value, "command") else "",
)
def test_what_determines_results_must_stay_and_the_rest_may_differ(kind, free, bound):
    assert all(kind.may_differ(key) for key in free)
    assert not any(kind.may_differ(key) for key in bound)


def test_a_tournament_has_one_worker_for_each_candidate():
    convert = TOURNAMENT.converts["train"]
    assert convert({"training": {}, "workers": {"num_workers": 1, "cpus": 2}})["workers"] == {"cpus": 2}
    with pytest.raises(
        ValueError, match=r"is trained by 1 worker, got workers\.num_workers 2; --workers sets how many"
    ):
        convert({"training": {}, "workers": {"num_workers": 2}})


def test_dotted_keys_are_those_of_flattened_documents():
    document = SearchConfig.parse({"search": {"num_trials": 1}, "workers": {"resources": {"tpu": 1}}}).to_document()
    assert "workers.resources.tpu" in dict(flatten(document))
