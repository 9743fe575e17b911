"""The training loop of all training: trials, tournaments and full training runs differ in their recipe only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from nas.data.data_set import DataSet
from nas.recipe import TrainRecipe
from nas.streaming.batches import StreamedBatches
from nas.training.augmentation import num_batches
from nas.training.average import MovingAverage
from nas.training.batches import choose_batches
from nas.training.cuda_graph import choose_caller, graph_obstacle
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
from nas.training.mixing import build_mixer
from nas.training.objective import DivergedError, EpochSums, split_output, training_loss
from nas.training.optimizer import add_gradients, build_optimizer, update
from nas.training.parallel import current_members, distribute, exchanging, share_buffers, synchronize_norms
from nas.training.photographs import seed_of
from nas.training.results import EpochProgress, EpochResult, Stopwatch, TrainResult
from nas.training.schedule import learning_rate, set_learning_rate
from nas.training.state import TrainingState, load_optimizer, optimizer_tensors, prefixed, without_prefix

__all__ = ["DivergedError", "EpochResult", "TrainResult", "Training", "accuracy", "start_training", "train"]

_EPOCH = "epoch"


class Trainable(Protocol):
    """Interface that the loop requires of a network, in addition to that of a module."""

    def set_progress(self, fraction: float) -> None:
        """Sets the progress of training, from 0 to 1, for scheduled drop path."""


class Training:
    """State of a training run between two steps; create it with `start_training`.

    For a given seed, device, number of threads and a single worker, the result is reproducible, and bit-identical on a
    CPU, even if the run is stopped after any step with `state` and resumed by another process with `restore`.

    Args:
        network: a `Trainable`, trained in place on the recipe's device. It may return (logits, auxiliary logits).
        data: data set of which only the training split and its mean and standard deviation are used.
        recipe: training recipe.
        seed: seed of batch order, augmentation, dropout and drop path.
        image_size: height and width of the network's input; None uses the size of the images.
        teacher: network that returns the logits to distill; None for a recipe without distillation.

    Attributes:
        network: the trained network.
        average: moving average of its weights; None if the recipe has none.
        num_epochs: number of completed epochs.
        graph_obstacle: why steps are not captured as a CUDA graph; None if they are.
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
            raise ValueError(f"distillation must be above 0 with a teacher and 0 without, got {recipe.distillation:g}")
        device = choose_device(recipe)
        self._members = current_members()
        self._members.check_batch(recipe.batch_size, recipe.accumulate)
        self._dtype = choose_dtype(recipe, device)
        self._recipe = recipe
        self._seed = seed
        if self._members.count > 1:
            synchronize_norms(network, device, everywhere=recipe.sync_norms)
        self.network = move(network, device, recipe).train()
        self._teacher = None if teacher is None else move(teacher, device, recipe).eval()
        computed = compile_network(network, device, alone=self._members.count == 1) if recipe.compile else network
        self._forward = distribute(computed, device, self._members)  # the gradients of compiled networks, too
        self._optimizer = build_optimizer(network, recipe)
        self._scaler = build_scaler(device, self._dtype)
        self._batches = choose_batches(data, recipe, seed=seed, size=image_size, device=device, members=self._members)
        self._mix = build_mixer(recipe, len(data.class_names))
        self.average = MovingAverage(network, recipe.ema_decay) if recipe.ema_decay else None
        self._sums = EpochSums(device)
        self.graph_obstacle = graph_obstacle(recipe, device, num_members=self._members.count)
        generators = [] if self._batches.generator is None else [self._batches.generator]
        self._call = choose_caller(self.graph_obstacle, device, generators)
        self.num_epochs = 0
        self._epoch = EpochProgress()

    @property
    def num_damaged(self) -> int:
        """Number of training images that could not be decoded so far, of a data set that skips them."""
        return self._batches.num_damaged if isinstance(self._batches, StreamedBatches) else 0

    @property
    def progress(self) -> EpochProgress:
        """How far the current epoch has come."""
        return self._epoch

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimization steps per epoch."""
        return num_batches(len(self._batches), self._recipe.batch_size)

    @property
    def num_steps(self) -> int:
        """Number of optimization steps of the whole run."""
        return self._recipe.epochs * self.steps_per_epoch

    def share(self, num_done: int) -> float:
        """Returns the share of the run's steps that are done, `num_done` steps into the current epoch."""
        return (self.num_epochs + num_done / self.steps_per_epoch) / self._recipe.epochs

    def run_epoch(self, after_step: Callable[[int], None] | None = None) -> EpochResult:
        """Trains for one epoch, and calls `after_step` with the number of completed steps of the epoch after each step.

        Raises DivergedError if the loss is not finite; detected immediately on a CPU, within 50 steps on a GPU.
        """
        clock, now, look_every = Stopwatch(), self._epoch, _look_every(self._batches.device)
        first = self.num_epochs * self.steps_per_epoch
        self._begin(now)
        for batch in clock.waiting_for(self._batches.epoch(self.num_epochs, now.done)):
            self._step(batch, number=first + now.done)
            if (first + now.done) % look_every == 0:
                self._sums.check()
            now.done += 1
            clock.add_to(now)
            if after_step is not None:
                after_step(now.done)
        share_buffers(self.network)
        if self.average is not None:
            share_buffers(self.average)
        last = (first + self.steps_per_epoch - 1) / self.num_steps
        loss, share = self._sums.means()
        clock.add_to(now)
        self.num_epochs += 1
        self._epoch = EpochProgress()
        rate = learning_rate(self._recipe, last, step_share=1 / self.num_steps)
        return EpochResult(loss, share, rate, now.seconds, now.wait_seconds)

    def _begin(self, now: EpochProgress) -> None:
        """Prepares an epoch, or the rest of one."""
        if not now.done:
            self._sums.reset()
        if self._members.count > 1:  # members draw different dropout masks, independent of interruptions
            step = (now.done,) if now.done else ()
            torch.manual_seed(seed_of(self._seed, self.num_epochs, self._members.rank, *step))
        if self._batches.generator is not None:
            now.generator_state = self._batches.generator.get_state()

    def _step(self, batch: tuple[Tensor, ...], *, number: int) -> None:
        """Trains on one batch, given its number within the run."""
        progress = number / self.num_steps
        set_learning_rate(self._optimizer, learning_rate(self._recipe, progress, step_share=1 / self.num_steps))
        cast("Trainable", self.network).set_progress(progress)
        if self._mix is None:
            self._call(self._load_and_learn, *batch)
        else:  # the shares that are mixed are numbers of the CPU, which a captured step cannot read
            images, labels = self._batches.load(*batch)
            self._call(self._learn, *self._mix(images, labels), labels)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def _load_and_learn(self, *batch: Tensor) -> None:
        images, labels = self._batches.load(*batch)
        self._learn(images, labels, labels)

    def _learn(self, images: Tensor, targets: Tensor, labels: Tensor) -> None:
        """Takes an optimization step; a CUDA graph may replay it, so everything that changes is a tensor."""
        self._optimizer.zero_grad(set_to_none=True)
        parts = [each.chunk(self._recipe.accumulate) for each in (images, targets, labels)]
        for place, (part, target, own) in enumerate(zip(*parts, strict=True), start=1):
            with exchanging(self._forward, now=place == len(parts[0])):
                with autocast(self._batches.device, self._dtype):
                    output = self._forward(part)
                    loss = training_loss(output, part, target, self._recipe, teacher=self._teacher)
                add_gradients(loss, scaler=self._scaler, share=len(part) / len(images))
            self._sums.add(loss, split_output(output)[0], own)
        update(self._optimizer, scaler=self._scaler, gradient_clip=self._recipe.gradient_clip)

    def state(self) -> TrainingState:
        """Returns the state from which another process can resume."""
        tensors = {
            **prefixed("network", self.network.state_dict()),
            **prefixed("optimizer", optimizer_tensors(self._optimizer)),
            **prefixed("random", self._random_states()),
        }
        if self.average is not None:
            tensors |= prefixed("average", self.average.state_dict())
        values: dict[str, Any] = {"num_epochs": self.num_epochs, "scaler": self._scaler.state_dict()}
        if self._epoch.done:
            values[_EPOCH] = {**self._epoch.to_json(), **self._sums.to_json()}
        return TrainingState(tensors, values)

    def restore(self, state: TrainingState) -> None:
        """Resumes from a state; raises ValueError if it does not match this run."""
        try:
            self.network.load_state_dict(without_prefix("network", state.tensors))
            if self.average is not None:
                self.average.load_state_dict(without_prefix("average", state.tensors))
        except RuntimeError as error:
            raise ValueError(f"checkpoint does not match this network: {' '.join(str(error).split()):.300}") from None
        load_optimizer(self._optimizer, without_prefix("optimizer", state.tensors))
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state.values["scaler"])
        self.num_epochs = int(state.values["num_epochs"])
        within = state.values.get(_EPOCH, {})
        self._epoch = EpochProgress.from_json(within)
        if within:
            self._sums.restore(within)
        self._set_random_states(without_prefix("random", state.tensors))

    def _random_states(self) -> dict[str, Tensor]:
        states = {"torch": torch.get_rng_state()}
        if self._batches.generator is not None:
            before = self._epoch.generator_state if self._epoch.done else None  # the first batches are drawn again
            states["batches"] = self._batches.generator.get_state() if before is None else before
        if self._batches.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._batches.device)
        return states

    def _set_random_states(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["torch"])
        if self._batches.generator is not None:
            self._batches.generator.set_state(states["batches"])
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
    """Creates a `Training`; torch's global generators and thread count are restored on leaving the context.

    Raises:
        ValueError: if the recipe does not fit the device or the number of workers.
        RuntimeError: if the device is not available.
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
    after_step: Callable[[float], None] = lambda _: None,
) -> TrainResult:
    """Trains a network from the first epoch to the last, see `Training`.

    Calls `after_epoch` with each result, and `after_step` with the share of the run's steps that are done.

    Raises:
        DivergedError: if the loss is not finite; detected immediately on a CPU, within 50 steps on a GPU.
        ValueError: if the recipe does not fit the device.
        RuntimeError: if the device is not available.
    """
    started = time.perf_counter()
    epochs = []
    with start_training(network, data, recipe, seed=seed) as training:
        for _ in range(recipe.epochs):
            epochs.append(training.run_epoch(lambda num_done: after_step(training.share(num_done))))
            if after_epoch is not None:
                after_epoch(epochs[-1])
    return TrainResult(tuple(epochs), training.num_steps, time.perf_counter() - started)


def _look_every(device: torch.device) -> int:
    """Returns the number of steps between checks of the loss, each of which makes a GPU synchronize."""
    return 1 if device.type == "cpu" else 50
