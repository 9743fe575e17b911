"""Evaluates a trial with weights that it shares with other trials (`nas.sharing`).

With the controller ``ppo`` this is ENAS (1802.03268), with ``random`` random search with weight sharing (1902.07638),
and with ``evolution``, whose first population outlasts the training, single path one-shot (1904.00420).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.data.data_set import DataSet
from nas.sharing.store import Store
from nas.sharing.training import SharedPlan, train_borrowed, validate_borrowed
from nas.training.initial import build_initial
from nas.trial import Outcome, Trial
from workers.evaluators.costs import CostPlan
from workers.evaluators.network_outcome import network_outcome
from workers.evaluators.size_limits import buildable


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class SharedWeightsSettings:
    """How trials share weights. The recipe is that of all trials together; after its epochs, trials do not train.

    Attributes:
        steps: Optimization steps of a trial.
        max_staleness: Changes of a tensor by other trials, while a trial trains it, beyond which its own is dropped.
        checkpoint_trials: Trials after which the store is written to the run folder.
        final_draws: Architectures that are drawn from the controller at the end and scored with the final weights.
    """

    steps: Annotated[int, Field(ge=1, le=10_000)] = 20
    max_staleness: Annotated[int, Field(ge=0)] = 8
    checkpoint_trials: Annotated[int, Field(ge=1)] = 20
    final_draws: Annotated[int, Field(ge=0, le=10**6)] = 200


def shared_weights(
    trial: Trial,
    *,
    data: DataSet,
    store: Store,
    max_parameters: int | None = None,
    max_multiply_adds: int | None = None,
    costs: CostPlan | None = None,
) -> Outcome:
    """Trains a trial's network for some steps with shared weights and evaluates it on the validation split.

    The outcome's metrics count what became of the changes, see `nas.sharing.store.Receipt`. Only a
    `nas.files.storage.StorageError` is raised.

    Args:
        trial: the trial, whose fidelity has `Fidelity.shared_steps`.
        data: the images.
        store: the shared weights.
        max_parameters: networks with more parameters are not trained.
        max_multiply_adds: networks with more multiply-adds per image are not trained.
        costs: costs to measure before it, and bounds on them, see `CostPlan`.
    """
    return network_outcome(
        trial,
        lambda: _measure(trial, data, store),
        max_parameters=max_parameters,
        max_multiply_adds=max_multiply_adds,
        costs=costs,
    )


def _measure(trial: Trial, data: DataSet, store: Store) -> tuple[float, dict[str, float]]:
    fidelity = trial.fidelity
    if fidelity.shared_steps is None:
        raise ValueError("a trial with shared weights needs a fidelity with shared_steps, got None")
    network = build_initial(buildable(trial), fidelity.network, fidelity.recipe, seed=trial.seed)
    plan = SharedPlan(fidelity.recipe, fidelity.shared_steps, trial.id, trial.seed)
    trained = train_borrowed(network, data, plan, store)
    share = validate_borrowed(network, data, fidelity.recipe)
    if trained is None:
        return share, {}
    result, receipt = trained
    counts = {name: float(value) for name, value in asdict(receipt).items()}
    return share, {"train_loss": result.loss, "train_accuracy": result.accuracy, **counts}
