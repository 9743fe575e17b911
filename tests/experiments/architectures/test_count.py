from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.architectures.count import (
    NetworkCount,
    count_architecture,
    describe_network,
    find_figure,
    network_line,
    print_count,
)
from experiments.architectures.find import ArchitectureSource, NetworkOptions, find_architecture, network_spec
from nas.architecture import Architecture, Block, Cell, Edge
from nas.models.presets import PRESETS

# Counted from the authors' wiring; timm and pretrainedmodels give the same for the two large ones.
GOLDEN = [
    ("nasnet-a", "imagenet-mobile", 5_289_978, 563.6, 2_411_240),
    ("nasnet-a", "cifar10", 3_346_538, 544.3, 1_631_498),
    ("pnasnet-5", "pnasnet-large", 86_057_668, 24_937.4, None),
]


@pytest.mark.parametrize(("name", "preset", "num_parameters", "million_multiply_adds", "auxiliary"), GOLDEN)
def test_published_networks_have_the_published_counts(name, preset, num_parameters, million_multiply_adds, auxiliary):
    value = count_architecture(find_architecture(name), NetworkOptions(preset=preset)).to_json()
    assert json.loads(json.dumps(value)) == json.loads(json.dumps(value, allow_nan=False))
    assert value["num_parameters"] == num_parameters
    assert round(value["num_multiply_adds"] / 1e6, 1) == million_multiply_adds
    if value["paper"] is not None:
        assert num_parameters == pytest.approx(float(value["paper"]["parameters"].removesuffix("M")) * 1e6, rel=0.02)
    assert auxiliary is None or value["auxiliary_num_parameters"] == auxiliary
    for key in ("num_parameters", "num_multiply_adds", "num_activations"):
        assert sum(stage[key] for stage in value["stages"]) == value[key]


def _loose_ends(architecture: Architecture) -> Architecture:
    cells = (replace(cell, concat=None) for cell in (architecture.normal, architecture.reduction))
    return Architecture(*cells)


def test_loose_ends_alone_give_fewer():
    source = ArchitectureSource("loose", _loose_ends(find_architecture("nasnet-a").architecture))
    value = count_architecture(source, NetworkOptions(preset="cifar10")).to_json()
    assert value["num_parameters"] == 3_076_906
    assert round(value["num_multiply_adds"] / 1e6, 1) == 499.2
    assert value["paper"] is None


def test_the_papers_figure_stands_beside_its_own_network_only():
    source = find_architecture("nasnet-a")
    figure = find_figure(source, PRESETS["imagenet-mobile"])
    assert figure is not None
    assert (figure.parameters, figure.multiply_adds) == ("5.3M", "564M")
    assert find_figure(source, replace(PRESETS["imagenet-mobile"], num_classes=100)) is None
    assert find_figure(find_architecture("pnasnet-5"), PRESETS["imagenet-mobile"]) is None


def test_pnasnets_stages_begin_with_a_reduction():
    text = _print(count_architecture(find_architecture("pnasnet-5"), NetworkOptions(preset="pnasnet-large")))
    assert "4 cells per stage (the first a reduction from stage 2 on), 216 filters" in text


def test_the_published_size_is_named():
    text = _print(count_architecture(find_architecture("amoebanet-a"), NetworkOptions()))
    assert "size: AmoebaNet-A for CIFAR-10, N = 6 and F = 36 (1802.01548)" in text
    assert "reported: 3.2M parameters, 3.34 % on CIFAR-10 (1802.01548)" in text
    assert "size: " not in _print(count_architecture(find_architecture("amoebanet-a"), NetworkOptions(stack="1@64")))


def test_a_network_of_a_library_is_counted_by_its_parts():
    text = _print(count_architecture(find_architecture("torchvision:squeezenet1_1"), NetworkOptions()))
    assert "torchvision:squeezenet1_1: the library's form, 224 x 224 pixels, 1000 classes" in text
    assert "features.12" in text
    assert "1,235,496" in text


def test_a_reference_network_has_no_stack():
    value = count_architecture(find_architecture("resnet18"), NetworkOptions(preset="imagenet-mobile"))
    assert not {"num_repeats", "num_filters", "reduction_in_stage", "stack"} & value.to_json().keys()
    assert _print(value).startswith(
        "resnet18: ImageNet form (a stem of stride 2, then a pool), 224 x 224 pixels, 1000 classes\n"
    )


@pytest.fixture(scope="module")
def mobile() -> NetworkCount:
    return count_architecture(find_architecture("nasnet-a"), NetworkOptions(preset="imagenet-mobile"))


def _print(value: NetworkCount) -> str:
    stream = io.StringIO()
    print_count(value, Console(file=stream, width=120))
    return stream.getvalue()


def test_the_table_shows_stages_total_and_the_paper(mobile):
    text = _print(mobile)
    for part in ("stem", "stage 3", "classifier", "5,289,978", "563.6 M", "2,411,240", "5.3M", "1707.07012, table 3"):
        assert part in text


def test_figures_that_nobody_reproduces_are_said_to_be_so(mobile):
    source = find_architecture("nasnet-a")
    figure = find_figure(source, network_spec(source, NetworkOptions(stack="7@2304")))
    assert figure is not None
    assert "no published wiring" in _print(replace(mobile, paper=figure))
    assert "reported" not in _print(replace(mobile, paper=None))


def test_a_network_is_described_in_a_few_words():
    text = describe_network(find_architecture("nasnet-a"), NetworkOptions(preset="cifar10"))
    assert text == "6@768, 3.35 M parameters, 544.3 M multiply-adds, 32 x 32 pixels"


def test_what_a_budget_chose_is_said():
    cell = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
    source = ArchitectureSource("small", Architecture(cell, cell))
    value = count_architecture(source, NetworkOptions(stack="1@8", image_size=16, multiply_adds="5M"))
    line = network_line(value)
    assert line.startswith(
        f"{value.stack}, 1 normal cell per stage, {value.spec.num_filters} filters, 16 x 16 pixels, 10 "
    )
    assert line.endswith(" M multiply-adds, the widest network within 5,000,000 multiply-adds")
    assert "the widest network within 5,000,000 multiply-adds\n" in _print(value)
    free = count_architecture(source, NetworkOptions(stack=value.stack, image_size=16))
    assert free.spec == value.spec
    assert "widest" not in network_line(free)


def test_counting_the_large_network_takes_little_memory():
    code = (
        "from pathlib import Path\nfrom experiments.cli.main import main\n"
        "main(['count', 'nasnet-a', '--preset', 'imagenet-large', '--json'])\n"
        # Not ru_maxrss, which begins with the size of the process that started this one.
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600)
    text, peak = done.stdout.rsplit("}", 1)
    value = json.loads(text + "}")
    assert value["num_parameters"] == 88_753_150
    assert round(value["num_multiply_adds"] / 1e6, 1) == 23_783.4
    assert value["auxiliary_num_parameters"] == 4_567_784
    assert int(peak) * 1024 < 1e9


@pytest.mark.parametrize(
    ("preset", "parameters", "multiply_adds", "heading"),
    [
        (
            None,
            25_557_032,
            4_089,
            "resnet50: ImageNet form (a stem of stride 2, then a pool), 224 x 224 pixels, 1000 classes",
        ),
        (
            "cifar10",
            23_520_842,
            1_298,
            "resnet50: CIFAR form (a 3x3 stem of stride 1, without pool), 32 x 32 pixels, 10 classes",
        ),
    ],
)
def test_a_reference_network_is_counted_in_the_form_that_is_named(preset, parameters, multiply_adds, heading):
    value = count_architecture(find_architecture("resnet50"), NetworkOptions(preset=preset))
    assert value.complexity.num_parameters == parameters
    assert round(value.complexity.num_multiply_adds / 1e6) == multiply_adds
    assert _print(value).startswith(heading)
