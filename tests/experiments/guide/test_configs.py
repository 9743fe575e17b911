import pytest

from experiments.config.documents import load_document
from experiments.guide.configs import explained, shipped_configs
from experiments.guide.settings import CONFIGS


@pytest.mark.parametrize("config", shipped_configs(), ids=lambda config: config.name)
def test_an_explained_configuration_is_the_same_one(config, tmp_path):
    assert config.purpose
    kind = CONFIGS[config.command].kind
    (tmp_path / "explained.yaml").write_text(explained(config.name))
    parse = CONFIGS[config.command].parse
    again = load_document(str(tmp_path / "explained.yaml"), kind)
    assert parse(again) == parse(load_document(config.name, kind))
    assert not {"num_classes", "in_channels", "image_size"} & set(again["network"]) - set(
        load_document(config.name, kind)["network"]
    )
