"""One of the processes of a group: trains, normalizes, and writes what it found for `test_parallel` to compare."""

import sys
from datetime import timedelta

import numpy as np
import torch
from safetensors.torch import save_file
from torch import distributed, nn

from nas.data.data_set import DataSet, Split
from nas.models.normalization import BatchNorm
from nas.models.sync_norm import synchronized
from nas.recipe import TrainRecipe
from nas.training.evaluation import evaluate
from nas.training.loop import start_training
from nas.training.parallel import current_members, gather_texts

RECIPE = TrainRecipe(epochs=1, batch_size=8, learning_rate=0.05, crop_padding=1, cutout=2, device="cpu")


class Plain(nn.Module):
    """A network whose images do not know of each other, or do through synchronized batch normalization."""

    def __init__(self, norm):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

    def set_progress(self, fraction):
        pass

    def forward(self, images):
        return self.layers(images)


def make_data(num_steps=20):
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (num_steps * 8, 3, 8, 8), dtype=np.uint8)
    labels = draw.integers(0, 3, len(images))
    split = Split(images, labels)
    return DataSet(split, split, lambda: split, ("a", "b", "c"), (0.5,) * 3, (0.25,) * 3)


def train(norm, **settings):
    """The losses of twenty steps, weights and top-1 afterwards."""
    from dataclasses import replace

    from nas.training import loop

    data, losses = make_data(), []
    add = loop.EpochSums.add

    def watch(self, loss, logits, labels):
        losses.append(loss.detach())
        add(self, loss, logits, labels)

    def compile_quickly(network, device, *, alone):
        return torch.compile(network, backend="eager")  # as the default does, without a C++ compiler

    compiles, loop.compile_network = loop.compile_network, compile_quickly
    loop.EpochSums.add = watch
    try:
        with start_training(Plain(norm), data, replace(RECIPE, **settings), seed=3) as training:
            result = training.run_epoch()
        score = evaluate(training.network, data.validation, data, RECIPE)
    finally:
        loop.EpochSums.add, loop.compile_network = add, compiles
    return {
        "losses": torch.stack(losses),
        "weights": training.network.layers[0].weight.detach().contiguous(),
        "running_var": getattr(training.network.layers[1], "running_var", torch.zeros(1)).clone(),
        "epoch": torch.tensor([result.loss, result.accuracy, score.top1]),
    }


def normalize():
    """Output and gradients of a norm over the part of a batch that this member has."""
    members = current_members()
    norm = synchronized(BatchNorm(3), torch.device("cpu"))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
    draw = torch.Generator().manual_seed(1)
    images, factors = (torch.randn(6, 3, 4, 4, generator=draw)[members.part] for _ in range(2))
    images.requires_grad_()
    output = norm(images)
    (output * factors).sum().backward()
    return {
        "output": output.detach(),
        "images_grad": images.grad,
        "weight_grad": norm.weight.grad,
        "norm_mean": norm.running_mean,
        "norm_var": norm.running_var,
    }


def find_all():
    found = {f"plain.{name}": value for name, value in train(nn.GroupNorm(2, 4)).items()}
    found |= {f"sync.{name}": value for name, value in train(BatchNorm(4), sync_norms=True).items()}
    found |= {f"parts.{name}": value for name, value in train(nn.GroupNorm(2, 4), accumulate=2).items()}
    found |= {f"compiled.{name}": value for name, value in train(nn.GroupNorm(2, 4), compile=True).items()}
    texts = gather_texts("Zoë" * current_members().rank)
    found["texts"] = torch.tensor(bytearray("|".join(texts).encode()))
    return found | {f"norm.{name}": value for name, value in normalize().items()}


if __name__ == "__main__":
    folder, rank = sys.argv[1], int(sys.argv[2])
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/group", rank=rank, world_size=2, timeout=timedelta(seconds=100)
    )
    save_file({name: value.contiguous() for name, value in find_all().items()}, f"{folder}/{rank}.safetensors")
    distributed.destroy_process_group()
