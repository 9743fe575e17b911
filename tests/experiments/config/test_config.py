import json

import pytest

from experiments.config.training_config import AblationConfig, TrainingConfig


def test_a_document_is_parsed_and_written_out_in_full():
    config = TrainingConfig.parse({"training": {"seed": 3}})
    document = config.to_document()
    assert list(document) == list(TrainingConfig.kind.sections)
    assert document["training"] == {"seed": 3, "start": None, "teacher": None}
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
