"""Training in segments: a process trains to a given epoch and stores the state, from which another one continues."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from torch import nn

from nas.data.data_set import DataSet
from nas.recipe import TrainRecipe
from nas.training.loop import EpochResult, Training, start_training
from nas.training.state import TrainingState, resume_state, write_state


def train_until(  # noqa: PLR0913 - what `train` takes, and where to pause
    network: nn.Module,
    data: DataSet,
    recipe: TrainRecipe,
    *,
    seed: int,
    epoch: int,
    state: Path,
    plan: str,
    after_step: Callable[[float], None] = lambda _: None,
) -> EpochResult:
    """Trains a network in place, from its stored state if there is one, to the end of an epoch; see `Training`.

    The result is bit-identical to that of a training without interruption on a CPU. A state that cannot be read or that
    belongs to another training is ignored. At the last epoch of the recipe, the state is removed.

    Args:
        network: with the initial weights of the seed.
        data: the images.
        recipe: of the whole training.
        seed: see `Training`.
        epoch: number of epochs after which to return, at most those of the recipe.
        state: file of the state; its folder is created if missing.
        plan: identifies the training in that file.
        after_step: is called with the share of the run's steps that are done.

    Returns:
        The result of the last epoch.

    Raises:
        ValueError: if the epoch is beyond the recipe's end.
        DivergedError: if the loss is not finite.
        RuntimeError: if the state cannot be written.
    """
    if not 1 <= epoch <= recipe.epochs:
        raise ValueError(f"a training of {recipe.epochs} epochs can pause after 1..{recipe.epochs}, got {epoch}")
    with start_training(network, data, recipe, seed=seed) as training:
        last = _restore(training, state, plan, epoch)
        while training.num_epochs < epoch:
            last = training.run_epoch(lambda num_done: after_step(training.share(num_done)))
        if last is None:
            raise RuntimeError("an internal error: no epoch was trained")
        if epoch < recipe.epochs:
            _store(training, state, plan, last)
        else:
            state.unlink(missing_ok=True)
    return last


def _restore(training: Training, path: Path, plan: str, epoch: int) -> EpochResult | None:
    """Restores a stored state that is not beyond the epoch; returns the result of its last epoch."""
    with suppress(ValueError, KeyError, TypeError):  # a file of something else costs only its epochs
        stored = resume_state(path, [plan])
        if stored is not None and stored.values["num_epochs"] <= epoch:
            last = EpochResult(**stored.values["last"])
            training.restore(stored)
            return last
    return None


def _store(training: Training, path: Path, plan: str, last: EpochResult) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = training.state()
    values = {**stored.values, "plan": plan, "last": asdict(last)}
    write_state(path, TrainingState(stored.tensors, values))
