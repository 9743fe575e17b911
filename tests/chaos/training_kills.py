"""Kills a training run with -9 at critical moments, resumes it each time, and compares it with an uninterrupted run.

    python tests/chaos/training_kills.py --epochs 4
    python tests/chaos/training_kills.py --epochs 3 --streamed --loaders 2

It is killed in the middle of an epoch, of a validation, of writing a checkpoint (half of the file is there), and
between the checkpoint and what is written after it. In the end all weights, averages and what the optimizer keeps must
be bit-identical, and no partial checkpoint may remain. With ``--streamed``, photographs are decoded by loader processes
and the training is killed in the middle of each epoch, a step after a checkpoint within it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.training import run as full
from nas.training.run import TrainingCallbacks, TrainingPlan, run_training
from nas.training.state import read_state

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "sep_conv_3x3")),))
SPEC = NetworkSpec(
    image_size=8, in_channels=1, num_filters=4, num_repeats=1, num_stages=2, auxiliary=True, drop_path=0.2, dropout=0.2
)
DATA = DataSpec(num_train=120, validation_fraction=0.2)


def make_plan(epochs):
    recipe = TrainRecipe(
        epochs=epochs,
        batch_size=16,
        learning_rate=0.1,
        crop_padding=1,
        flip=False,
        cutout=2,
        mixup=0.2,
        ema_decay=0.9,
        warmup_epochs=1,
        device="cpu",
    )
    return TrainingPlan(Architecture(CELL, CELL), Fidelity(SPEC, recipe, DATA), seed=3)


def make_streamed_plan(folder, epochs, num_loaders):
    """Returns a plan on photographs of random pixels, and their data set."""
    generator = np.random.default_rng(0)
    for number in range(80):
        path = folder / f"train/{number % 2}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(path)
    plan = make_plan(epochs)
    recipe = replace(
        plan.fidelity.recipe, crop_padding=0, min_crop_area=0.2, color_jitter=0.4, num_loaders=num_loaders, flip=True
    )
    data = DataSpec("image_folder", str(folder), image_size=12, streamed=True, statistics="imagenet")
    fidelity = Fidelity(replace(SPEC, in_channels=3, num_classes=2), recipe, data)
    return replace(plan, fidelity=fidelity, checkpoint_minutes=1e-9)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def in_epoch():
    """Exits after the second step of the first epoch."""
    return TrainingCallbacks(after_step=lambda step: die() if step.done == 2 else None)


def in_epoch_number(epoch):
    """Exits after the third step of an epoch, whose last checkpoint was written after the second."""
    write = full.write_state

    def write_but_one(path, state):
        if state.values.get("epoch", {}).get("done") != 3:
            write(path, state)

    full.write_state = write_but_one
    return TrainingCallbacks(after_step=lambda step: die() if (step.epoch, step.done) == (epoch, 3) else None)


def in_validation():
    full.evaluate = die
    return TrainingCallbacks()


def in_write():
    """Exits with half of the checkpoint written, under its temporary name."""

    def fsync(descriptor):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        die()

    write = full.write_state

    def write_half(path, state):
        os.fsync = fsync
        write(path, state)

    full.write_state = write_half
    return TrainingCallbacks()


def after_write():
    """Exits after writing a checkpoint, before the metrics about it."""
    write = full.write_state

    def write_and_die(path, state):
        write(path, state)
        die()

    full.write_state = write_and_die
    return TrainingCallbacks()


def train(folder, plan, data, arrange=TrainingCallbacks):
    """Trains in a separate process; returns the signal that ended it, or 0."""
    pid = os.fork()
    if pid == 0:
        try:
            run_training(plan, data, folder, arrange())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        sys.exit("a training has failed")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def compare(first, second):
    for name in ("state.safetensors", "network.safetensors"):
        ours, theirs = load_file(first / name), load_file(second / name)
        assert ours.keys() == theirs.keys()
        different = [key for key in ours if not torch.equal(ours[key], theirs[key])]
        assert not different, f"{name} differs: {different[:3]}"


def torment(folder, epochs):
    plan, data = make_plan(epochs), load_data(DATA)
    alone, killed = folder / "alone", folder / "killed"
    for path in (alone, killed):
        path.mkdir()
    assert train(alone, plan, data) == 0
    for arrange in (in_epoch, in_validation, after_write, in_epoch, in_write, in_validation):
        assert train(killed, plan, data, arrange) == signal.SIGKILL
        halves = list(killed.glob(".state.safetensors.*"))
        assert len(halves) == (arrange is in_write), f"{len(halves)} halves of a checkpoint are there"
        print(f"killed {arrange.__name__}")
    assert train(killed, plan, data) == 0
    compare(alone, killed)
    assert not list(killed.glob(".*"))
    assert len((killed / "metrics.jsonl").read_text().splitlines()) == epochs
    print("bit-identical weights after 6 kills")


def torment_streamed(folder, epochs, num_loaders):
    os.environ["NAS_CACHE"] = str(folder / "cache")
    plan = make_streamed_plan(folder / "photographs", epochs, num_loaders)
    data = load_data(plan.fidelity.data)
    alone, killed = folder / "alone", folder / "killed"
    for path in (alone, killed):
        path.mkdir()
    assert train(alone, replace(plan, checkpoint_minutes=None), data) == 0
    for epoch in range(1, epochs + 1):
        assert train(killed, plan, data, partial(in_epoch_number, epoch)) == signal.SIGKILL
        state = read_state(killed / "state.safetensors")
        assert (state.values["num_epochs"], state.values["epoch"]["done"]) == (epoch - 1, 2)
        print(f"killed in the middle of epoch {epoch} with {num_loaders} loaders", flush=True)
    assert train(killed, plan, data) == 0
    compare(alone, killed)
    print(f"bit-identical weights after {epochs} kills")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--streamed", action="store_true")
    parser.add_argument("--loaders", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.streamed:
            torment_streamed(Path(folder), options.epochs, options.loaders)
        else:
            torment(Path(folder), options.epochs)


if __name__ == "__main__":
    main()
