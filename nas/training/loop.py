"""The only training loop: searches, tournaments and full trainings differ in their recipe, not in their code."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from nas.data.data_set import DataSet, Split
from nas.fidelity import TrainRecipe
from nas.training.augmentation import ImageSource, augmented_batch, num_batches, shuffled_batches
from nas.training.device import autocast, build_scaler, choose_device, choose_dtype, num_threads, seeded
from nas.training.objective import DivergedError, EpochSums, classification_loss, split_output
from nas.training.optimizer import build_optimizer, step
from nas.training.schedule import learning_rate, set_learning_rate

__all__ = ["DivergedError", "EpochResult", "TrainResult", "Trainable", "accuracy", "train"]


class Trainable(Protocol):
    """What the loop needs of a network beside being a module."""

    def set_progress(self, fraction: float) -> None:
        """Tells it which share of the training is done: scheduled drop path depends on it."""
        ...


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One pass over the training split.

    Attributes:
        loss: mean over its images, label smoothing and auxiliary head included.
        accuracy: share of right answers on the augmented images, while the network changed.
        learning_rate: of its last step.
        seconds: that it took.
    """

    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a training.

    Attributes:
        epochs: one result each, in order.
        num_steps: changes of the weights.
        seconds: that the training took, moving the data included.
    """

    epochs: tuple[EpochResult, ...]
    num_steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Training:
    """All that stays the same over a run."""

    network: nn.Module
    forward: Callable[[Tensor], Tensor | tuple[Tensor, Tensor]]
    optimizer: Optimizer
    scaler: GradScaler
    source: ImageSource
    recipe: TrainRecipe
    dtype: torch.dtype
    generator: torch.Generator

    @property
    def steps_per_epoch(self) -> int:
        return num_batches(len(self.source), self.recipe.batch_size)

    @property
    def num_steps(self) -> int:
        return self.recipe.epochs * self.steps_per_epoch


def train(
    network: nn.Module,
    data: DataSet,
    recipe: TrainRecipe,
    *,
    seed: int,
    after_epoch: Callable[[EpochResult], None] | None = None,
) -> TrainResult:
    """Trains a network, in place, on the training split.

    The network is moved to the recipe's device and stays there. With one seed, one device and one number of threads
    the result is the same each time, on a CPU to the last bit; torch's own generators are left as they were.

    Args:
        network: as `nas.models.network.build_network` makes it: `Trainable`; in training it may give
            (logits, auxiliary logits).
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
    device = choose_device(recipe)
    epochs = []
    with num_threads(recipe.num_threads), seeded(seed, device):
        training = _set_up(network, data, recipe, seed=seed, device=device)
        for epoch in range(recipe.epochs):
            epochs.append(_train_epoch(training, epoch))
            if after_epoch is not None:
                after_epoch(epochs[-1])
    return TrainResult(tuple(epochs), training.num_steps, time.perf_counter() - started)


def accuracy(network: nn.Module, split: Split, data: DataSet, recipe: TrainRecipe) -> float:
    """Returns the share of images that a network classifies correctly, between 0 and 1.

    Images are neither cropped nor mirrored. The network is moved to the recipe's device; its mode is put back.

    Args:
        network: gives logits in evaluation mode.
        split: the images.
        data: whose mean and deviation normalize them.
        recipe: device, precision, number of threads and layout.

    Raises:
        DivergedError: if a logit is not finite.
    """
    device = choose_device(recipe)
    was_training = network.training
    with num_threads(recipe.num_threads):
        _move(network, device, recipe).eval()
        source = ImageSource(split, data, device=device, channels_last=recipe.channels_last)
        num_correct = _count_correct(network, source, recipe)
    network.train(was_training)
    return num_correct / len(source)


@torch.inference_mode()
def _count_correct(network: nn.Module, source: ImageSource, recipe: TrainRecipe) -> int:
    device = source.device
    dtype = choose_dtype(recipe, device)
    num_correct = torch.zeros((), dtype=torch.int64, device=device)
    finite = torch.ones((), dtype=torch.bool, device=device)
    for first in range(0, len(source), recipe.batch_size):
        indices = torch.arange(first, min(first + recipe.batch_size, len(source)), device=device)
        with autocast(device, dtype):
            logits = network(source.batch(indices))
        finite &= torch.isfinite(logits).all()
        num_correct += (logits.argmax(1) == source.labels[indices]).sum()
    if not finite:
        raise DivergedError("what the network gives in evaluation is not finite")
    return int(num_correct)


def _set_up(network: nn.Module, data: DataSet, recipe: TrainRecipe, *, seed: int, device: torch.device) -> _Training:
    dtype = choose_dtype(recipe, device)
    _move(network, device, recipe).train()
    return _Training(
        network=network,
        forward=_compile(network, device) if recipe.compile else network,
        optimizer=build_optimizer(network, recipe),
        scaler=build_scaler(device, dtype),
        source=ImageSource(
            data.train, data, padding=recipe.crop_padding, device=device, channels_last=recipe.channels_last
        ),
        recipe=recipe,
        dtype=dtype,
        generator=torch.Generator(device).manual_seed(seed),
    )


def _compile(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor | tuple[Tensor, Tensor]]:
    """Compiles a network; on a GPU its steps are recorded as CUDA graphs, since cells are many small kernels."""
    compiled: Callable[[Tensor], Tensor | tuple[Tensor, Tensor]]
    compiled = torch.compile(network, dynamic=False, mode="reduce-overhead" if device.type == "cuda" else "default")
    return compiled


def _move(network: nn.Module, device: torch.device, recipe: TrainRecipe) -> nn.Module:
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return network.to(device=device, memory_format=layout)  # type: ignore[call-overload,no-any-return]


def _train_epoch(training: _Training, epoch: int) -> EpochResult:
    started = time.perf_counter()
    recipe, source = training.recipe, training.source
    sums = EpochSums(source.device)
    look_every = _look_every(source.device)
    first = epoch * training.steps_per_epoch
    batches = shuffled_batches(len(source), recipe.batch_size, training.generator)
    for number, indices in enumerate(batches, start=first):
        _train_step(training, indices, progress=number / training.num_steps, sums=sums)
        if number % look_every == 0:
            sums.check()
    rate = learning_rate(recipe, (first + training.steps_per_epoch - 1) / training.num_steps)
    loss, share = sums.means()
    return EpochResult(loss, share, rate, time.perf_counter() - started)


def _look_every(device: torch.device) -> int:
    """Steps between two looks at the loss: on a GPU each of them makes the CPU wait."""
    return 1 if device.type == "cpu" else 50


def _train_step(training: _Training, indices: Tensor, *, progress: float, sums: EpochSums) -> None:
    """Takes one batch: augment, forward, backward, step.

    Args:
        training: the run.
        indices: the images of the batch.
        progress: share of all steps that is done before this one.
        sums: where its loss is counted in.
    """
    recipe, source = training.recipe, training.source
    set_learning_rate(training.optimizer, learning_rate(recipe, progress))
    cast("Trainable", training.network).set_progress(progress)
    images = augmented_batch(source, indices, recipe, training.generator)
    labels = source.labels[indices]
    with autocast(source.device, training.dtype):
        output = training.forward(images)
        loss = classification_loss(output, labels, recipe)
    step(training.optimizer, loss, scaler=training.scaler, gradient_clip=recipe.gradient_clip)
    sums.add(loss, split_output(output)[0], labels)
