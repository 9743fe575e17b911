"""Uses a controller in a `tune.Tuner`: PPO proposes cells, and ASHA stops the poor ones early.

    python examples/tune_asha.py --trials 20 --out runs/tune_asha

Everything else is Ray Tune's: its loggers write into the folder of each trial. Run the same command to resume with the
same policy after an interruption.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from controllers.ppo import PPO
from nas.architecture import Architecture
from nas.data.data_set import DataSet
from nas.data.load import load_data
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.models.build import build
from nas.training.loop import accuracy
from nas.training.loop import train as train_network
from search_spaces.nasnet import NASNET
from workers.cluster.connection import connect
from workers.tune.searcher import TuneSearcher

NETWORK = NetworkSpec(num_filters=8, num_repeats=1, num_stages=2, image_size=8, in_channels=1)


def train(config: dict[str, Any], data: DataSet, recipe: TrainRecipe) -> None:
    """Trains the proposed cells; reports the validation accuracy after each epoch. Ray Tune runs it for each trial."""
    network = build(Architecture.from_json(config["architecture"]), NETWORK)

    def report(_epoch: object) -> None:
        tune.report({"accuracy": accuracy(network, data.validation, data, recipe)})

    train_network(network, data, recipe, seed=config["seed"], after_epoch=report)


def main(arguments: list[str] | None = None) -> tune.ResultGrid:
    """Runs the search, or resumes the one in the folder; returns the results of Ray Tune."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5, help="epochs of a trial that is not stopped early")
    parser.add_argument("--workers", type=int, default=2, help="maximum number of trials at a time")
    parser.add_argument("--out", type=Path, default=Path("runs/tune_asha"))
    options = parser.parse_args(arguments)
    folder = options.out.resolve()
    data = load_data(DataSpec(validation_fraction=0.25))
    recipe = TrainRecipe(epochs=options.epochs, batch_size=64, learning_rate=0.2, crop_padding=1, flip=False)
    with connect():
        trainable = tune.with_parameters(train, data=data, recipe=recipe)
        if tune.Tuner.can_restore(folder):
            tuner = tune.Tuner.restore(str(folder), trainable, resume_errored=True)
        else:
            searcher = TuneSearcher(NASNET, PPO(NASNET.choices, seed=0), metric="accuracy", failure_reward=0.0)
            asha = ASHAScheduler(metric="accuracy", mode="max", max_t=recipe.epochs, reduction_factor=2)
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=asha,
                    num_samples=options.trials,
                    max_concurrent_trials=options.workers,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(name=folder.name, storage_path=str(folder.parent)),
            )
        results = tuner.fit()
    best = results.get_best_result("accuracy", "max")
    number, reached = (best.config or {})["trial_id"], (best.metrics or {})["accuracy"]
    print(f"best of {len(results)}: trial {number} with {reached:.2%} in {best.path}")
    return results


if __name__ == "__main__":
    main()
