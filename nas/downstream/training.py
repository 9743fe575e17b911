"""A training counted in iterations: what a detector or segmenter goes through between two checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from nas.downstream.recipe import DenseRecipe
from nas.downstream.schedule import learning_rate
from nas.training.device import autocast, build_scaler, choose_device, choose_dtype, num_threads, seeded
from nas.training.objective import DivergedError
from nas.training.optimizer import decay_groups, step
from nas.training.parallel import current_members, distribute, share_buffers, sum_over_members, synchronize_norms
from nas.training.photographs import seed_of
from nas.training.schedule import set_learning_rate
from nas.training.state import TrainingState, load_optimizer, optimizer_tensors, prefixed, without_prefix

TOTAL = "loss"
"""Under which name a record holds the sum of all losses."""
_ORDER, _CHANGES, _NETWORK = range(3)


@dataclass(frozen=True, slots=True)
class Draw:
    """One picture of a batch.

    Attributes:
        index: of the picture.
        seed: of all that is random about how it is changed.
    """

    index: int
    seed: int


class DensePictures(Protocol):
    """Training pictures with what is to be found in them."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def batch(self, draws: Sequence[Draw], device: torch.device) -> tuple[Any, ...]:
        """Changed pictures and targets on a device: what the network is called with in training."""
        ...


class DenseTraining:
    """A training between two iterations; `start_dense` makes one.

    Which pictures an iteration sees, how they are changed and what the network itself draws in it (anchors and
    proposals, dropout) follow from the seed and the number of the iteration alone. So with one worker on a CPU the
    weights are the same to the last bit, also when the training was put away with `state` and another process went on
    after `restore`.

    Args:
        network: trained in place, on the recipe's device. In training mode it takes what `pictures.batch` gives and
            gives its losses by name: their sum is made small.
        pictures: to train on; each is seen once before any is seen again.
        recipe: how.
        seed: of all that is random.

    Attributes:
        network: the one that is trained.
        num_iterations: that are done.

    Raises:
        ValueError: if the recipe does not fit the device or the number of workers.
        RuntimeError: if the device is not there.
    """

    def __init__(self, network: nn.Module, pictures: DensePictures, recipe: DenseRecipe, *, seed: int) -> None:
        self._device = choose_device(recipe)
        self._dtype = choose_dtype(recipe, self._device)
        self._members = current_members()
        self._members.check_batch(recipe.batch_size)
        self._pictures = pictures
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
        """Whether the last iteration is done."""
        return self.num_iterations >= self._recipe.iterations

    def run(self, after_iteration: Callable[[int], None] = lambda _: None) -> dict[str, float]:
        """Trains up to the next record.

        Args:
            after_iteration: called with the number of iterations that are done.

        Returns:
            The means over these iterations of all losses and of their sum, ``loss``; ``iteration``, the number that
            are done; ``learning_rate`` of the last one; ``seconds`` and ``pictures_per_second``.

        Raises:
            DivergedError: if the loss is not finite any more; noticed at once on a CPU, at the next record on a GPU.
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
        """The pictures of an iteration, those of all workers."""
        size = self._recipe.batch_size
        places = range(iteration * size, (iteration + 1) * size)
        orders = {epoch: self._order(epoch) for epoch in {place // len(self._pictures) for place in places}}
        return [
            Draw(
                orders[place // len(self._pictures)][place % len(self._pictures)], seed_of(self._seed, _CHANGES, place)
            )
            for place in places
        ]

    def state(self) -> TrainingState:
        """All that another process needs to go on from here."""
        tensors = {
            **prefixed("network", self.network.state_dict()),
            **prefixed("optimizer", optimizer_tensors(self._optimizer)),
        }
        return TrainingState(tensors, {"num_iterations": self.num_iterations, "scaler": self._scaler.state_dict()})

    def restore(self, state: TrainingState) -> None:
        """Goes on from a state; ValueError if it is not one of such a training."""
        try:
            self.network.load_state_dict(without_prefix("network", state.tensors))
        except RuntimeError as error:
            first = " ".join(str(error).split())[:300]
            raise ValueError(f"the state of another network cannot be gone on from: {first}") from None
        load_optimizer(self._optimizer, without_prefix("optimizer", state.tensors))
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state.values["scaler"])
        self.num_iterations = int(state.values["num_iterations"])

    def _step(self, iteration: int) -> dict[str, Tensor]:
        """Takes one batch, forward, backward, step; gives the losses, detached, with their sum."""
        batch = self._pictures.batch(self.draws(iteration)[self._members.part], self._device)
        torch.manual_seed(seed_of(self._seed, _NETWORK, iteration, self._members.rank))
        set_learning_rate(self._optimizer, learning_rate(self._recipe, iteration))
        with autocast(self._device, self._dtype):
            losses: dict[str, Tensor] = self._forward(*batch)
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        step(self._optimizer, total, scaler=self._scaler, gradient_clip=self._recipe.gradient_clip)
        return {TOTAL: total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def _order(self, epoch: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed_of(self._seed, _ORDER, epoch))
        order: list[int] = torch.randperm(len(self._pictures), generator=generator).tolist()
        return order

    def _means(self, sums: Mapping[str, Tensor], num: int) -> dict[str, float]:
        """Over the iterations and over all members."""
        totals = sum_over_members(torch.stack(list(sums.values()))) / (num * self._members.count)
        means = dict(zip(sums, totals.tolist(), strict=True))
        if not math.isfinite(means[TOTAL]):
            raise DivergedError(f"the loss is not finite any more, its mean is {means[TOTAL]}")
        return means


@contextmanager
def start_dense(
    network: nn.Module, pictures: DensePictures, recipe: DenseRecipe, *, seed: int
) -> Iterator[DenseTraining]:
    """Gives a training that has torch's generators and threads to itself; afterwards they are as they were before.

    Args:
        network: see `DenseTraining`, likewise the others.
        pictures: to train on.
        recipe: how.
        seed: of all that is random.

    Raises:
        ValueError: if the recipe does not fit the device or the number of workers.
        RuntimeError: if the device is not there.
    """
    with num_threads(recipe.num_threads), seeded(seed, choose_device(recipe)):
        yield DenseTraining(network, pictures, recipe, seed=seed)


def build_optimizer(network: nn.Module, recipe: DenseRecipe) -> Optimizer:
    """SGD with momentum, as the detectors of 1811.08883 are trained; what is frozen stays out."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: Any = parameters if recipe.decay_biases else decay_groups(parameters, recipe.weight_decay)
    return SGD(groups, lr=recipe.peak_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def _check_finite(sums: Mapping[str, Tensor], iteration: int) -> None:
    if not math.isfinite(float(sums[TOTAL])):
        parts = ", ".join(f"{name} {float(value):.3g}" for name, value in sums.items() if name != TOTAL)
        raise DivergedError(f"the loss is not finite any more in iteration {iteration + 1} ({parts}); lower the rate")
