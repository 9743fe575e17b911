"""CPU time that shared weights add to the training steps of a trial, and the memory of their store.

Run: ``nice python benchmarks/sharing_overhead.py experiments/configs/cifar10_shared.yaml --data DIR --steps 5``. DIR is
a folder of images, ``train/<class>/`` and ``test/<class>/``; without it, the data of the configuration. A few steps are
timed for each of a few random trials; what borrowing and giving back take, once for each trial, is divided by the
configuration's steps of a trial. Then all trials of the search are visited without training, which gives the memory.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from controllers.random_search import RandomSearch
from experiments.config.search_config import SearchConfig
from nas.data.load import load_data
from nas.fidelity import DataSpec
from nas.sharing.store import WeightStore
from nas.sharing.training import SharedPlan, borrow, give_back, train_borrowed
from nas.training.initial import build_initial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", type=int, default=5, help="that are timed")
    parser.add_argument("--trials", type=int, default=4, help="that are timed")
    parser.add_argument("--visited", type=int, default=100, help="trials for the memory of the store")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = SearchConfig.parse(yaml.safe_load(options.config.read_text()))
    where = config.data
    if options.data:
        where = DataSpec("image_folder", str(options.data), num_train=1000, validation_fraction=0.2)
    data = load_data(where)
    _, in_channels, image_size, _ = data.train.images.shape
    spec = replace(config.network, in_channels=in_channels, image_size=image_size, num_classes=len(data.class_names))
    store = WeightStore(None, spec)
    controller = RandomSearch(config.space.choices, seed=0)
    seconds = {"step": 0.0, "sharing": 0.0}
    for number, rollout in enumerate(controller.ask(range(options.visited))):
        network = build_initial(config.space.decode(rollout.decisions), spec, config.recipe, seed=0)
        start = time.process_time()
        receipt = give_back(network, borrow(network, store), store)
        borrowed = time.process_time()
        if 0 < number <= options.trials:  # the first warms up
            train_borrowed(network, data, SharedPlan(config.recipe, options.steps, number, number), store)
            end = time.process_time()
            seconds["sharing"] += borrowed - start
            seconds["step"] += (end - borrowed - (borrowed - start)) / options.steps
    step, sharing = seconds["step"] / options.trials, seconds["sharing"] / options.trials
    every = config.evaluator.steps
    print(f"{step * 1000:,.0f} ms a step; {sharing * 1000:,.1f} ms to borrow and give back, once in {every} steps")
    print(f"that is {sharing / every / step:.2%} of a step")
    size = f"{receipt.num_bytes / 2**20:,.1f} MiB in {receipt.num_tensors:,} tensors"
    print(f"the store holds {size} after {options.visited} trials")


if __name__ == "__main__":
    main()
