"""Fine-tunes an exported network on images of your own, in the manner of timm and Lightning: plain PyTorch.

    nas export runs/minimal@1 --out best
    python examples/fine_tune.py best

The export needs only torch: copy the folder into any project. The backbone keeps its weights, the classifier is new.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


def load_model(folder: Path) -> ModuleType:
    """Imports ``model.py`` of an export."""
    spec = importlib.util.spec_from_file_location("exported_model", folder / "model.py")
    if spec is None or spec.loader is None:
        raise ValueError(f"{folder} holds no export")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


class FineTuner(torch.nn.Module):
    """A backbone and a new classifier, as a LightningModule would have them."""

    def __init__(self, folder: Path, *, num_classes: int) -> None:
        super().__init__()
        self.model = load_model(folder)
        self.backbone = self.model.load()
        self.head = torch.nn.Linear(self.model.FEATURE_CHANNELS[-1], num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns logits of images with values from 0 to 1."""
        features: torch.Tensor = self.backbone.features(self.model.normalize(images))[-1]
        logits: torch.Tensor = self.head(features.relu().mean((2, 3)))
        return logits

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Returns the loss of a batch."""
        images, labels = batch
        return torch.nn.functional.cross_entropy(self(images), labels)


def main(arguments: list[str] | None = None) -> float:
    """Fine-tunes on even and odd digits, and returns the accuracy on held out ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of nas export, of a network for 8 x 8 grayscale images")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(arguments)
    digits = load_digits()
    images = torch.from_numpy(digits.images[:, None] / 16).float()
    labels = torch.from_numpy(digits.target % 2)
    tuner = FineTuner(options.folder, num_classes=2)
    optimizer = torch.optim.SGD(tuner.parameters(), lr=0.02, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), 64, shuffle=True, generator=generator)
    for _ in range(options.epochs):
        tuner.train()
        for batch in loader:
            optimizer.zero_grad()
            tuner.training_step(batch).backward()
            optimizer.step()
    tuner.eval()
    with torch.no_grad():
        accuracy = float((tuner(images[1400:]).argmax(1) == labels[1400:]).float().mean())
    print(f"accuracy on {len(labels) - 1400} held out images: {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main()
