import pytest
import yaml

from experiments.config.documents import config_names, load_document
from experiments.config.kinds import DETECTION, STUDY
from experiments.config.study_config import StudyConfig, num_pictures


def test_a_study_is_written_out_and_read_again():
    config = StudyConfig.parse(load_document("coco_study_small", STUDY))
    assert config.study.schedules == ("1x", "3x", "6x")
    assert StudyConfig.parse(config.to_document()) == config


@pytest.mark.parametrize("name", sorted({*config_names(STUDY)} - {*config_names(DETECTION)}))
def test_every_study_that_comes_along_is_valid(name):
    assert StudyConfig.parse(load_document(name, STUDY))


@pytest.mark.parametrize("name", config_names(DETECTION))
def test_a_detector_can_be_studied_too(name):
    document = load_document(name, STUDY)
    document["workers"] |= {"max_retries": 1}
    if document["detector"].get("norm") == "frozen_bn":
        document["detector"]["norm"] = "gn"
    assert StudyConfig.parse(document).study.schedules == ("1x", "2x", "3x")


def test_of_a_detector_seed_start_and_what_a_worker_gets_are_taken_over(tmp_path):
    path = tmp_path / "detector.yaml"
    detection = {"seed": 4, "start": "a.safetensors", "schedule": "9x"}
    path.write_text(yaml.safe_dump({"detection": detection, "workers": {"num_workers": 8, "cpus": 2}}))
    config = StudyConfig.parse(load_document(str(path), STUDY))
    assert (config.study.seed, config.study.pretrained) == (4, "a.safetensors")
    assert (config.workers.num_workers, config.workers.cpus) == (None, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"study": {"schedules": ["2x", "1x"]}},
            "study: schedules must be one or more, the shortest first, got 2x, 1x",
        ),
        ({"study": {"schedules": []}}, "schedules must be one or more"),
        ({"study": {"schedules": ["x"]}}, "a schedule must be 1x, 2x"),
        ({"study": {"fractions": [1, 0.5]}}, "fractions must be one or more, the smallest first, got 1.0, 0.5"),
        ({"study": {"fractions": [0.5, 0.5]}}, "the smallest first"),
        ({"study": {"fractions": [1.5]}}, r"study\.fractions\.0: .*less than or equal to 1, got 1\.5"),
        ({"study": {"num_seeds": 0}}, r"study\.num_seeds: .*greater than or equal to 1, got 0"),
        ({"study": {"fraction": [1]}}, "unknown key in section study 'fraction'; did you mean fractions?"),
        ({"workers": {"gpus": 2}}, r"workers\.gpus: .*got 2"),
        ({"detector": {"norm": "frozen_bn"}}, "from scratch there are no statistics to freeze"),
        ({"network": {"in_channels": 1}}, "network.in_channels must be 3"),
        ({"search": {}}, "unknown section 'search'"),
    ],
)
def test_bad_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        StudyConfig.parse({"study": {}, **changes})


def test_a_configuration_for_something_else_is_refused():
    with pytest.raises(
        ValueError, match=r"this is a configuration of `nas train`; those of `nas study pretraining` are coco_faster"
    ):
        load_document("cifar10_small", STUDY)


@pytest.mark.parametrize(("fraction", "number"), [(1, 7), (0.5, 4), (0.01, 1), (0.3, 2)])
def test_a_fraction_is_rounded_and_at_least_one_picture(fraction, number):
    assert num_pictures(fraction, 7) == number
