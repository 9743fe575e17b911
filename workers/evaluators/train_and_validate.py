"""Evaluates a trial by training its network and measuring accuracy on the validation split."""

from __future__ import annotations

import socket
from pathlib import Path

from nas.data.data_set import DataSet
from nas.fidelity import Fidelity
from nas.files.storage import StorageError
from nas.models.build import AnyNetwork
from nas.models.checkpoint import save_checkpoint
from nas.shifts.measure import ShiftPlan, shifted_accuracies
from nas.training.initial import build_initial
from nas.training.loop import accuracy, train
from nas.training.segments import train_until
from nas.trial import Outcome, Trial
from workers.evaluators.costs import CostPlan
from workers.evaluators.network_outcome import network_outcome
from workers.evaluators.progress import TrialProgress
from workers.evaluators.size_limits import buildable
from workers.evaluators.zero_cost import ZeroCostSettings, score_trial


def train_and_validate(  # noqa: PLR0913 - one argument for each thing that a search may ask of it
    trial: Trial,
    *,
    data: DataSet,
    weights_dir: str | None = None,
    states_dir: str | None = None,
    max_parameters: int | None = None,
    max_multiply_adds: int | None = None,
    costs: CostPlan | None = None,
    shifts: ShiftPlan | None = None,
    scoring: ZeroCostSettings | None = None,
    progress_dir: str | None = None,
) -> Outcome:
    """Trains a trial's network on the training split and evaluates it on the validation split.

    An exception becomes a `Failure`, except a `nas.files.storage.StorageError`: weights that cannot be written say
    nothing about the network.

    Args:
        trial: the trial; its seed determines initial weights, order of batches and augmentation.
        data: the images.
        weights_dir: folder for the trained network, written as ``trial-<id>.safetensors``; None writes nothing. Only a
            training that ran to its end is written.
        states_dir: folder of the states of trainings that pause, see `Trial.until_epoch`; None: none can pause.
        max_parameters: networks with more parameters are not trained.
        max_multiply_adds: networks with more multiply-adds per image are not trained.
        costs: costs to measure before it, and bounds on them, see `CostPlan`.
        shifts: appearance shifts under which validation accuracy is measured too; see `shifted_accuracies`.
        scoring: scores of a trial that returns after 0 epochs, see `Trial.until_epoch`. Its accuracy is 0: nothing is
            trained, measured under shifts or written.
        progress_dir: folder in which the progress of the training is told, see `TrialProgress`; None tells nothing.

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
    if weights_dir is not None:
        _check_folder(Path(weights_dir))

    def evaluate() -> tuple[float, dict[str, float]]:
        if trial.until_epoch == 0:
            if scoring is None:
                raise ValueError("a trial that returns after 0 epochs needs scoring, its scores, got none")
            return 0.0, score_trial(trial, data, scoring)
        with TrialProgress(progress_dir, trial.id) as progress:
            network, share, metrics = _train(trial, data, states_dir, progress)
        if shifts is not None:
            metrics |= shifted_accuracies(network, data.validation, data, trial.fidelity.recipe, plan=shifts)
        if weights_dir is not None and trial.until_epoch is None:
            path = Path(weights_dir) / f"trial-{trial.id}.safetensors"
            images = {} if data.report is None else {"images": data.report.without_test().counts}
            save_checkpoint(path, network, data=data, accuracy=share, evaluation=images)
        return share, metrics

    limits = {"max_parameters": max_parameters, "max_multiply_adds": max_multiply_adds}
    return network_outcome(trial, evaluate, **limits, costs=costs)


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


def _check_folder(weights_dir: Path) -> None:
    if not weights_dir.is_dir():
        raise StorageError(
            f"there is no folder {weights_dir} on {socket.gethostname()}: it was removed, or the nodes do not "
            "share it; if they share no folder, use --set workers.keep_weights=0"
        )


def _train(
    trial: Trial, data: DataSet, states_dir: str | None, progress: TrialProgress
) -> tuple[AnyNetwork, float, dict[str, float]]:
    """Returns the network, trained to the end or to where the trial pauses, its accuracy and further metrics."""
    recipe = trial.fidelity.recipe
    network = build_initial(buildable(trial), trial.fidelity.network, recipe, seed=trial.seed)
    if states_dir is None:
        if trial.until_epoch is not None:
            raise ValueError("a training that pauses needs states_dir, the folder of its state, got none")
        last = train(network, data, recipe, seed=trial.seed, after_step=progress).epochs[-1]
    else:
        last = train_until(
            network,
            data,
            recipe,
            seed=trial.seed,
            epoch=recipe.epochs if trial.until_epoch is None else trial.until_epoch,
            state=Path(states_dir) / f"trial-{trial.id}.safetensors",
            plan=f"{trial.architecture.fingerprint} {trial.fidelity.fingerprint} {trial.seed}",
            after_step=progress,
        )
    share = accuracy(network, data.validation, data, recipe)
    return network, share, {"train_loss": last.loss, "train_accuracy": last.accuracy}
