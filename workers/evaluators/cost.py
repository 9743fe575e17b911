"""Estimates how long a trial will take from one training step of its network, without its images."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch

from nas.data.data_set import DataSet, Split
from nas.fidelity import Fidelity
from nas.models.reference.descriptions import Buildable
from nas.training.augmentation import num_batches
from nas.training.cuda_graph import NUM_WARMUP, graph_obstacle
from nas.training.device import choose_device
from nas.training.initial import build_initial
from nas.training.loop import accuracy, start_training
from nas.trial import Trial


def estimate_seconds(trial: Trial, *, num_train: int, num_validation: int) -> float:
    """Builds the network of a trial, times a training step and a validation of as many images as a batch.

    The images are random. The first step, which may compile and allocate, does not count, and on a GPU neither do those
    before a CUDA graph is captured.

    Args:
        trial: the trial; its architecture must be one from which a network can be built.
        num_train: images of the training split.
        num_validation: images that are evaluated at the end, counted once for each evaluation.

    Returns:
        Seconds that training and validation will take on a device like this one.
    """
    if not isinstance(trial.architecture, Buildable):
        raise ValueError("only the training of a network can be estimated")
    started = time.perf_counter()
    recipe = replace(trial.fidelity.recipe, epochs=1, warmup_epochs=0, num_loaders=0)
    device = choose_device(recipe)
    num_steps = 2 if graph_obstacle(recipe, device) else NUM_WARMUP + 3
    data = _random_images(trial.fidelity, num_steps * recipe.batch_size, seed=trial.seed)
    network = build_initial(trial.architecture, trial.fidelity.network, recipe, seed=trial.seed)
    built = time.perf_counter() - started
    stamps: list[float] = []

    def stamp(_: int) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        stamps.append(time.perf_counter())

    with start_training(network, data, recipe, seed=trial.seed) as training:
        training.run_epoch(stamp)
    begun = time.perf_counter()
    accuracy(network, data.validation, data, recipe)
    of_image = (time.perf_counter() - begun) / len(data.validation)
    steps = trial.fidelity.recipe.epochs * num_batches(num_train, recipe.batch_size)
    return built + steps * (stamps[-1] - stamps[-2]) + num_validation * of_image


def _random_images(fidelity: Fidelity, number: int, *, seed: int) -> DataSet:
    spec, generator = fidelity.network, np.random.default_rng(seed)
    images = generator.integers(0, 256, (number, spec.in_channels, spec.image_size, spec.image_size), dtype=np.uint8)
    split = Split(images, generator.integers(0, spec.num_classes, number))
    half = split.take(np.arange(fidelity.recipe.batch_size))
    channels = (0.5,) * spec.in_channels
    names = tuple(str(label) for label in range(spec.num_classes))
    return DataSet(split, half, lambda: half, names, channels, channels)
