from __future__ import annotations

import json
from dataclasses import replace

import pytest

from experiments.architectures.count import count_architecture
from experiments.architectures.find import MAX_BYTES, NetworkOptions, find_architecture, network_spec
from experiments.runs.run_folder import RunFolder
from nas.edge_cell import EdgeCell
from nas.ledger.writer import Ledger
from nas.models.presets import PRESETS
from nas.models.reference.names import ReferenceNetwork
from nas.models.scaling import Budget, widest
from nas.trial import Failure, Success
from search_spaces.published import PUBLISHED


@pytest.fixture
def run(tmp_path, make_trial):
    folder = RunFolder(tmp_path / "run@home")
    folder.path.mkdir()
    with Ledger(folder.ledger) as ledger:
        ledger.append_asked([make_trial(0), make_trial(1), make_trial(2, 1), make_trial(3)])
        ledger.append_finished(Success(0, 0.5))
        ledger.append_finished(Success(1, 0.75))
        ledger.append_finished(Success(2, 0.75, cached=True))
        ledger.append_finished(Failure(3, "error", "text"))
    folder.weights.mkdir()
    folder.trial_weights(1).write_bytes(b"weights")
    return folder.path


def test_a_run_is_its_best_trial(run, make_trial):
    source = find_architecture(str(run))
    assert source.architecture == make_trial(1).architecture
    assert source.weights == run / "weights" / "trial-1.safetensors"
    assert source.outcome == Success(1, 0.75)
    assert source.fidelity == make_trial(1).fidelity


def test_the_second_best_is_another_architecture(run, make_trial):
    source = find_architecture(f"{run}@2")
    assert source.architecture == make_trial(0).architecture
    assert source.weights is None


def test_published_names_and_files_are_architectures(tmp_path):
    published = find_architecture("nasnet-a")
    assert published.architecture == PUBLISHED["nasnet-a"]
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(published.architecture.to_json()))
    assert find_architecture(str(path)).architecture == published.architecture
    assert find_architecture(str(tmp_path)).architecture == published.architecture
    path.write_text(json.dumps({"architecture": published.architecture.to_json(), "network": {}}))
    assert find_architecture(str(path)).architecture == published.architecture


def _changed(**changes: object) -> str:
    value = PUBLISHED["nasnet-a"].to_json()
    value["normal"]["blocks"][1].update(changes)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON: .* in line 1"),
        ("\udcff", "not UTF-8"),
        ("[1, 2]", "an architecture must be an object"),
        ('{"normal": {}}', "an architecture must have reduction"),
        ("[" * 100_000, "must not be nested deeper"),
        ('{"normal": NaN}', "numbers must be finite, got NaN"),
        (_changed(left=[3, "identity"]), r"normal cell: block 1 may read hidden states 0\.\.2, got 3"),
        (_changed(left=[-1, "identity"]), "the source of an edge must be a whole number from 0, got -1"),
        (_changed(left=[0, "sep_conv_9x9"]), "sep_conv_9x9"),
        (_changed(norm="layer"), "layer"),
        (_changed(combine="multiply"), "combine must be one of add, concat"),
        (" " * (MAX_BYTES + 1), f"at most {MAX_BYTES} bytes"),
    ],
)
def test_a_file_that_holds_no_architecture_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(ValueError, match=message) as caught:
        find_architecture(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nasnet-z", "unknown architecture .*did you mean nasnet-a?"),
        ("missing.json", "there is no file or folder missing.json"),
        ("runs/missing", "there is no file or folder runs/missing"),
        ("missing@3", "there is no file or folder missing"),
    ],
)
def test_what_is_not_there_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        find_architecture(text)


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        ("@3", "has 2 different successful architectures, got @3"),
        ("@0", "k must be"),
        ("@x", "k must be"),
        ("@", "k must be"),
    ],
)
def test_a_rank_that_a_run_does_not_have_is_refused(run, rank, message):
    with pytest.raises(ValueError, match=message):
        find_architecture(f"{run}{rank}")


def test_folders_without_a_successful_trial_are_refused(tmp_path, make_trial):
    with pytest.raises(ValueError, match="holds no run"):
        find_architecture(str(tmp_path))
    folder = RunFolder(tmp_path)
    with Ledger(folder.ledger) as ledger:
        ledger.append_asked([make_trial(0)])
        ledger.append_finished(Failure(0, "error", "text"))
    with pytest.raises(ValueError, match="has no successful trial yet"):
        find_architecture(str(tmp_path))


def test_the_network_is_the_presets_else_that_of_the_run_else_cifar(run):
    published, trial = find_architecture("nasnet-a"), find_architecture(str(run))
    assert network_spec(published, NetworkOptions()) == PRESETS["cifar10"]
    assert trial.fidelity is not None
    assert network_spec(trial, NetworkOptions()) == trial.fidelity.network
    assert network_spec(trial, NetworkOptions(preset="imagenet-large")) == PRESETS["imagenet-large"]


def test_a_budget_makes_the_network_as_wide_as_it_allows():
    source = find_architecture("nasnet-a")
    options = NetworkOptions(stack="1@96", image_size=16, multiply_adds="5M")
    around = replace(PRESETS["cifar10"], num_repeats=1, image_size=16)
    expected, _ = widest(source.cells, around, Budget(multiply_adds=5_000_000))
    assert network_spec(source, options) == expected
    with pytest.raises(ValueError, match="the architecture must have cells"):
        network_spec(find_architecture("resnet18"), NetworkOptions(parameters="5M"))


def test_options_change_the_network():
    spec = network_spec(find_architecture("nasnet-a"), NetworkOptions(stack="4@384", image_size=64, classes=100))
    assert (spec.num_repeats, spec.num_filters, spec.image_size, spec.num_classes) == (4, 16, 64, 100)
    assert NetworkOptions(classes=2).given
    assert NetworkOptions(multiply_adds="5M").given
    assert not NetworkOptions().given


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (NetworkOptions(preset="imagenet"), "unknown preset 'imagenet'; did you mean imagenet-"),
        (NetworkOptions(image_size=4), "--image-size must be 8..8192, got 4"),
        (NetworkOptions(classes=1), "--classes must be 2..1000000, got 1"),
        (NetworkOptions(stack="2@256"), "nearest: 2@240 and 2@288"),
        (NetworkOptions(stack="big"), "a stack must be N@P"),
        (NetworkOptions(parameters="much"), "an amount must be a number such as 600M"),
        (NetworkOptions(parameters="1K"), "got a budget of 1,000 parameters"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network_spec(find_architecture("nasnet-a"), options)


def test_a_reference_network_is_counted_but_not_drawn():
    source = find_architecture("resnet50-ibn-a")
    assert source.architecture == ReferenceNetwork("resnet50-ibn-a")
    assert count_architecture(source, NetworkOptions(preset="imagenet-mobile")).complexity.num_parameters == 25_557_032
    with pytest.raises(ValueError, match="the architecture must have cells, got the reference network resnet50-ibn-a"):
        _ = source.cells
    with pytest.raises(ValueError, match="the architecture must have cells"):
        network_spec(source, NetworkOptions(stack="6@768"))


def test_networks_of_libraries_are_found_in_their_published_form():
    source = find_architecture("torchvision:inception_v3")
    assert source.architecture == ReferenceNetwork("torchvision:inception_v3")
    spec = network_spec(source, NetworkOptions())
    assert (spec.image_size, spec.num_classes, spec.stem) == (299, 1000, "imagenet")
    with pytest.raises(ValueError, match="timm has no classification network resnet51; did you mean resnet51q"):
        find_architecture("timm:resnet51")


def test_a_name_alone_is_a_published_size():
    for name, filters, size in (("nasnet-a", 32, 32), ("pnasnet-5", 216, 331), ("amoebanet-a", 36, 32)):
        spec = network_spec(find_architecture(name), NetworkOptions())
        assert (spec.num_filters, spec.image_size) == (filters, size)
    assert network_spec(find_architecture("pnasnet-5"), NetworkOptions(preset="cifar10")).image_size == 32


def test_nothing_is_no_architecture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "architecture.json").write_text(json.dumps(PUBLISHED["nasnet-a"].to_json()))
    for text in ("", " "):
        with pytest.raises(ValueError, match="an architecture must be named, got an empty text"):
            find_architecture(text)
    assert find_architecture(f"{tmp_path}@1").architecture == PUBLISHED["nasnet-a"]
    with pytest.raises(ValueError, match="holds no search, so there is no @2 in it"):
        find_architecture(f"{tmp_path}@2")


CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|"


def test_a_cell_with_operations_on_edges_is_named_in_full():
    source = find_architecture(CELL)
    assert source.architecture == EdgeCell.from_arch(CELL)
    assert network_spec(source, NetworkOptions()) == PRESETS["nasbench201"]
    assert count_architecture(source, NetworkOptions(classes=100)).stack is None
    assert source.cells == source.architecture
    with pytest.raises(ValueError, match=r"must have cells of blocks, got .*: .* have no stack"):
        network_spec(source, NetworkOptions(stack="6@768"))
    with pytest.raises(ValueError, match=r"\|own~0\|: the ops of a cell must be among none"):
        find_architecture("|own~0|")


def test_a_run_of_such_cells_is_its_best_trial(tmp_path, make_trial):
    trial = replace(make_trial(0), architecture=EdgeCell.from_arch(CELL))
    with Ledger(RunFolder(tmp_path).ledger) as ledger:
        ledger.append_asked([trial])
        ledger.append_finished(Success(0, 0.5))
    assert find_architecture(str(tmp_path)).architecture == trial.architecture
