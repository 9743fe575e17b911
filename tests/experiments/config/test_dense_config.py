import pytest
from experiments.config.config_file import DETECTION, config_names, load_document
from experiments.config.detection_config import parse_detection

from nas.downstream.detection.checkpoint import DetectorDescription
from nas.downstream.detection.settings import ImageForm
from nas.models.resnet import ReferenceNetwork
from search_spaces.published import PUBLISHED

MINIMAL = {"detection": {}}


def test_a_configuration_goes_to_plain_data_and_back():
    config = parse_detection({"detection": {"schedule": "2x", "seed": 4}, "detector": {"masks": True}})
    assert parse_detection(config.to_document()) == config
    plan = config.plan(PUBLISHED["nasnet-a"])
    assert (plan.length, plan.seed, plan.start, plan.detector.masks) == ("2x", 4, None, True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"detection": {"schedule": "soon"}}, "detection: a schedule must be 1x, 2x"),
        ({**MINIMAL, "detector": {"norm": "batch"}}, "detector.norm: "),
        ({**MINIMAL, "detector": {"mask": True}}, "unknown key in section detector 'mask'"),
        ({**MINIMAL, "recipe": {"scales": [900, 2000]}}, "recipe: scales must be one or more sides up to max_side"),
        ({**MINIMAL, "recipe": {"epochs": 3}}, "unknown key in section recipe 'epochs'"),
        ({**MINIMAL, "workers": {"num_workers": 3}}, "recipe.batch_size must be divisible by the number of workers, 3"),
        ({**MINIMAL, "network": {"in_channels": 1}}, "network.in_channels must be 3, pictures being in colour, got 1"),
        ({**MINIMAL, "data": {"evaluate": "test"}}, "data.evaluate: "),
        ({**MINIMAL, "search": {}}, "unknown section 'search'"),
        ({"training": {}}, "this is a configuration for `nas train`; for `nas detect` there are .*coco_small"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(document, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_detection(document)
    assert "\n" not in str(caught.value)


BACKBONES = {
    "coco_mask_rcnn_resnet50_gn": (ReferenceNetwork("resnet50"), 8 * 4),
    "coco_faster_rcnn_nasnet_mobile": (PUBLISHED["nasnet-a"], 32),
    "coco_faster_rcnn_nasnet_large": (PUBLISHED["nasnet-a"], 32),
    "coco_small": (PUBLISHED["nasnet-a"], 16),
}


def test_every_configuration_that_comes_along_is_tested():
    assert set(config_names(DETECTION)) == set(BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_detectors_of_all_configurations_can_be_built(name):
    import torch

    config = parse_detection(load_document(name, DETECTION))
    architecture, coarsest = BACKBONES[name]
    form = ImageForm(tuple((number, str(number)) for number in range(80)))
    description = DetectorDescription(architecture, config.network, config.detector, form)
    with torch.device("meta"):
        network = description.build(seed=0)
    assert network.backbone.strides[-2] == coarsest
