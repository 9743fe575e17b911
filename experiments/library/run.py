"""A run in Python: its trials, the best architectures, and what can be made of them."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.architectures.export import export_architecture
from experiments.architectures.find import find_architecture
from experiments.comparison.results import Comparison
from experiments.comparison.run import compare_runs
from experiments.config.named import stored_reward
from experiments.library.drawing import Drawing
from experiments.runs.run_folder import RunFolder
from experiments.search.front import front_of
from experiments.search.status import RunStatus, search_status
from nas.architecture import Architecture
from nas.descriptions import Description
from nas.ledger.writer import read_ledger
from nas.models.build import AnyNetwork
from nas.models.checkpoint import load_checkpoint
from nas.objectives import find_objective
from nas.records import LedgerContents, Record
from nas.rewards import Reward
from nas.trial import Failure, Outcome, Success

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Found:
    """One of the best trials of a run; a notebook shows its cells.

    Attributes:
        run: folder of the run.
        rank: 1 for the best; on a front, of the first objective.
        record: the trial with its outcome.

    Example:
        >>> import nas
        >>> parts = {"space": "tiny", "controller": "random", "evaluate": lambda trial: 0.5}
        >>> run = nas.run_search(**parts, trials=2, out="runs/found", quiet=True)
        >>> run.best.rank, run.best.accuracy
        (1, 0.5)
        >>> run.best
        Found('runs/found@1', trial 0, accuracy 50.00%)
    """

    run: Path
    rank: int
    record: Record

    def __repr__(self) -> str:
        return f"Found('{self.run}@{self.rank}', trial {self.trial_id}, accuracy {self.accuracy:.2%})"

    @property
    def trial_id(self) -> int:
        """Number of the trial within the run."""
        return self.record.trial.id

    @property
    def architecture(self) -> Description:
        """What was evaluated: an `Architecture`, or what the search space decodes to."""
        return self.record.trial.architecture

    @property
    def outcome(self) -> Outcome:
        """The outcome: accuracy, size, time and further metrics."""
        return self.record.outcome

    @property
    def accuracy(self) -> float:
        """Validation accuracy, between 0 and 1."""
        return self.outcome.accuracy if isinstance(self.outcome, Success) else float("nan")

    def number(self, objective: str) -> float:
        """An objective as measured, such as ``latency`` in ms; ValueError if the trial did not measure it."""
        if not isinstance(self.outcome, Success):
            return float("nan")
        return find_objective(objective).number(self.outcome)

    def build(self, **settings: Any) -> AnyNetwork:  # noqa: ANN401 - those of a NetworkSpec
        """Builds its network with new weights; `settings` replace those of the search, such as ``num_classes=100``."""
        from experiments.library.networks import build_network

        return build_network(self._cells(), self.record.trial.fidelity.network, **settings)

    def load(self) -> AnyNetwork:
        """Loads the trained network; ValueError if its weights were not kept (``workers.keep_weights``)."""
        path = RunFolder(self.run).trial_weights(self.trial_id)
        if not path.is_file():
            hint = "; build() makes a new network" if isinstance(self.architecture, Architecture) else ""
            raise ValueError(f"{self.run} holds no weights of trial {self.trial_id}{hint}")
        return load_checkpoint(path).network

    def draw(self) -> Drawing:
        """Draws its cells."""
        return Drawing(self._cells(), f"trial {self.trial_id}, {self.accuracy:.2%}")

    def _cells(self) -> Architecture:
        if not isinstance(self.architecture, Architecture):
            raise ValueError(f"trial {self.trial_id} has no cells, but {self.architecture.to_json()!r:.200}")
        return self.architecture

    def _repr_svg_(self) -> str | None:
        return self.draw().svg if isinstance(self.architecture, Architecture) else None


class Run:
    """The folder of a search, which may still be running; all commands read it, too.

    `nas.run_search` and `nas.load_run` return one.

    Attributes:
        path: the folder.

    Example:
        >>> import nas
        >>> parts = {"space": "tiny", "controller": "random", "evaluate": lambda trial: 0.5}
        >>> run = nas.run_search(**parts, trials=2, out="runs/run", quiet=True)
        >>> run
        Run('runs/run', 2 of 2 trials)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        RunFolder(path).document()

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration with every setting, by section."""
        return RunFolder(self.path).document()

    @property
    def trials(self) -> Sequence[Record]:
        """The finished trials with their outcomes, in the order of finishing."""
        return self._contents().finished

    @property
    def best(self) -> Found:
        """The trial with the highest reward; ValueError if none was successful."""
        return self.top(1)[0]

    @property
    def status(self) -> RunStatus:
        """Progress and the best trials, as `nas status` shows them."""
        return search_status(RunFolder(self.path), self.config)

    @property
    def is_finished(self) -> bool:
        """Whether all trials of the configuration have finished."""
        return bool(len(self.trials) >= self.config["search"]["num_trials"])

    def top(self, count: int) -> list[Found]:
        """Returns the best trials, each architecture once; ValueError if none was successful."""
        records = self._contents().best(count, self._reward())
        if not records:
            raise ValueError(f"{self.path} has no successful trial yet")
        return [Found(self.path, rank, record) for rank, record in enumerate(records, start=1)]

    def front(self, objectives: Sequence[str] = ()) -> list[Found]:
        """Returns the trials that no other one beats in every objective, the best in the first objective first.

        Their ranks are those of ``RUN@front1``, ``RUN@front2`` and so on.

        Args:
            objectives: names, such as ``accuracy`` and ``latency``; by default those of the search.

        Raises:
            ValueError: if the search had no objectives and none are given, a trial did not measure one of them, or none
                was successful.
        """
        records = front_of(RunFolder(self.path), objectives)[1]
        return [Found(self.path, rank, record) for rank, record in enumerate(records, start=1)]

    def knee(self, objectives: Sequence[str] = ()) -> Found:
        """Returns the trial with the best balance on a front, ``RUN@front``; see `front`."""
        front, records = front_of(RunFolder(self.path), objectives)
        return Found(self.path, front.knee + 1, records[front.knee])

    def frame(self) -> pd.DataFrame:
        """Returns a pandas DataFrame with a row for each finished trial; RuntimeError if pandas is not installed."""
        try:
            import pandas as pd
        except ImportError:
            raise RuntimeError("a DataFrame needs pandas: pip install pandas") from None
        reward = self._reward()
        return pd.DataFrame([_row(record, reward) for record in self.trials])

    def draw(self, rank: int = 1) -> Drawing:
        """Draws the cells of one of the best trials."""
        return self._ranked(rank).draw()

    def export(self, out: str | Path | None = None, *, rank: int = 1, programs: Collection[str] = ()) -> list[Path]:
        """Writes one of the best trials as `nas.export` does, by default into ``best`` within the folder of the run."""
        target = self.path / "best" if out is None else Path(out)
        return export_architecture(find_architecture(f"{self.path}@{rank}"), target, programs=programs)

    def resume(self, *, trials: int | None = None, quiet: bool = False) -> Run:
        """Continues the search, with `trials` in total if given; what was plugged in must be so again."""
        from experiments.library.run_search import run_search

        return run_search(RunFolder(self.path).config, out=self.path, trials=trials, quiet=quiet)

    def _ranked(self, rank: int) -> Found:
        found = self.top(rank)
        if len(found) < rank:
            raise ValueError(f"{self.path} has {len(found)} different successful architectures, got rank {rank}")
        return found[rank - 1]

    def _contents(self) -> LedgerContents:
        return read_ledger(RunFolder(self.path).ledger)

    def _reward(self) -> Reward:
        return stored_reward(self.config)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {len(self.trials)} of {self.config['search']['num_trials']} trials)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{best.rank}</td><td>{best.trial}</td><td>{best.accuracy:.2%}</td>"
            f"<td>{best.num_parameters:,}</td><td>{best.fingerprint[:8]}</td></tr>"
            for best in self.status.best
        )
        head = "".join(f"<th>{name}</th>" for name in ("rank", "trial", "accuracy", "parameters", "fingerprint"))
        return f"<b>{html.escape(repr(self))}</b><table><tr>{head}</tr>{rows}</table>"


def load_run(path: str | Path) -> Run:
    """Opens the folder of a run, which may still be running; ValueError if it holds none.

    Example:
        >>> import nas
        >>> run = nas.load_run("runs/digits_ppo")  # doctest: +SKIP
    """
    return Run(Path(path))


def compare(runs: Sequence[Run | str | Path], out: str | Path, *, force: bool = False) -> Comparison:
    """Compares runs, grouped by controller, and writes curves, a report and all numbers to a folder, as `nas compare`.

    Args:
        runs: runs or their folders, one for each strategy and seed.
        out: the folder.
        force: whether to compare runs with different spaces, data or budgets.

    Raises:
        ValueError: if the runs are not comparable.

    Example:
        >>> import nas
        >>> nas.compare(["runs/ppo", "runs/random"], "runs/comparison").verdict  # doctest: +SKIP
    """
    paths = [each.path if isinstance(each, Run) else Path(each) for each in runs]
    return compare_runs(paths, Path(out), force=force)


def _row(record: Record, reward: Reward) -> dict[str, Any]:
    trial, outcome = record.trial, record.outcome
    row: dict[str, Any] = {"trial": trial.id, "fingerprint": record.fingerprint}
    if isinstance(outcome, Failure):
        return {**row, "failure": outcome.kind, "error": outcome.error, "train_seconds": outcome.train_seconds}
    rewarded = {} if outcome.was_only_scored else {"accuracy": outcome.accuracy, "reward": reward(outcome)}
    stopped = {} if outcome.stopped_after is None else {"stopped_after": outcome.stopped_after}
    value = trial.architecture.to_json()
    plain = value if isinstance(value, dict) and not isinstance(trial.architecture, Architecture) else {}
    return {
        **row,
        **{f"value.{key}": item for key, item in plain.items()},
        **rewarded,
        "num_parameters": outcome.num_parameters,
        "num_multiply_adds": outcome.num_multiply_adds,
        "train_seconds": outcome.train_seconds,
        "cached": outcome.cached,
        **stopped,
        **outcome.metrics,
    }
