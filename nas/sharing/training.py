"""Training and validation of a network that borrows its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nas.data.data_set import DataSet
from nas.models.build import AnyNetwork
from nas.models.normalization import use_batch_statistics
from nas.recipe import TrainRecipe
from nas.sharing.keys import shared_tensors
from nas.sharing.store import Loan, Receipt, Store
from nas.training.augmentation import num_batches
from nas.training.evaluation import accuracy
from nas.training.loop import EpochResult, start_training


@dataclass(frozen=True, slots=True)
class SharedPlan:
    """The part of the training of shared weights that falls to one trial.

    The training as a whole is `TrainRecipe.epochs` passes over the images, with the recipe's learning rates; trial
    `number` has the `num_steps` steps from number * num_steps. What a trial does thus follows from its number, whatever
    became of the others. After the last part, weights are only evaluated.

    Attributes:
        recipe: of all trials together.
        num_steps: optimization steps of each trial; 0 only evaluates.
        number: of the trial, from 0.
        seed: draws the trial's images, and its augmentation.
    """

    recipe: TrainRecipe
    num_steps: int
    number: int
    seed: int

    def num_parts(self, num_images: int) -> int:
        """Number of trials that train, for a training split of this size."""
        return -(-self._total(num_images) // self.num_steps) if self.num_steps else 0

    def steps(self, num_images: int) -> int:
        """Number of steps of this trial: the last one that trains has what is left."""
        return max(0, min(self.num_steps, self._total(num_images) - self.number * self.num_steps))

    def _total(self, num_images: int) -> int:
        return self.recipe.epochs * num_batches(num_images, self.recipe.batch_size)


def train_borrowed(
    network: AnyNetwork, data: DataSet, plan: SharedPlan, store: Store
) -> tuple[EpochResult, Receipt] | None:
    """Trains a network in place, with the weights of the store as far as it has them, and gives the weights back.

    Momentum starts at 0: that of another architecture would point elsewhere. Returns None if nothing is left to train;
    the network then has the weights of the store. From the last part on, the store is saved.

    Raises:
        DivergedError: if the loss is not finite; nothing is given back.
        ValueError: if the recipe does not fit the images or the device, or the network has no cells.
    """
    loan = borrow(network, store)
    num_parts = plan.num_parts(len(data.train))
    if plan.number >= num_parts:
        store.save()
        return None
    part, recipe = _drawn(data, plan), plan.recipe
    share = num_parts / recipe.epochs  # an epoch of the loop below is one trial
    recipe = replace(
        recipe,
        epochs=num_parts,
        warmup_epochs=recipe.warmup_epochs * share,
        decay_every=recipe.decay_every * share,
    )
    with start_training(network, part, recipe, seed=plan.seed) as training:
        training.num_epochs = plan.number
        result = training.run_epoch()
    receipt = give_back(network, loan, store)
    if plan.number == num_parts - 1:
        store.save()
    return result, receipt


def borrow(network: AnyNetwork, store: Store) -> Loan:
    """Loads the weights that the store has; others keep their initial values."""
    tensors = shared_tensors(network)
    loan = store.lend(list(tensors))
    for key, tensor in loan.tensors.items():
        tensors[key].copy_(tensor)
    return loan


def give_back(network: AnyNetwork, loan: Loan, store: Store) -> Receipt:
    """Gives the store what a network changed since it borrowed its weights, and the weights that are new."""
    changes = {}
    for key, tensor in shared_tensors(network).items():
        value = tensor.detach().cpu().contiguous()
        changes[key] = value - loan.tensors[key] if key in loan.tensors else value.clone()
    return store.take_back(changes, loan.versions)


def validate_borrowed(network: AnyNetwork, data: DataSet, recipe: TrainRecipe) -> float:
    """Returns the accuracy on the validation images, with batch statistics: running ones would be of another network.

    The images are in an order that mixes classes, the same for all networks. Changes the network.
    """
    use_batch_statistics(network)
    order = np.random.default_rng(0).permutation(len(data.validation))
    return accuracy(network, data.validation.take(order), data, recipe)


def _drawn(data: DataSet, plan: SharedPlan) -> DataSet:
    """The images of one trial: as many as its steps take, each as often as every other, up to one time."""
    size, random = len(data.train), np.random.default_rng(plan.seed)
    number = plan.steps(size) * plan.recipe.batch_size
    orders: list[npt.NDArray[np.int64]] = [random.permutation(size) for _ in range(-(-number // size))]
    return replace(data, train=data.train.take(np.concatenate(orders)[:number]))
