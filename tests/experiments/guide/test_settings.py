import pytest

from experiments.config.kinds import KINDS
from experiments.guide.plugins import TABLES
from experiments.guide.settings import CONFIGS, section_class, settings_of
from nas.recipe import TrainRecipe


def test_every_kind_has_its_class():
    assert [config.kind for config in CONFIGS.values()] == list(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.command)
def test_every_setting_has_a_meaning_and_allowed_values(kind):
    for section in kind.sections:
        for name in TABLES[section] if section in kind.named else (None,):
            for setting in settings_of(section_class(kind, section, name)):
                assert setting.meaning, (kind.command, section, name, setting.name)
                assert setting.allowed


def test_a_setting_is_described():
    settings = {each.name: each for each in settings_of(TrainRecipe)}
    assert settings["gradient_clip"].line == (
        "Maximum global norm of the gradient (1707.07012, appendix A.7); 0 disables clipping. Default 5.0; number at "
        "least 0."
    )
    assert settings["schedule"].allowed == "one of cosine, step, exponential, constant"
    assert settings["test_crop"].default == "null"
