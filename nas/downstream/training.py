"""The training loop of detectors and segmenters, which counts iterations."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nas.downstream.recipe import DenseRecipe
from nas.downstream.schedule import learning_rate
from nas.training.device import autocast, build_scaler, choose_device, choose_dtype, num_threads, seeded
from nas.training.objective import DivergedError
from nas.training.optimizer import build_sgd, decay_groups, step
from nas.training.parallel import current_members, distribute, share_buffers, sum_over_members, synchronize_norms
from nas.training.photographs import seed_of
from nas.training.schedule import set_learning_rate
from nas.training.state import TrainingState, load_optimizer, optimizer_tensors, prefixed, without_prefix

TOTAL = "loss"
"""Key of the sum of all losses in a record."""
_ORDER, _CHANGES, _NETWORK = range(3)


@dataclass(frozen=True, slots=True)
class Draw:
    """One image of a batch: its number, and the seed of its augmentation."""

    index: int
    seed: int


class DenseImages(Protocol):
    """Training images with their targets."""

    def __len__(self) -> int: ...

    def batch(self, draws: Sequence[Draw], device: torch.device) -> tuple[Any, ...]:
        """Returns augmented images and targets on a device: the arguments of the network in training."""
        ...


class DenseTraining:
    """The training of one network; use `start_dense` to create it.

    The images of an iteration, their augmentation and the random numbers of the network itself (anchors, proposals,
    dropout) depend on the seed and the number of the iteration only. With one worker on a CPU the weights are therefore
    bit-identical also when `restore` continues in another process from a `state`.

    Args:
        network: trained in place, on the recipe's device. In training mode it takes what `images.batch` returns, and
            returns its losses by name, whose sum is minimized.
        images: training images; each is seen once before any is seen again.
        recipe: training settings.
        seed: of everything random.

    Raises:
        ValueError: if the recipe does not fit the device or the number of workers.
        RuntimeError: if the device is not available.
    """

    def __init__(self, network: nn.Module, images: DenseImages, recipe: DenseRecipe, *, seed: int) -> None:
        self._device = choose_device(recipe)
        self._dtype = choose_dtype(recipe, self._device)
        self._members = current_members()
        self._members.check_batch(recipe.batch_size)
        self._images = images
        self._recipe = recipe
        self._seed = seed
        if self._members.count > 1:
            synchronize_norms(network, self._device, everywhere=False)
        self.network = network.to(self._device).train()
        self._forward: Callable[..., Any] = distribute(network, self._device, self._members)
        self._optimizer = build_optimizer(network, recipe)
        self._scaler = build_scaler(self._device, self._dtype)
        self.num_iterations = 0

    @property
    def is_done(self) -> bool:
        """Whether all iterations are finished."""
        return self.num_iterations >= self._recipe.iterations

    def run(self, after_iteration: Callable[[int], None] = lambda _: None) -> dict[str, float]:
        """Trains up to the next record, and calls a function with the number of finished iterations after each.

        Returns:
            The means of all losses and of their sum, ``loss``, over these iterations; ``iteration``, the number of
            finished iterations; the last ``learning_rate``; ``seconds`` and ``pictures_per_second``.

        Raises:
            DivergedError: if the loss is not finite; checked every iteration on a CPU and every record on a GPU.
        """
        recipe, started, first = self._recipe, time.perf_counter(), self.num_iterations
        end = min(recipe.iterations, first - first % recipe.record_iterations + recipe.record_iterations)
        self.network.train()
        sums: dict[str, Tensor] = {}
        for iteration in range(first, end):
            for name, loss in self._step(iteration).items():
                sums[name] = sums.get(name, torch.zeros((), dtype=torch.float64, device=self._device)) + loss
            if self._device.type == "cpu":
                _check_finite(sums, iteration)
            self.num_iterations = iteration + 1
            after_iteration(self.num_iterations)
        share_buffers(self.network)
        seconds = time.perf_counter() - started
        return {
            "iteration": end,
            **self._means(sums, end - first),
            "learning_rate": learning_rate(recipe, end - 1),
            "seconds": seconds,
            "pictures_per_second": (end - first) * recipe.batch_size / seconds,
        }

    def draws(self, iteration: int) -> list[Draw]:
        """Returns the images of an iteration, over all workers."""
        size, num = self._recipe.batch_size, len(self._images)
        places = range(iteration * size, (iteration + 1) * size)
        orders = {epoch: self._order(epoch) for epoch in {place // num for place in places}}
        return [Draw(orders[place // num][place % num], seed_of(self._seed, _CHANGES, place)) for place in places]

    def state(self) -> TrainingState:
        """Returns the state from which `restore` continues."""
        optimizer = prefixed("optimizer", optimizer_tensors(self._optimizer))
        tensors = prefixed("network", self.network.state_dict()) | optimizer
        return TrainingState(tensors, {"num_iterations": self.num_iterations, "scaler": self._scaler.state_dict()})

    def restore(self, state: TrainingState) -> None:
        """Continues from a state, which may come from another device; ValueError if it does not match the network."""
        try:
            self.network.load_state_dict(without_prefix("network", state.tensors))
        except RuntimeError as error:
            first = " ".join(str(error).split())[:300]
            raise ValueError(f"checkpoint does not match this network: {first}") from None
        load_optimizer(self._optimizer, without_prefix("optimizer", state.tensors))
        if self._scaler.is_enabled() and state.values["scaler"]:  # empty if the training began without loss scaling
            self._scaler.load_state_dict(state.values["scaler"])
        self.num_iterations = int(state.values["num_iterations"])

    def _step(self, iteration: int) -> dict[str, Tensor]:
        """Takes one optimizer step; returns the losses, detached, with their sum."""
        batch = self._images.batch(self.draws(iteration)[self._members.part], self._device)
        torch.manual_seed(seed_of(self._seed, _NETWORK, iteration, self._members.rank))
        set_learning_rate(self._optimizer, learning_rate(self._recipe, iteration))
        with autocast(self._device, self._dtype):
            losses: dict[str, Tensor] = self._forward(*batch)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        step(self._optimizer, total, scaler=self._scaler, gradient_clip=self._recipe.gradient_clip)
        return {TOTAL: total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed_of(self._seed, _ORDER, epoch))
        order: list[int] = torch.randperm(len(self._images), generator=generator).tolist()
        return order

    def _means(self, sums: Mapping[str, Tensor], num: int) -> dict[str, float]:
        """Averages over iterations and workers."""
        totals = sum_over_members(torch.stack(list(sums.values()))) / (num * self._members.count)
        means = dict(zip(sums, totals.tolist(), strict=True))
        if not math.isfinite(means[TOTAL]):
            raise DivergedError(f"the loss must be finite, got the mean {means[TOTAL]}")
        return means


@contextmanager
def start_dense(network: nn.Module, images: DenseImages, recipe: DenseRecipe, *, seed: int) -> Iterator[DenseTraining]:
    """Creates a `DenseTraining`, and restores torch's generators and number of threads afterwards."""
    with num_threads(recipe.num_threads), seeded(seed, choose_device(recipe)):
        yield DenseTraining(network, images, recipe, seed=seed)


def build_optimizer(network: nn.Module, recipe: DenseRecipe) -> Optimizer:
    """Builds SGD with momentum, as in 1811.08883, over all parameters that are not frozen."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: Any = parameters if recipe.decay_biases else decay_groups(parameters, recipe.weight_decay)
    fused = True if parameters[0].device.type == "cuda" else None  # on a GPU, a step then waits for no loss scale
    return build_sgd(
        groups, fused=fused, lr=recipe.peak_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def _check_finite(sums: Mapping[str, Tensor], iteration: int) -> None:
    if not math.isfinite(float(sums[TOTAL])):
        parts = ", ".join(f"{name} {float(value):.3g}" for name, value in sums.items() if name != TOTAL)
        raise DivergedError(f"the loss is not finite in iteration {iteration + 1} ({parts}); lower the learning rate")
