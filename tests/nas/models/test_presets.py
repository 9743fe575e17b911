from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from nas.architecture import Architecture
from nas.models.network import build_network
from nas.models.presets import PRESETS, format_stack, parse_stack
from nas.models.stack import cell_places, output_width
from search_spaces.published import PUBLISHED

NASNET_A = PUBLISHED["nasnet-a"]


@pytest.mark.parametrize(
    ("preset", "architecture", "text"),
    [
        ("cifar10", "nasnet-a", "6@768"),
        ("imagenet-mobile", "nasnet-a", "4@1056"),
        ("imagenet-large", "nasnet-a", "6 @ 4032"),
        ("pnasnet-large", "pnasnet-5", "4@4320"),
    ],
)
def test_presets_are_the_papers_stacks(preset, architecture, text):
    assert parse_stack(text, PRESETS[preset], PUBLISHED[architecture]) == PRESETS[preset]
    assert format_stack(PRESETS[preset], PUBLISHED[architecture]) == text.replace(" ", "")


def test_channels_that_no_filters_give_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"multiple of 48 .* got 2@256; nearest: 2@240 and 2@288"):
        parse_stack("2@256", PRESETS["cifar10"], NASNET_A)
    with pytest.raises(ValueError, match=r"nearest: 6@48$"):
        parse_stack("6@0", PRESETS["cifar10"], NASNET_A)


def test_loose_ends_make_narrower_cells():
    loose = Architecture(replace(NASNET_A.normal, concat=None), replace(NASNET_A.reduction, concat=None))
    assert parse_stack("2@640", PRESETS["cifar10"], loose).num_filters == 32


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_narrowest_stack_is_a_network(name):
    """Its first stem cell has one filter."""
    spec = replace(PRESETS["imagenet-mobile"], image_size=32, num_classes=5)
    width = output_width(PUBLISHED[name].normal, 16)
    narrow = parse_stack(f"1@{width}", spec, PUBLISHED[name])
    assert (narrow.num_filters, cell_places(narrow)[0].num_filters) == (4, 1)
    logits, auxiliary = build_network(PUBLISHED[name], narrow)(torch.randn(2, 3, 32, 32))
    assert logits.shape == auxiliary.shape == (2, 5)


def test_a_stack_that_ends_in_a_reduction_has_its_width():
    spec = replace(PRESETS["cifar10"], reduction_in_stage=True)
    stacked = parse_stack("1@512", spec, NASNET_A)
    assert stacked.num_filters == 32
    assert format_stack(stacked, NASNET_A) == "1@512"


@pytest.mark.parametrize(
    "text", ["", "6", "6@", "@768", "0@768", "-1@768", "6@768.5", "six@768", "6@768@1", "\uff16@768"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="a stack must be N@P"):
        parse_stack(text, PRESETS["cifar10"], NASNET_A)
