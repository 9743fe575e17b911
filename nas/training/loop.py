"""The only training loop: searches, tournaments and full trainings differ in their recipe, not in their code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet
from nas.recipe import TrainRecipe
from nas.training.augmentation import num_batches
from nas.training.average import build_average
from nas.training.batches import Batches, choose_batches
from nas.training.device import (
    autocast,
    build_scaler,
    choose_device,
    choose_dtype,
    compile_network,
    num_threads,
    seeded,
)
from nas.training.evaluation import accuracy, move
from nas.training.mixing import Mixer
from nas.training.objective import DivergedError, EpochSums, classification_loss, distilled_loss, split_output
from nas.training.optimizer import build_optimizer, step
from nas.training.parallel import current_members, distribute, share_buffers, sum_over_members, synchronize_norms
from nas.training.photographs import seed_of
from nas.training.results import EpochResult, TrainResult
from nas.training.schedule import learning_rate, set_learning_rate
from nas.training.state import TrainingState, load_optimizer, optimizer_tensors, prefixed, without_prefix

__all__ = [
    "DivergedError",
    "EpochResult",
    "TrainResult",
    "Trainable",
    "Training",
    "accuracy",
    "start_training",
    "train",
]


class Trainable(Protocol):
    """What the loop needs of a network beside being a module."""

    def set_progress(self, fraction: float) -> None:
        """Tells it which share of the training is done: scheduled drop path depends on it."""
        ...


class Training:
    """A training between two epochs; `start_training` makes one.

    With one seed, one device, one number of threads and one worker the result is the same each time, on a CPU to the
    last bit, also when it was put away with `state` after any epoch and another process went on after `restore`.

    Args:
        network: as `nas.models.build.build` makes it: `Trainable`; it is trained in place, on the recipe's device. In
            training it may give (logits, auxiliary logits).
        data: only its training split, mean and deviation are read.
        recipe: how.
        seed: of the order of the batches, of augmentation, of dropout and drop path.
        image_size: height and width that the network takes; None takes the images as they are.
        teacher: gives the logits that are distilled; None for a recipe without distillation.

    Attributes:
        network: the one that is trained.
        average: the moving average of its weights; None if the recipe asks for none.
        num_epochs: that are done.
    """

    def __init__(
        self,
        network: nn.Module,
        data: DataSet,
        recipe: TrainRecipe,
        *,
        seed: int,
        image_size: int | None = None,
        teacher: nn.Module | None = None,
    ) -> None:
        if (teacher is None) != (recipe.distillation == 0):
            raise ValueError(f"distillation, {recipe.distillation:g}, must be above 0 with a teacher and 0 without")
        device = choose_device(recipe)
        self._members = current_members()
        self._members.check_batch(recipe.batch_size)
        self._dtype = choose_dtype(recipe, device)
        self._recipe = recipe
        self._seed = seed
        if self._members.count > 1:
            synchronize_norms(network, device, everywhere=recipe.sync_norms)
        self.network = move(network, device, recipe).train()
        self._teacher = None if teacher is None else move(teacher, device, recipe).eval()
        self._forward = (
            compile_network(network, device) if recipe.compile else distribute(network, device, self._members)
        )
        self._optimizer = build_optimizer(network, recipe)
        self._scaler = build_scaler(device, self._dtype)
        self._batches: Batches = choose_batches(
            data, recipe, seed=seed, size=image_size, device=device, members=self._members
        )
        self._mix = Mixer(recipe, len(data.class_names))
        self.average = build_average(network, recipe.ema_decay) if recipe.ema_decay else None
        self.num_epochs = 0

    @property
    def steps_per_epoch(self) -> int:
        """Changes of the weights in an epoch."""
        return num_batches(len(self._batches), self._recipe.batch_size)

    @property
    def num_steps(self) -> int:
        """Changes of the weights in the whole training."""
        return self._recipe.epochs * self.steps_per_epoch

    def run_epoch(self, after_step: Callable[[int], None] | None = None) -> EpochResult:
        """Trains for one epoch.

        Args:
            after_step: called with the number of steps of the epoch that are done.

        Raises:
            DivergedError: if the loss is not finite any more; noticed at once on a CPU, within 50 steps on a GPU.
        """
        started = time.perf_counter()
        device = self._batches.device
        sums = EpochSums(device)
        look_every = _look_every(device)
        first = self.num_epochs * self.steps_per_epoch
        if self._members.count > 1:  # each draws its own dropout, the same after an interruption
            torch.manual_seed(seed_of(self._seed, self.num_epochs, self._members.rank))
        for number, (images, labels) in enumerate(self._batches.epoch(self.num_epochs), start=first):
            self._step(images, labels, number=number, sums=sums)
            if number % look_every == 0:
                sums.check()
            if after_step is not None:
                after_step(number - first + 1)
        share_buffers(self.network)
        if self.average is not None:
            share_buffers(self.average)
        last = (first + self.steps_per_epoch - 1) / self.num_steps
        loss, share = sums.means(sum_over_members(sums.totals()) if self._members.count > 1 else None)
        self.num_epochs += 1
        rate = learning_rate(self._recipe, last, step_share=1 / self.num_steps)
        return EpochResult(loss, share, rate, time.perf_counter() - started)

    def _step(self, images: Tensor, labels: Tensor, *, number: int, sums: EpochSums) -> None:
        """Takes one batch, the number-th of the training: forward, backward, step."""
        recipe, device = self._recipe, self._batches.device
        progress = number / self.num_steps
        set_learning_rate(self._optimizer, learning_rate(recipe, progress, step_share=1 / self.num_steps))
        cast("Trainable", self.network).set_progress(progress)
        images, targets = self._mix(images, labels)
        with autocast(device, self._dtype):
            output = self._forward(images)
            loss = classification_loss(output, targets, recipe)
            if self._teacher is not None:
                with torch.no_grad():
                    taught = self._teacher(images)
                loss = distilled_loss(loss, split_output(output)[0], taught, recipe)
        step(self._optimizer, loss, scaler=self._scaler, gradient_clip=recipe.gradient_clip)
        if self.average is not None:
            self.average.update_parameters(self.network)
        sums.add(loss, split_output(output)[0], labels)

    def state(self) -> TrainingState:
        """All that another process needs to go on from here."""
        tensors = {
            **prefixed("network", self.network.state_dict()),
            **prefixed("optimizer", optimizer_tensors(self._optimizer)),
            **prefixed("random", self._random_states()),
        }
        if self.average is not None:
            tensors |= prefixed("average", self.average.state_dict())
        return TrainingState(tensors, {"num_epochs": self.num_epochs, "scaler": self._scaler.state_dict()})

    def restore(self, state: TrainingState) -> None:
        """Goes on from a state; ValueError if it is not one of such a training."""
        try:
            self.network.load_state_dict(without_prefix("network", state.tensors))
            if self.average is not None:
                self.average.load_state_dict(without_prefix("average", state.tensors))
        except RuntimeError as error:
            first = " ".join(str(error).split())[:300]
            raise ValueError(f"the state of another network cannot be gone on from: {first}") from None
        load_optimizer(self._optimizer, without_prefix("optimizer", state.tensors))
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state.values["scaler"])
        self.num_epochs = int(state.values["num_epochs"])
        self._set_random_states(without_prefix("random", state.tensors))

    def _random_states(self) -> dict[str, Tensor]:
        states = {"torch": torch.get_rng_state(), **self._batches.random_states()}
        if self._batches.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._batches.device)
        return states

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        self._batches.set_random_states(states)
        if "cuda" in states and self._batches.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], self._batches.device)


@contextmanager
def start_training(
    network: nn.Module,
    data: DataSet,
    recipe: TrainRecipe,
    *,
    seed: int,
    image_size: int | None = None,
    teacher: nn.Module | None = None,
) -> Iterator[Training]:
    """Gives a training that has torch's generators and threads to itself; afterwards they are as they were before.

    Args:
        network: see `Training`, likewise the others.
        data: what to train on.
        recipe: how.
        seed: of all that is random.
        image_size: that the network takes.
        teacher: of a recipe with distillation.

    Raises:
        ValueError: if the recipe does not fit the device or the number of workers.
        RuntimeError: if the device is not there.
    """
    with num_threads(recipe.num_threads), seeded(seed, choose_device(recipe)):
        yield Training(network, data, recipe, seed=seed, image_size=image_size, teacher=teacher)


def train(
    network: nn.Module,
    data: DataSet,
    recipe: TrainRecipe,
    *,
    seed: int,
    after_epoch: Callable[[EpochResult], None] | None = None,
) -> TrainResult:
    """Trains a network, in place, on the training split, from the first epoch to the last.

    The network is moved to the recipe's device and stays there. With one seed, one device and one number of threads
    the result is the same each time, on a CPU to the last bit; torch's own generators are left as they were.

    Args:
        network: see `Training`.
        data: only its training split, mean and deviation are read.
        recipe: how.
        seed: of the order of the batches, of augmentation, of dropout and drop path.
        after_epoch: called with the result of each epoch.

    Raises:
        DivergedError: if the loss is not finite any more; noticed at once on a CPU, within 50 steps on a GPU.
        ValueError: if the recipe does not fit the device.
        RuntimeError: if the device is not there.
    """
    started = time.perf_counter()
    epochs = []
    with start_training(network, data, recipe, seed=seed) as training:
        for _ in range(recipe.epochs):
            epochs.append(training.run_epoch())
            if after_epoch is not None:
                after_epoch(epochs[-1])
    return TrainResult(tuple(epochs), training.num_steps, time.perf_counter() - started)


def _look_every(device: torch.device) -> int:
    """Steps between two looks at the loss: on a GPU each of them makes the CPU wait."""
    return 1 if device.type == "cpu" else 50
