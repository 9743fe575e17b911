"""A search space and a data set of your own, and the best network trained in a loop of your own.

python examples/own_space.py
"""

from __future__ import annotations

import argparse

import torch
from sklearn.datasets import load_digits

import nas

OPS = ("identity", "conv_3x3", "sep_conv_3x3", "max_pool_3x3")
CELLS = ("normal", "reduction")
NUM_BLOCKS = 3


class ChainSpace:
    """Cells that are chains: each block adds an operation on the state before to that state."""

    choices = tuple(nas.Choice(f"{cell}/{block}", "op", len(OPS)) for cell in CELLS for block in range(NUM_BLOCKS))

    def decode(self, decisions: tuple[int, ...]) -> nas.Architecture:
        """Returns both cells."""
        return nas.Architecture(self._cell(decisions[:NUM_BLOCKS]), self._cell(decisions[NUM_BLOCKS:]))

    def _cell(self, decisions: tuple[int, ...]) -> nas.Cell:
        blocks = (nas.Block(nas.Edge(i + 1, OPS[op]), nas.Edge(i + 1, "identity")) for i, op in enumerate(decisions))
        return nas.Cell(tuple(blocks))


def make_data() -> nas.DataSet:
    """Returns scikit-learn's digits, 8 x 8 pixels, as a data set."""
    digits = load_digits()
    return nas.data_set((digits.images * 15).astype("uint8"), digits.target, validation_fraction=0.25)


def fit(network: torch.nn.Module, data: nas.DataSet, *, num_steps: int) -> float:
    """Trains a network in a plain PyTorch loop; returns the share of validation images that it classifies right."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    images, labels = torch.from_numpy(data.train.images).float() / 255, torch.from_numpy(data.train.labels)
    generator = torch.Generator().manual_seed(0)
    network.train()
    for _ in range(num_steps):
        batch = torch.randint(len(labels), (64,), generator=generator)
        loss = torch.nn.functional.cross_entropy(network(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        predicted = network(torch.from_numpy(data.validation.images).float() / 255).argmax(1)
    return float((predicted == torch.from_numpy(data.validation.labels)).float().mean())


def main(arguments: list[str] | None = None) -> float:
    """Runs the search, trains and exports the best network, and returns its accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=3, help="epochs of a trial")
    parser.add_argument("--steps", type=int, default=500, help="steps of the final training")
    parser.add_argument("--out", default="runs/own_space")
    options = parser.parse_args(arguments)
    data = make_data()
    run = nas.run_search(
        space=ChainSpace,
        controller="random",
        data=data,
        network={"num_filters": 8, "num_repeats": 1, "num_stages": 2},
        recipe={"epochs": options.epochs, "learning_rate": 0.2, "flip": False, "crop_padding": 1},
        trials=options.trials,
        out=options.out,
    )
    torch.manual_seed(0)  # of the initial weights
    network = run.best.build()
    accuracy = fit(network, data, num_steps=options.steps)
    print(*nas.export(network, run.path / "best", accuracy=accuracy), f"{accuracy:.2%}", sep="\n")
    return accuracy


if __name__ == "__main__":
    main()
