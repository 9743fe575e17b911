import pytest

from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.documents import config_names, load_document
from experiments.config.kinds import DETECTION, SEGMENTATION
from nas.downstream.detection.checkpoint import DetectorDescription
from nas.downstream.detection.settings import ImageForm
from nas.downstream.schedule import COCO_IMAGES, learning_rate, with_length
from nas.models.reference.names import ReferenceNetwork
from search_spaces.published import PUBLISHED

MINIMAL = {"detection": {}}


def test_a_configuration_goes_to_plain_data_and_back():
    config = DetectionConfig.parse({"detection": {"schedule": "2x", "seed": 4}, "detector": {"masks": True}})
    assert DetectionConfig.parse(config.to_document()) == config
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
        ({**MINIMAL, "network": {"in_channels": 1}}, "network.in_channels must be 3 for colour images, got 1"),
        ({**MINIMAL, "data": {"evaluate": "test"}}, "data.evaluate: "),
        ({**MINIMAL, "search": {}}, "unknown section 'search'"),
        ({"training": {}}, "this is a configuration of `nas train`; those of `nas detect` are .*coco_small"),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(document, message):
    with pytest.raises(ValueError, match=message) as caught:
        DetectionConfig.parse(document)
    assert "\n" not in str(caught.value)


BACKBONES = {
    "coco_mask_rcnn_resnet50_gn": (ReferenceNetwork("resnet50"), 8 * 4),
    "coco_mask_rcnn_resnet50_gn_35k": (ReferenceNetwork("resnet50"), 8 * 4),
    "coco_mask_rcnn_resnet50_gn_10k": (ReferenceNetwork("resnet50"), 8 * 4),
    "coco_mask_rcnn_gn_enhanced": (ReferenceNetwork("resnet101"), 8 * 4),
    "coco_keypoint_rcnn_resnet50_gn": (ReferenceNetwork("resnet50"), 8 * 4),
    "voc_faster_rcnn_resnet50": (ReferenceNetwork("resnet50"), 8 * 4),
    "voc_faster_rcnn_resnet101_gn": (ReferenceNetwork("resnet101"), 8 * 4),
    "coco_faster_rcnn_nasnet_mobile": (PUBLISHED["nasnet-a"], 32),
    "coco_faster_rcnn_nasnet_large": (PUBLISHED["nasnet-a"], 32),
    "coco_small": (PUBLISHED["nasnet-a"], 16),
}


def test_every_configuration_that_comes_along_is_tested():
    assert set(config_names(DETECTION)) == set(BACKBONES)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_detectors_of_all_configurations_can_be_built(name):
    import torch

    config = DetectionConfig.parse(load_document(name, DETECTION))
    architecture, coarsest = BACKBONES[name]
    form = ImageForm(tuple((number, str(number)) for number in range(80)))
    description = DetectorDescription(architecture, config.network, config.detector, form)
    with torch.device("meta"):
        network = description.build(seed=0)
    assert network.backbone.strides[-2] == coarsest


@pytest.mark.parametrize(
    ("name", "num_images", "iterations", "rates"),
    [
        ("coco_mask_rcnn_resnet50_gn", COCO_IMAGES, 540_000, {479_999: 0.02, 480_000: 0.002, 520_000: 0.0002}),
        ("coco_mask_rcnn_gn_enhanced", COCO_IMAGES, 810_000, {749_999: 0.02, 750_000: 0.002, 790_000: 0.0002}),
        ("coco_mask_rcnn_resnet50_gn_35k", 35_000, 540_000, {479_999: 0.04, 480_000: 0.0008}),
        ("coco_mask_rcnn_resnet50_gn_10k", 10_000, 220_000, {159_999: 0.04, 160_000: 0.0008}),
        ("coco_keypoint_rcnn_resnet50_gn", COCO_IMAGES, 180_000, {119_999: 0.02, 120_000: 0.002}),
        ("voc_faster_rcnn_resnet101_gn", 15_000, 144_000, {83_999: 0.02, 84_000: 0.002, 124_000: 0.0002}),
        ("voc_faster_rcnn_resnet50", 16_551, 20 * 16_551, {14 * 16_551 - 1: 0.001, 14 * 16_551: 0.0001}),
    ],
)
def test_published_schedules(name, num_images, iterations, rates):
    config = DetectionConfig.parse(load_document(name, DETECTION))
    schedule = config.detection.schedule
    recipe = config.recipe if schedule is None else with_length(config.recipe, schedule, num_images)
    assert recipe.iterations == iterations
    for iteration, rate in rates.items():
        assert learning_rate(recipe, iteration) == pytest.approx(rate)
    assert recipe.decay_biases == (config.detector.norm != "gn")


@pytest.mark.parametrize("name", config_names(SEGMENTATION))
def test_segmenters_of_this_package_are_valid_and_written_out_in_full(name):
    config = SegmentationConfig.parse(load_document(name, SEGMENTATION))
    assert SegmentationConfig.parse(config.to_document()) == config
    plan = config.plan(ReferenceNetwork("resnet18"))
    assert (plan.network, plan.head, plan.recipe, plan.data) == (
        config.network,
        config.head,
        config.recipe,
        config.data,
    )


def test_the_large_one_is_120_epochs_of_ade20k():
    recipe = SegmentationConfig.parse(load_document("segment_fcn_resnet50", SEGMENTATION)).recipe
    assert recipe.iterations * recipe.batch_size == 120 * 20_210
    assert (recipe.schedule, recipe.power) == ("polynomial", 0.9)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"test": {"flip": True}}, r"test: test\.flip needs test\.scales"),
        ({"test": {"scales": [4]}}, r"test\.scales\.0: "),
        ({"test": {"scales": [400]}, "detector": {"keypoints": True}}, "test.scales is for boxes and masks"),
        ({"detector": {"keypoints": True, "masks": True}}, "must not both be set"),
        ({"detection": {"schedule": "60"}}, "a schedule must be 1x, 2x"),
    ],
)
def test_bad_settings_of_a_detector_are_named(document, message):
    with pytest.raises(ValueError, match=message) as caught:
        DetectionConfig.parse({**MINIMAL, **document})
    assert "\n" not in str(caught.value)


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
def test_bad_settings_of_a_segmenter_are_named(document, message):
    with pytest.raises(ValueError, match=message) as caught:
        SegmentationConfig.parse(document)
    assert "\n" not in str(caught.value)


def test_a_segmenter_is_told_apart_from_other_configurations():
    with pytest.raises(ValueError, match=r"of `nas train`; those of `nas segment` are .*coco_segment_small"):
        SegmentationConfig.parse({"training": {}})
