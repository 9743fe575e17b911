"""Evaluates a trial by training its network and measuring accuracy on the validation split."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch

from nas.data.data_set import DataSet
from nas.fidelity import Fidelity
from nas.models.build import AnyNetwork, Buildable
from nas.models.checkpoint import save_checkpoint
from nas.models.complexity import measure
from nas.shifts.measure import ShiftPlan, shifted_accuracies
from nas.training.initial import build_initial
from nas.training.loop import DivergedError, accuracy, train
from nas.trial import Failure, FailureKind, Outcome, Success, Trial
from workers.errors import describe_error, failure_kind


class TooLargeError(ValueError):
    """The network exceeds a limit on its size."""


_KINDS: Mapping[type[Exception], FailureKind] = {DivergedError: "diverged", TooLargeError: "too_large"}


def train_and_validate(
    trial: Trial,
    *,
    data: DataSet,
    weights_dir: str | None = None,
    max_parameters: int | None = None,
    max_multiply_adds: int | None = None,
    shifts: ShiftPlan | None = None,
) -> Outcome:
    """Trains a trial's network on the training split and evaluates it on the validation split; never raises.

    Args:
        trial: the trial; its seed determines initial weights, order of batches and augmentation.
        data: the images.
        weights_dir: folder for the trained network, written as ``trial-<id>.safetensors``; None writes nothing.
        max_parameters: networks with more parameters are not trained.
        max_multiply_adds: networks with more multiply-adds per image are not trained.
        shifts: appearance shifts under which validation accuracy is measured too; see `shifted_accuracies`.

    Example:
        >>> import nas
        >>> data = nas.load_data(nas.DataSpec("digits", num_train=100, validation_fraction=0.2))
        >>> spec = nas.NetworkSpec(image_size=8, in_channels=1, num_filters=2, num_repeats=1, num_stages=1)
        >>> fidelity = nas.Fidelity(spec, nas.TrainRecipe(epochs=1, flip=False))
        >>> (rollout,) = nas.RandomSearch(nas.TINY.choices, seed=0).ask([0])
        >>> trial = nas.Trial(0, rollout, nas.TINY.decode(rollout.decisions), fidelity, seed=0)
        >>> 0 <= nas.train_and_validate(trial, data=data).accuracy <= 1
        True
    """
    started = time.perf_counter()
    try:
        complexity = measure(_buildable(trial), trial.fidelity.network)
        _check_size("parameters", complexity.num_parameters, max_parameters)
        _check_size("multiply-adds", complexity.num_multiply_adds, max_multiply_adds)
        network, share, metrics = _train(trial, data)
        if shifts is not None:
            metrics |= shifted_accuracies(network, data.validation, data, trial.fidelity.recipe, plan=shifts)
        if weights_dir is not None:
            save_checkpoint(Path(weights_dir) / f"trial-{trial.id}.safetensors", network, data=data, accuracy=share)
    except Exception as error:  # an error of one network must not end the search
        kind = _KINDS.get(type(error)) or failure_kind(error)
        failure = Failure(trial.id, kind, describe_error(error), time.perf_counter() - started)
    else:
        return Success(
            trial.id,
            share,
            num_parameters=complexity.num_parameters,
            num_multiply_adds=complexity.num_multiply_adds,
            train_seconds=time.perf_counter() - started,
            metrics=metrics,
        )
    if failure.kind == "out_of_memory" and torch.cuda.is_available():
        torch.cuda.empty_cache()  # only after the except block, which keeps the network's tensors alive
    return failure


def check_fits(fidelity: Fidelity, data: DataSet) -> None:
    """Raises ValueError if the networks of a fidelity differ from the images in classes, channels or image size."""
    spec = fidelity.network
    height, width = data.image_size
    needed = {
        "num_classes": (spec.num_classes, len(data.class_names)),
        "in_channels": (spec.in_channels, data.num_channels),
        "image_size": (spec.image_size, height),
    }
    for name, (came, wanted) in needed.items():
        if came != wanted:
            raise ValueError(f"network.{name} must be {wanted}, as in the data set {fidelity.data.name}, got {came}")
    if height != width:
        raise ValueError(f"images must be square, got {width} x {height} pixels; set data.image_size")


def _buildable(trial: Trial) -> Buildable:
    if not isinstance(trial.architecture, Buildable):
        came = type(trial.architecture).__name__
        raise ValueError(f"only architectures made of cells and reference networks can be trained, got {came}")
    return trial.architecture


def _check_size(name: str, number: int, bound: int | None) -> None:
    if bound is not None and number > bound:
        raise TooLargeError(f"the network may have at most {bound:,} {name}, got {number:,}")


def _train(trial: Trial, data: DataSet) -> tuple[AnyNetwork, float, dict[str, float]]:
    """Returns the trained network, its validation accuracy and further metrics."""
    recipe = trial.fidelity.recipe
    network = build_initial(_buildable(trial), trial.fidelity.network, recipe, seed=trial.seed)
    result = train(network, data, recipe, seed=trial.seed)
    share = accuracy(network, data.validation, data, recipe)
    last = result.epochs[-1]
    return network, share, {"train_loss": last.loss, "train_accuracy": last.accuracy}
