import pytest
from experiments.config.config_file import SEGMENTATION, config_names, load_document, split_sections
from experiments.config.segmentation_config import parse_segmentation

from nas.models.resnet import ReferenceNetwork


@pytest.mark.parametrize("name", config_names(SEGMENTATION))
def test_configurations_of_this_package_are_valid_and_written_out_whole(name):
    config = parse_segmentation(load_document(name, SEGMENTATION))
    assert parse_segmentation(config.to_document()) == config
    plan = config.plan(ReferenceNetwork("resnet18"))
    assert (plan.network, plan.head, plan.recipe, plan.data) == (
        config.network,
        config.head,
        config.recipe,
        config.data,
    )


def test_the_large_one_is_120_epochs_of_ade20k():
    recipe = parse_segmentation(load_document("segment_fcn_resnet50", SEGMENTATION)).recipe
    assert recipe.iterations * recipe.batch_size == 120 * 20_210
    assert (recipe.schedule, recipe.power) == ("polynomial", 0.9)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"segmentation": {"sed": 1}}, "unknown key in section segmentation 'sed'; did you mean seed"),
        ({"segmentation": None, "head": {"kind": "unet"}}, "head.kind: .*'fcn' or 'deeplab'.*got 'unet'"),
        ({"segmentation": None, "data": {"unlabelled": 7}}, "data.unlabelled: .*got 7"),
        ({"segmentation": None, "data": {"crop": True}}, "data.crop"),
        ({"segmentation": None, "test": {"shifts": ["rain"]}}, "test: a shift must be one of .*got 'rain'"),
        ({"segmentation": None, "test": {"severity": 6}}, "test.severity"),
        ({"segmentation": None, "network": {"in_channels": 1}}, "network.in_channels must be 3"),
        (
            {"segmentation": None, "workers": {"num_workers": 3}},
            "recipe.batch_size must be divisible by the number of workers, 3, got 16",
        ),
    ],
)
def test_bad_settings_are_named(document, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_segmentation(document)
    assert "\n" not in str(caught.value)


def test_it_is_told_apart_from_other_configurations():
    with pytest.raises(ValueError, match=r"for `nas train`; for `nas segment` there are .*coco_segment_small"):
        split_sections({"training": {}}, SEGMENTATION)
