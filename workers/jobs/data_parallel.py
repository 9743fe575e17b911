"""Trainings by several workers with Ray Train: gloo between CPUs, NCCL between GPUs."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch

from nas.data.load import load_data
from nas.training.run import Record, TrainingPlan, read_records, read_result, run_training
from workers.cluster.connection import connect
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import kept_signals

_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ParallelWorkers:
    """The workers that share every batch of a training.

    Attributes:
        num_workers: Number of workers.
        each: What each of them gets.
        address: Of a running Ray cluster; None starts Ray on this machine.
    """

    num_workers: int
    each: WorkerResources = WorkerResources()  # noqa: RUF009 - it is immutable
    address: str | None = None

    @property
    def use_gpu(self) -> bool:
        """Whether each worker has a GPU."""
        return self.each.gpus > 0


def train_classifier(plan: TrainingPlan, out: Path) -> None:
    """Trains as `nas.training.run.run_training` does, as one of several workers."""
    run_training(plan, load_data(plan.fidelity.data), out)


def train_in_parallel(
    plan: Any,  # noqa: ANN401 - whatever `train` takes
    out: Path,
    workers: ParallelWorkers,
    after_record: Callable[[list[Record]], None],
    *,
    train: Callable[[Any, Path], object] = train_classifier,
) -> dict[str, Any]:
    """Trains with several workers, each of which does the same with its part of every batch.

    All workers must see the folders of the images and of the training under the same paths.

    Args:
        plan: what to train; its batch is shared out among the workers.
        out: an existing folder.
        workers: That share the training.
        after_record: called with all records so far when there are new ones in ``metrics.jsonl``.
        train: a function of a module that every worker calls with the plan and the folder, once the process group is
            there; the first of them writes ``metrics.jsonl`` and ``result.json``.

    Returns:
        What `result.json` holds.

    Raises:
        ValueError: if there are more workers than devices.
        RuntimeError: if Ray cannot be reached, or the training fails; says why in one line.
    """
    if workers.address is None:
        _check_machine(workers)
    with (
        connect(workers.address),
        tempfile.TemporaryDirectory(prefix="nas-train-") as storage,
        _told(out, after_record),
    ):
        _check_cluster(workers)
        _fit({"train": train, "plan": plan, "out": str(out.resolve())}, workers, storage=storage)
    result = read_result(out)
    if result is None:
        raise RuntimeError(f"the workers have ended, but there is no result in {out}: it must be a folder that all see")
    return result


def _fit(work: dict[str, Any], workers: ParallelWorkers, *, storage: str) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    trainer = TorchTrainer(
        _train_member,
        train_loop_config=work,
        torch_config=TorchConfig(backend="nccl" if workers.use_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers.num_workers,
            use_gpu=workers.use_gpu,
            resources_per_worker=workers.each.demand,
        ),
        run_config=RunConfig(storage_path=storage, name="training", failure_config=FailureConfig(max_failures=0)),
    )
    try:
        with kept_signals(), warnings.catch_warnings():  # Ray warns of its own settings
            warnings.simplefilter("ignore", DeprecationWarning)
            trainer.fit()
    except Exception as error:  # of several types, with the worker's own somewhere inside
        raise RuntimeError(f"the training has failed: {_reason(error)}") from error


def _train_member(work: dict[str, Any]) -> None:
    """What each worker does; the process group is there already."""
    work["train"](work["plan"], Path(work["out"]))


def _reason(error: BaseException) -> str:
    """The error of the first worker that failed, else that of Ray itself, in one line."""
    failures = getattr(error, "worker_failures", None) or {}
    inner: BaseException = next(iter(failures.values()), error)
    cause = getattr(inner, "cause", None) or getattr(inner, "base_exc", None) or inner
    text = " ".join(str(cause).split())
    return text[-500:] or type(inner).__name__


def _check_machine(workers: ParallelWorkers) -> None:
    """Refuses, before Ray is started, what this machine cannot hold."""
    if workers.use_gpu:
        _check_number(workers.num_workers, torch.cuda.device_count(), "the GPUs of this machine")
    else:
        _check_number(workers.num_workers, int((os.cpu_count() or 1) / workers.each.cpus), "the CPUs of this machine")


def _check_cluster(workers: ParallelWorkers) -> None:
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    if workers.use_gpu:
        _check_number(workers.num_workers, int(resources.get("GPU", 0)), "the GPUs of the Ray cluster")
    else:
        _check_number(
            workers.num_workers, int(resources.get("CPU", 0) / workers.each.cpus), "the CPUs of the Ray cluster"
        )


def _check_number(came: int, most: int, what: str) -> None:
    if came > most:
        raise ValueError(f"there must be at most {most} workers, as {what} allow, got {came}")


@contextmanager
def _told(out: Path, after_record: Callable[[list[Record]], None]) -> Iterator[None]:
    """Tells of new records as they are written: the workers are other processes, perhaps on other machines."""
    done = threading.Event()

    earlier = read_records(out)
    after_record(earlier)

    def watch() -> None:
        before = len(earlier)
        while True:
            is_last = done.wait(_LOOK_SECONDS)
            records = read_records(out)
            if len(records) > before:
                before = len(records)
                after_record(records)
            if is_last:
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
