"""Data-parallel training with Ray Train: gloo between CPUs, NCCL between GPUs."""

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
from nas.plugins import session
from nas.training.run import Record, TrainingPlan, read_records, read_result, run_training
from workers.cluster.connection import connect
from workers.cluster.resources import WorkerResources
from workers.cluster.signals import kept_signals

_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ParallelWorkers:
    """Number and resources of the workers of a data-parallel training.

    Attributes:
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
    """Trains a classifier as one of several workers, see `nas.training.run.run_training`."""
    run_training(plan, load_data(plan.fidelity.data), out)


def train_in_parallel(
    plan: Any,  # noqa: ANN401 - whatever `train` takes
    out: Path,
    workers: ParallelWorkers,
    after_record: Callable[[list[Record]], None],
    *,
    train: Callable[[Any, Path], object] = train_classifier,
) -> dict[str, Any]:
    """Trains with several workers, each of which processes its part of every batch.

    All workers must see the folders of the images and of the training under the same paths.

    Args:
        plan: What to train; its batch size is the total over the workers.
        out: An existing folder.
        workers: The workers.
        after_record: Called with all records so far when ``metrics.jsonl`` has new ones.
        train: A module-level function, called by every worker with plan and folder once the process group exists; the
            worker of rank 0 writes ``metrics.jsonl`` and ``result.json``, which is returned.

    Raises:
        ValueError: If there are more workers than devices.
        RuntimeError: If Ray cannot be reached, or the training fails; the reason in one line.
    """
    if workers.address is None:  # before Ray is started
        _check_number(workers, "this machine", num_gpus=torch.cuda.device_count(), num_cpus=os.cpu_count() or 1)
    with (
        connect(workers.address),
        tempfile.TemporaryDirectory(prefix="nas-train-") as storage,
        _watch_records(out, after_record),
    ):
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        _check_number(workers, "the Ray cluster", num_gpus=resources.get("GPU", 0), num_cpus=resources.get("CPU", 0))
        _fit({"plugins": session(), "train": train, "plan": plan, "out": str(out.resolve())}, workers, storage=storage)
    if (result := read_result(out)) is None:
        raise RuntimeError(f"the workers finished without a result in {out}: all workers must see this folder")
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
            num_workers=workers.num_workers, use_gpu=workers.use_gpu, resources_per_worker=workers.each.demand
        ),
        run_config=RunConfig(storage_path=storage, name="training", failure_config=FailureConfig(max_failures=0)),
    )
    try:
        with kept_signals(), warnings.catch_warnings():  # Ray warns about its own settings
            warnings.simplefilter("ignore", DeprecationWarning)
            trainer.fit()
    except Exception as error:  # of several types; the error of the worker is nested
        raise RuntimeError(f"the training failed: {_reason(error)}") from error


def _train_member(work: dict[str, Any]) -> None:
    work["plugins"].restore()
    work["train"](work["plan"], Path(work["out"]))


def _reason(error: BaseException) -> str:
    """Returns the error of the first worker that failed, or else that of Ray, in one line."""
    failures = getattr(error, "worker_failures", None) or {}
    inner: BaseException = next(iter(failures.values()), error)
    cause = getattr(inner, "cause", None) or getattr(inner, "base_exc", None) or inner
    text = " ".join(str(cause).split())
    return text[-500:] or type(inner).__name__


def _check_number(workers: ParallelWorkers, where: str, *, num_gpus: float, num_cpus: float) -> None:
    most, unit = (num_gpus, "GPUs") if workers.use_gpu else (num_cpus / workers.each.cpus, "CPUs")
    if workers.num_workers > int(most):
        raise ValueError(
            f"there must be at most {int(most)} workers, as the {unit} of {where} allow, got {workers.num_workers}"
        )


@contextmanager
def _watch_records(out: Path, after_record: Callable[[list[Record]], None]) -> Iterator[None]:
    """Calls a function when a worker, which is another process, has written new records."""
    done = threading.Event()
    earlier = read_records(out)
    after_record(earlier)

    def watch() -> None:
        before, is_last = len(earlier), False
        while not is_last:
            is_last = done.wait(_POLL_SECONDS)
            records = read_records(out)
            if len(records) > before:
                before = len(records)
                after_record(records)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
