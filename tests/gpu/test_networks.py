"""Networks trained on a GPU: evaluation as on the CPU, shifts, checkpoint, export and ONNX; detectors, segmenters."""

import dataclasses

import pytest
import torch
from torch import nn

from nas.downstream.backbone import Backbone, build_backbone
from nas.downstream.recipe import DenseRecipe
from nas.downstream.training import start_dense
from nas.fidelity import NetworkSpec
from nas.models.checkpoint import load_checkpoint, save_checkpoint
from nas.recipe import TrainRecipe
from nas.shifts.measure import ShiftPlan, shifted_accuracies
from nas.training.evaluation import evaluate
from nas.training.loop import train
from search_spaces.published import PUBLISHED

pytestmark = pytest.mark.gpu
RECIPE = TrainRecipe(epochs=2, batch_size=16, learning_rate=0.02, crop_padding=1, precision="float32", device="cuda")
CPU = dataclasses.replace(RECIPE, device="cpu")


@pytest.fixture
def trained(make_network, bright_data):
    network = make_network()
    train(network, bright_data, RECIPE, seed=0)
    return network


@pytest.mark.parametrize("cuda_graph", ["always", "never"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 0.01), ("bfloat16", 0.05), ("float16", 0.03)])
def test_evaluation_equals_that_of_the_cpu(trained, bright_data, cuda_graph, precision, tolerance):
    recipe = dataclasses.replace(RECIPE, precision=precision, cuda_graph=cuda_graph)
    on_gpu = evaluate(trained, bright_data.validation, bright_data, recipe)  # the last batch has 4 of 16 images
    on_cpu = evaluate(trained, bright_data.validation, bright_data, CPU)
    assert on_gpu.top1 == pytest.approx(on_cpu.top1, abs=tolerance)
    assert on_gpu.num_images == on_cpu.num_images == 100


def test_shifts_are_measured(trained, bright_data):
    found = shifted_accuracies(trained, bright_data.validation, bright_data, RECIPE, plan=ShiftPlan(("add_red",)))
    expected = shifted_accuracies(trained, bright_data.validation, bright_data, CPU, plan=ShiftPlan(("add_red",)))
    assert found == pytest.approx(expected, abs=0.01)


def test_a_checkpoint_and_its_exports_give_the_same_logits(trained, bright_data, tmp_path):
    save_checkpoint(tmp_path / "network.safetensors", trained, data=bright_data, accuracy=0.5)
    images = torch.randn(4, 3, 16, 16)
    with torch.inference_mode():
        expected = trained.eval()(images.cuda()).cpu()
        loaded = load_checkpoint(tmp_path / "network.safetensors").network
        torch.testing.assert_close(loaded(images), expected, rtol=1e-2, atol=1e-2)
    from nas.export.programs import write_program

    write_program(trained, tmp_path / "model.pt2")  # compares the logits itself
    assert (tmp_path / "model.pt2").exists()


def test_onnx_of_a_network_on_the_gpu(trained, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from nas.export.programs import write_onnx

    write_onnx(trained, tmp_path / "model.onnx")  # compares the logits itself
    assert (tmp_path / "model.onnx").exists()


class Boxes:
    """Images with one bright square each, for a detector."""

    def __len__(self):
        return 4

    def batch(self, draws, device):
        image = torch.rand(3, 64, 64, device=device) / 2
        image[:, 8:40, 8:40] += 0.5
        target = {"boxes": torch.tensor([[8.0, 8, 40, 40]], device=device), "labels": torch.ones(1, dtype=torch.int64)}
        return [image] * len(draws), [{name: value.to(device) for name, value in target.items()}] * len(draws)


class Masks(Boxes):
    """The same, for a segmenter."""

    def batch(self, draws, device):
        images, _ = super().batch(draws, device)
        truth = torch.zeros(len(draws), 64, 64, dtype=torch.int64, device=device)
        truth[:, 8:40, 8:40] = 1
        return torch.stack(images), truth


def make_backbone() -> Backbone:
    spec = NetworkSpec(num_classes=2, image_size=64, num_filters=8, num_repeats=1)
    return build_backbone(PUBLISHED["nasnet-a"], spec, seed=0)


def make_detector() -> nn.Module:
    from nas.downstream.detection.networks import build_detector
    from nas.downstream.detection.settings import DetectorSettings, ImageForm

    settings = DetectorSettings(channels=16, features=32, anchor_scale=4)
    form = ImageForm(categories=((1, "square"),), scales=(64,), max_side=64)
    return build_detector(make_backbone(), settings, form)


def make_segmenter() -> nn.Module:
    from nas.downstream.segmentation.networks import build_segmenter
    from nas.downstream.segmentation.settings import HeadSpec

    return build_segmenter(make_backbone(), 2, HeadSpec(), seed=0)


@pytest.mark.parametrize(("build", "images"), [(make_detector, Boxes()), (make_segmenter, Masks())])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_steps_of_detectors_and_segmenters(build, images, precision):
    recipe = DenseRecipe(
        iterations=6,
        batch_size=2,
        learning_rate=0.01,
        reference_batch=0,
        cuts=(2,),
        warmup_iterations=1,
        record_iterations=3,
        checkpoint_iterations=3,
        precision=precision,
        device="cuda",
    )
    with start_dense(build(), images, recipe, seed=0) as training:
        records = [training.run(), training.run()]
    assert training.is_done
    assert records[1]["loss"] < 2 * records[0]["loss"]  # finite, or it would have raised
