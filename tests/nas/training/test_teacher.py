import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.data_set import DataSet, Split
from nas.fidelity import NetworkSpec, TrainRecipe
from nas.models.checkpoint import save_checkpoint
from nas.training.initial import build_initial
from nas.training.teacher import Teacher, load_teacher


def make_data(names=("a", "b"), channels=3, mean=0.5):
    split = Split(np.zeros((2, channels, 8, 8), np.uint8), np.arange(2))
    return DataSet(split, split, lambda: split, names, (mean,) * channels, (0.25,) * channels)


def test_a_teacher_sees_images_as_it_was_trained_to():
    class Mean(nn.Module):
        def forward(self, images):
            return images.mean((2, 3))

    teacher = Teacher(Mean(), own=((0.2, 0.4), (0.1, 0.2)), given=((0.5, 0.5), (0.25, 0.25)))
    pixels = torch.tensor([0.3, 0.8]).view(1, 2, 1, 1)
    given = (pixels - 0.5) / 0.25
    expected = torch.tensor([[(0.3 - 0.2) / 0.1, (0.8 - 0.4) / 0.2]])
    torch.testing.assert_close(teacher(given), expected)


@pytest.fixture
def path(tmp_path):
    cell = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
    spec = NetworkSpec(num_classes=2, image_size=8, num_filters=2, num_repeats=1, num_stages=1)
    network = build_initial(Architecture(cell, cell), spec, TrainRecipe(), seed=0)
    save_checkpoint(tmp_path / "teacher.safetensors", network, data=make_data(), accuracy=0.5)
    return tmp_path / "teacher.safetensors"


def test_a_checkpoint_teaches_its_own_classes(path):
    teacher = load_teacher(str(path), make_data(mean=0.1))
    assert not teacher.network.training
    assert not any(weight.requires_grad for weight in teacher.parameters())
    assert teacher(torch.zeros(1, 3, 8, 8)).shape == (1, 2)
    with pytest.raises(ValueError, match=r"must have the classes a, c, got a, b"):
        load_teacher(str(path), make_data(("a", "c")))
    with pytest.raises(ValueError, match="needs images of 3 channels, got 1"):
        load_teacher(str(path), make_data(channels=1))


def test_torchvisions_networks_teach_with_their_own_normalization(monkeypatch):
    built = []

    def get_model(name, weights):
        built.append((name, weights))
        return nn.Flatten()

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    names = tuple(map(str, range(1000)))
    teacher = load_teacher("torchvision:resnet18", make_data(names))
    assert built == [("resnet18", torchvision.models.ResNet18_Weights.DEFAULT)]
    assert teacher.shift.flatten().tolist() == pytest.approx([0.015 / 0.229, 0.044 / 0.224, 0.094 / 0.225], abs=1e-4)
    with pytest.raises(ValueError, match="torchvision:resnet18 has 1000 classes, but the data set has 2"):
        load_teacher("torchvision:resnet18", make_data())
    with pytest.raises(ValueError, match="a network of torchvision such as resnet50, got 'resnet19'"):
        load_teacher("torchvision:resnet19", make_data())


def test_weights_that_cannot_be_downloaded_are_an_error_of_one_line(monkeypatch):
    def get_model(name, weights):
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    with pytest.raises(RuntimeError, match="resnet18 cannot be downloaded: no network"):
        load_teacher("torchvision:resnet18", make_data())
