"""Whatever a trial may hold is built, counted, trained, saved and rebuilt alike."""

from dataclasses import replace

import pytest
import torch

from nas.data.load import load_data
from nas.decisions import Rollout
from nas.export.folder import export_checkpoint
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.models.build import build
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.models.complexity import measure
from nas.models.network import Network
from nas.models.reference.names import ReferenceNetwork
from nas.models.resnet import ResidualNetwork
from nas.shifts.measure import ShiftPlan
from nas.trial import Success, Trial
from search_spaces.published import PUBLISHED
from workers.evaluators.train_and_validate import train_and_validate

SMALL = NetworkSpec(image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=2)
DESCRIPTIONS = [PUBLISHED["nasnet-a"], ReferenceNetwork("resnet18-ibn-b")]


@pytest.mark.parametrize(("description", "kind"), list(zip(DESCRIPTIONS, [Network, ResidualNetwork], strict=True)))
def test_each_description_gives_its_network(description, kind):
    network = build(description, SMALL)
    assert isinstance(network, kind)
    assert network.architecture == description


@pytest.mark.parametrize(
    ("name", "num_parameters"),
    [("resnet50", 25_557_032), ("resnet50-ibn-a", 25_557_032), ("resnet50-ibn-b", 25_558_568)],
)
def test_reference_networks_are_counted(name, num_parameters):
    spec = NetworkSpec(num_classes=1000, image_size=224, stem="imagenet")
    complexity = measure(ReferenceNetwork(name), spec)
    assert (complexity.num_parameters, complexity.num_multiply_adds) == (num_parameters, 4_089_184_256)
    assert [stage.name for stage in complexity.stages] == [
        "stem",
        *(f"stage {number}" for number in range(1, 5)),
        "classifier",
    ]
    assert complexity.auxiliary_num_parameters == 0


@pytest.mark.parametrize(
    ("name", "norm"), [("resnet18-ibn-a", "bn"), ("resnet18", "gn"), ("timm:mobilenetv3_small_050", "bn")]
)
def test_a_reference_network_is_trained_under_the_same_recipe_saved_and_rebuilt(name, norm, tmp_path):
    data = load_data(DataSpec(num_train=300))
    recipe = TrainRecipe(epochs=2, batch_size=32, learning_rate=0.05, flip=False, crop_padding=0, device="cpu")
    spec = replace(SMALL, norm=norm)
    fidelity = Fidelity(spec, recipe, DataSpec(num_train=300))
    trial = Trial(3, Rollout((), 0.0), ReferenceNetwork(name), fidelity, seed=0)
    plan = ShiftPlan(("gamma",))
    outcome = train_and_validate(trial, data=data, weights_dir=str(tmp_path), shifts=plan)
    assert isinstance(outcome, Success)
    assert outcome.num_parameters == measure(trial.architecture, spec).num_parameters
    assert set(outcome.metrics) >= {"shifted_accuracy", "accuracy_gamma"}
    checkpoint = load_checkpoint(tmp_path / "trial-3.safetensors")
    assert checkpoint.network.architecture == trial.architecture
    assert checkpoint.accuracy == outcome.accuracy
    files = export_checkpoint(tmp_path / "trial-3.safetensors", tmp_path / "out")
    assert [path.name for path in files] == ["architecture.json", "README.md", "weights.safetensors"]
    save_checkpoint(tmp_path / "again.safetensors", checkpoint.network, data=data, accuracy=0.5)
    images = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        logits = checkpoint.network(images)
        assert torch.equal(load_checkpoint(tmp_path / "again.safetensors").network(images), logits)
