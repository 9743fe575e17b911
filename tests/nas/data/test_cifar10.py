import numpy as np
import pytest
import torchvision

from nas.data.cifar10 import load_cifar10
from nas.fidelity import DataSpec

NAMES = ["airplane", "automobile"]


class FakeCifar10:
    """What torchvision gives for a downloaded CIFAR-10, with two classes of twenty images."""

    roots: list[str] = []  # noqa: RUF012

    def __init__(self, root, train, download):
        assert download
        self.roots.append(root)
        self.data = np.random.default_rng(train).integers(0, 256, (40 if train else 10, 32, 32, 3), dtype=np.uint8)
        self.targets = [index % 2 for index in range(len(self.data))]
        self.classes = NAMES


@pytest.fixture
def roots(monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", FakeCifar10)
    monkeypatch.setattr(FakeCifar10, "roots", [])
    return FakeCifar10.roots


def test_images_come_channels_first_and_the_test_part_only_when_asked_for(roots):
    data = load_cifar10(DataSpec("cifar10", root="/somewhere"))
    assert roots == ["/somewhere"]
    assert (data.train.images.shape, data.validation.images.shape) == ((36, 3, 32, 32), (4, 3, 32, 32))
    original = FakeCifar10("", train=True, download=True).data
    assert data.train.images[0].transpose(1, 2, 0).tobytes() in {image.tobytes() for image in original}
    assert data.class_names == tuple(NAMES)
    assert len(data.load_test()) == 10


def test_without_a_root_it_lies_in_the_cache_folder(roots, monkeypatch, tmp_path):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path))
    load_cifar10(DataSpec("cifar10", image_size=8))
    assert roots == [str(tmp_path)]


def test_a_failed_download_says_where_it_was_looked_for(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", fail)
    with pytest.raises(RuntimeError, match=r"CIFAR-10 is not in /nowhere .*no route to host.*image_folder"):
        load_cifar10(DataSpec("cifar10", root="/nowhere"))
