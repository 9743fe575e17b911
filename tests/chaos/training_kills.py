"""Kills a training run with -9 at critical moments, resumes it each time, and compares it with an uninterrupted run.

    python tests/chaos/training_kills.py --epochs 4

It is killed in the middle of an epoch, of a validation, of writing a checkpoint (half of the file is there), and
between the checkpoint and what is written after it. In the end all weights, averages and what the optimizer keeps must
be bit-identical, and no partial checkpoint may remain.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import torch
from safetensors.torch import load_file

from nas.architecture import Architecture, Block, Cell, Edge
from nas.data.load import load_data
from nas.fidelity import DataSpec, Fidelity, NetworkSpec, TrainRecipe
from nas.training import run as full
from nas.training.run import TrainingCallbacks, TrainingPlan, run_training

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


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def in_epoch():
    """Exits after the second step of the first epoch."""
    return TrainingCallbacks(after_step=lambda _epoch, done, _num_steps: die() if done == 2 else None)


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        torment(Path(folder), options.epochs)


if __name__ == "__main__":
    main()
