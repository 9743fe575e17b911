"""Parameters and multiply-adds of every network that the papers name, beside the figures that others publish.

Multiply-adds are those of convolutions and linear layers, in millions. A figure of a paper is given as it prints it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchvision

from nas.models.build import build
from nas.models.complexity import measure
from nas.models.presets import PRESETS, PUBLISHED_SIZES
from nas.models.reference.names import IMAGENET_FORM, ReferenceNetwork
from search_spaces.published import PUBLISHED

REFERENCES = [
    # as torchvision's metadata (`test_torchvision_publishes_the_same`)
    ("resnet18", 224, 11_689_512, 1_814),
    ("resnet34", 224, 21_797_672, 3_664),
    ("resnet50", 224, 25_557_032, 4_089),
    ("resnet101", 224, 44_549_160, 7_801),
    ("resnet152", 224, 60_192_808, 11_514),
    ("resnext50-32x4d", 224, 25_028_904, 4_230),
    ("resnext101-32x8d", 224, 88_791_336, 16_414),
    ("densenet121", 224, 7_978_856, 2_834),
    ("densenet169", 224, 14_149_480, 3_360),
    ("densenet201", 224, 20_013_928, 4_291),
    ("torchvision:mobilenet_v2", 224, 3_504_872, 301),
    ("torchvision:shufflenet_v2_x1_0", 224, 2_278_604, 145),
    ("torchvision:vgg16", 224, 138_357_544, 15_470),
    # Bag of Tricks, table 5: 25 M, 4.1 G, 4.3 G and 4.3 G; the same as timm's resnet50c, resnet50d and resnet152d
    ("resnet50-b", 224, 25_557_032, 4_089),
    ("resnet50-c", 224, 25_576_264, 4_329),
    ("resnet50-d", 224, 25_576_264, 4_329),
    ("resnet152-d", 224, 60_212_040, 11_753),
    # IBN-Net: as the network without instance normalization, but for the norms after the sums and their statistics
    ("resnet18-ibn-a", 224, 11_689_512, 1_814),
    ("resnet18-ibn-b", 224, 11_689_896, 1_814),
    ("resnet34-ibn-a", 224, 21_797_672, 3_664),
    ("resnet50-ibn-a", 224, 25_557_032, 4_089),
    ("resnet50-ibn-b", 224, 25_558_568, 4_089),
    ("resnet50-ibn-c", 224, 25_557_032, 4_089),
    ("resnet50-ibn-d", 224, 25_558_568, 4_089),
    ("resnet50-ibn-ad", 224, 25_558_568, 4_089),
    ("resnet50-ibn-a2", 224, 25_557_032, 4_089),
    ("resnet101-ibn-a", 224, 44_549_160, 7_801),
    ("resnet152-ibn-a", 224, 60_192_808, 11_514),
    ("resnext50-32x4d-ibn-a", 224, 25_028_904, 4_230),
    ("resnext101-32x4d-ibn-a", 224, 44_177_704, 7_970),  # timm's resnext101_32x4d
    ("seresnet50-ibn-a", 224, 25_557_032 + 2_514_944, 4_092),  # two matrices in each of 16 blocks, without biases
    ("seresnet101-ibn-a", 224, 49_292_328, 7_806),
    ("densenet121-ibn-a", 224, 7_978_856, 2_834),
    ("densenet169-ibn-a", 224, 14_149_480, 3_360),
    # Rethinking ImageNet Pre-training
    ("resnext152-32x8d", 224, 122_372_392, 24_384),
    # NASNet, tables 2 and 3: 4.2M and 569M; 6.6M (1448M there); 23.8M and 5.72B; 22.8M and 8.38B; 55.8M and 13.2B;
    # 83.6M and 31.5B; 79.5M and 32.0B; 145.8M and 42.3B (an earlier SENet)
    ("timm:mobilenetv1_100", 224, 4_231_976, 569),
    ("torchvision:googlenet", 224, 6_624_904, 1_498),
    ("torchvision:inception_v3", 299, 23_834_568, 5_713),
    ("timm:legacy_xception", 299, 22_855_952, 8_357),
    ("timm:inception_resnet_v2", 299, 55_843_464, 13_156),
    ("resnext101-64x4d", 320, 83_455_272, 31_549),
    ("timm:dpn131", 320, 79_254_504, 32_678),
    ("timm:legacy_senet154", 320, 115_088_984, 42_212),
]
CELLS = [
    ("nasnet-a", "imagenet-large", 88_753_150, 23_783),  # 88.9M, 23.8B; timm's nasnetalarge
    ("nasnet-a", "imagenet-mobile", 5_289_978, 564),  # 5.3M, 564M
    ("nasnet-a", None, 3_346_538, 544),  # 3.3M
    ("pnasnet-5", None, 86_057_668, 24_937),  # 86.1M, 25.0B; timm's pnasnet5large
    ("amoebanet-a", None, 3_218_266, 510),  # 3.2M
]


@pytest.mark.parametrize(("name", "size", "parameters", "millions"), REFERENCES, ids=[row[0] for row in REFERENCES])
def test_reference_networks(name, size, parameters, millions):
    cost = measure(ReferenceNetwork(name), replace(IMAGENET_FORM, image_size=size))
    assert cost.num_parameters == parameters == sum(stage.num_parameters for stage in cost.stages)
    assert round(cost.num_multiply_adds / 1e6) == millions
    assert abs(sum(stage.num_multiply_adds for stage in cost.stages) - cost.num_multiply_adds) <= 1


@pytest.mark.parametrize(("name", "preset", "parameters", "millions"), CELLS)
def test_networks_of_cells(name, preset, parameters, millions):
    spec = PUBLISHED_SIZES[name].spec if preset is None else PRESETS[preset]
    cost = measure(PUBLISHED[name], spec)
    assert (cost.num_parameters, round(cost.num_multiply_adds / 1e6)) == (parameters, millions)


def test_torchvision_publishes_the_same():
    for name, _, parameters, millions in REFERENCES[:13]:
        theirs = name.removeprefix("torchvision:").replace("-", "_")
        meta = torchvision.models.get_model_weights(theirs).DEFAULT.meta
        assert meta["num_params"] == parameters, name
        assert abs(1000 * meta["_ops"] - millions) <= 1, name


def test_every_published_architecture_has_a_size():
    assert set(PUBLISHED_SIZES) == set(PUBLISHED)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("resnet50-c", "timm:resnet50c"),
        ("resnet50-d", "timm:resnet50d"),
        ("resnext50-32x4d", "torchvision:resnext50_32x4d"),
        ("densenet121", "torchvision:densenet121"),
    ],
)
@torch.no_grad()
def test_outputs_agree_with_the_libraries(ours, theirs):
    """Copies initial weights by their order and shape, since names differ, and compares the outputs."""
    spec = replace(IMAGENET_FORM, num_classes=5, image_size=64)
    torch.manual_seed(0)
    first, second = (build(ReferenceNetwork(name), spec).eval() for name in (ours, theirs))
    weights, copies = list(first.state_dict().values()), list(second.state_dict().values())
    assert [weight.shape for weight in weights] == [copy.shape for copy in copies]
    for weight, copy in zip(weights, copies, strict=True):
        copy.copy_(weight)
    images = torch.randn(2, 3, 64, 64)
    expected = second(images)
    torch.testing.assert_close(first(images), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
