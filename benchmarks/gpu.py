"""Measures training on a GPU: steps of children, several children at once, whole children, large networks, loaders.

Run: ``python benchmarks/gpu.py --minutes 6 --out runs/gpu`` (``--data DIR``: CIFAR-10 as a folder of images, one folder
per class; without it images are random; ``--parts steps large`` runs some parts, in that order; ``--dry-run`` runs tiny
sizes, also on a CPU). Needs no Ray and no network. ``gpu.json`` and ``gpu.md`` are rewritten after each row, so that a
run that is cut short still tells.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import runpy
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import synchronize
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty
from typing import Any, Literal

import numpy as np
import torch
import torchvision
from plain_network import PlainNetwork
from torch import Tensor, nn

from controllers.random_search import RandomSearch
from nas.architecture import Architecture
from nas.data.data_set import DataSet, Split
from nas.data.load import load_data
from nas.downstream.backbone import build_backbone
from nas.downstream.detection.networks import build_detector
from nas.downstream.detection.settings import DetectorSettings, ImageForm
from nas.downstream.recipe import DenseRecipe
from nas.downstream.segmentation.networks import build_segmenter
from nas.downstream.segmentation.settings import HeadSpec
from nas.downstream.training import start_dense
from nas.export.folder import export_checkpoint
from nas.fidelity import DataSpec, NetworkSpec, TrainRecipe
from nas.models.checkpoint import save_checkpoint
from nas.models.network import Network, build_network
from nas.models.presets import PRESETS
from nas.models.reference.names import ReferenceNetwork
from nas.training.batches import choose_batches
from nas.training.cuda_graph import choose_caller
from nas.training.device import autocast, build_scaler, choose_device, choose_dtype
from nas.training.evaluation import evaluate
from nas.training.initial import build_initial
from nas.training.loop import start_training, train
from nas.training.optimizer import build_sgd, step
from nas.training.parallel import Members
from search_spaces.nasnet import NASNET
from search_spaces.published import PUBLISHED

CHILD = NetworkSpec(num_filters=32, num_repeats=2)
CHILD_STEPS = 20 * (45_000 // 64)
"""Steps of a child of the configuration cifar10_ppo."""
_SHARE_OF_STEPS = 0.6
"""Of the time of whole children; the rest is for starting processes, loading images and evaluating."""
LAUNCHES = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
CONTEXT = multiprocessing.get_context("spawn")
Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """What is measured; the defaults are those of a GPU."""

    seconds: float = 2.0
    child: NetworkSpec = CHILD
    batches: tuple[int, ...] = (64, 256)
    steps: int = 15
    random_cells: int = 8
    at_once: tuple[int, ...] = (1, 2, 4, 8)
    children: int = 5
    images: int = 50_000
    epochs: int = 20
    large: tuple[tuple[str, int], ...] = (("imagenet-large", 32), ("imagenet-mobile", 128))
    side: int = 512
    tiny: bool = False

    def large_spec(self, name: str) -> NetworkSpec:
        """A preset without what is random or auxiliary, or a small network of its form."""
        spec = replace(PRESETS[name], auxiliary=False, drop_path=0.0, dropout=0.0)
        return replace(spec, image_size=64, num_filters=8, num_repeats=1, stem_filters=8) if self.tiny else spec


TINY = Sizes(
    seconds=0.01,
    child=NetworkSpec(num_filters=4, num_repeats=1),
    batches=(4,),
    steps=5,
    random_cells=1,
    at_once=(),
    children=1,
    images=60,
    epochs=1,
    large=(("imagenet-mobile", 1),),
    side=64,
    tiny=True,
)


class Report:
    """Rows by part, written to two files after each; `deadline` is a value of `time.monotonic`."""

    def __init__(self, out: Path, deadline: float) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.deadline = out, deadline
        self.rows: dict[str, list[Row]] = {}
        self.machine = describe_machine()

    def left(self) -> float:
        """Seconds left; below 0 no further row is begun."""
        return self.deadline - time.monotonic()

    def add(self, part: str, **row: Any) -> None:  # noqa: ANN401 - JSON values
        """Adds a row to a part and writes the files."""
        row = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
        self.rows.setdefault(part, []).append(row)
        print(part, row, flush=True)
        (self.out / "gpu.json").write_text(json.dumps({"machine": self.machine, "parts": self.rows}, indent=1) + "\n")
        tables = "\n\n".join(f"## {name}\n\n{table(rows)}" for name, rows in self.rows.items())
        (self.out / "gpu.md").write_text(f"# Training on a GPU\n\n{self.machine}\n\n{tables}\n")


def describe_machine() -> str:
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}"
    return f"{card}, {os.cpu_count()} cores, {versions}"


def table(rows: list[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([str(row.get(name, "")) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def make_data(num_images: int, size: int = 32) -> DataSet:
    """Random images; those of the second half of the classes are brighter."""
    random, labels = np.random.default_rng(0), np.arange(num_images) % 10
    images = random.integers(0, 200, (num_images, 3, size, size), dtype=np.uint8)
    images += (5 * labels[:, None, None, None]).astype(np.uint8)
    held_out = Split(images[: num_images // 10 or 1], labels[: num_images // 10 or 1])
    names = tuple(f"class {number}" for number in range(10))
    return DataSet(Split(images, labels), held_out, lambda: held_out, names, (0.5,) * 3, (0.25,) * 3)


def child_recipe(**settings: Any) -> TrainRecipe:  # noqa: ANN401 - those of a recipe
    """The recipe of cifar10_ppo."""
    return TrainRecipe(**{"epochs": 20, "learning_rate": 0.05, **settings})


def random_cells(number: int) -> Architecture:
    (rollout,) = RandomSearch(NASNET.choices, seed=0).ask([number])
    return NASNET.decode(rollout.decisions)


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure(run: Callable[[], int], *, images: int, seconds: float, profiled: bool = True) -> Row:
    """Times a function that takes some steps and returns their number, after one call that is not counted."""
    started = time.perf_counter()
    run()
    wait()
    first = time.perf_counter() - started
    count, started = 0, time.perf_counter()
    while not count or time.perf_counter() - started < seconds:
        count += run()
        wait()
    each = (time.perf_counter() - started) / count
    row = {"ms a step": 1000 * each, "images a second": images / each, "first seconds": first}
    return row | profile(run, each) if profiled and torch.cuda.is_available() else row


def profile(run: Callable[[], int], seconds_a_step: float) -> Row:
    """Counts launches, and the share of time in which the GPU runs kernels, from their durations in a profile."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA], acc_events=True) as recorded:
        count = run()
        wait()
    events = recorded.events()
    launches = sum(event.name.startswith(LAUNCHES) for event in events)
    kernels = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    busy = sum(event.time_range.elapsed_us() for event in kernels) / 1e6 / count
    return {"launches a step": launches / count, "kernels a step": len(kernels) / count, "busy": busy / seconds_a_step}


def fixed_step(network: nn.Module, images: Tensor, *, graph: bool = False, classes: int = 10) -> Callable[[], int]:
    """Two steps on the same images at each call: mixed precision, clipping and SGD."""
    device = choose_device(TrainRecipe())
    dtype = choose_dtype(TrainRecipe(), device)
    network, images, labels = network.to(device), images.to(device), torch.arange(len(images), device=device) % classes
    fused = True if device.type == "cuda" else None
    optimizer = build_sgd(list(network.parameters()), fused=fused, lr=0.01, momentum=0.9, nesterov=True)
    scaler, call = build_scaler(device, dtype), choose_caller(None if graph else "eager", device)

    def learn(images: Tensor, labels: Tensor) -> None:
        with autocast(device, dtype):
            loss = nn.functional.cross_entropy(network(images), labels)
        step(optimizer, loss, scaler=scaler, gradient_clip=5.0)

    def run() -> int:
        for _ in range(2):
            call(learn, images, labels)
        return 2

    return run


def measure_training(
    architecture: Architecture,
    sizes: Sizes,
    *,
    batch: int,
    profiled: bool = True,
    **settings: Any,  # noqa: ANN401 - those of a recipe
) -> Row:
    """Times the steps of a real training, with augmentation and schedules."""
    recipe, data = child_recipe(batch_size=batch, **settings), make_data(batch * sizes.steps)
    network = build_initial(architecture, sizes.child, recipe, seed=0)

    with start_training(network, data, recipe, seed=0) as training:

        def run() -> int:
            training.run_epoch()
            return training.steps_per_epoch

        return measure(run, images=batch, seconds=sizes.seconds, profiled=profiled)


def child_steps(report: Report, sizes: Sizes) -> None:
    nasnet_a = PUBLISHED["nasnet-a"]
    for batch in sizes.batches:
        plain = PlainNetwork(sizes.child.num_filters, sizes.child.num_repeats)
        for parameter in plain.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter)
        row = measure(fixed_step(plain, torch.randn(batch, 3, 32, 32)), images=batch, seconds=sizes.seconds)
        report.add("Child step", cells="NASNet-A", batch=batch, kind="plain", **row)
        for kind, choice in (("eager", "never"), ("graph", "auto")):
            row = measure_training(nasnet_a, sizes, batch=batch, cuda_graph=choice)
            report.add("Child step", cells="NASNet-A", batch=batch, kind=kind, **row)
    for number, (kind, choice) in itertools.product(range(sizes.random_cells), (("eager", "never"), ("graph", "auto"))):
        if report.left() > 0:
            row = measure_training(
                random_cells(number), sizes, batch=sizes.batches[0], profiled=False, cuda_graph=choice
            )
            report.add("Child step", cells=f"random {number}", batch=sizes.batches[0], kind=kind, **row)


def compiled_step(report: Report, sizes: Sizes) -> None:
    """The last part, since the compilation takes minutes; its time is part of the first seconds."""
    if torch.cuda.is_available() and report.left() > 120:
        row = measure_training(PUBLISHED["nasnet-a"], sizes, batch=sizes.batches[0], compile=True)
        report.add("Compiled child step", cells="NASNet-A", batch=sizes.batches[0], **row)


def one_of_many(
    sizes: Sizes, number: int, cuda_graph: Literal["auto", "never"], barrier: synchronize.Barrier, rates: Queue[float]
) -> None:
    """A child among `number` that share the GPU: puts its steps a second."""
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(1 / number)
    data, recipe = make_data(64 * sizes.steps), child_recipe(batch_size=4 if sizes.tiny else 64, cuda_graph=cuda_graph)
    network = build_initial(PUBLISHED["nasnet-a"], sizes.child, recipe, seed=0)
    with start_training(network, data, recipe, seed=0) as training:
        training.run_epoch()
        barrier.wait()
        count, started = 0, time.perf_counter()
        while not count or time.perf_counter() - started < 2 * sizes.seconds:
            training.run_epoch()
            count += training.steps_per_epoch
        rates.put(count / (time.perf_counter() - started))
        barrier.wait()


def run_at_once(
    target: Callable[..., None], arguments: Sequence[tuple[Any, ...]], results: Queue[Any]
) -> Iterator[Any]:
    """Runs a function in processes, one for each tuple of arguments, and yields what they put into `results`.

    Raises Empty if a process fails: then fewer results come.
    """
    processes = [CONTEXT.Process(target=target, args=each) for each in arguments]
    for process in processes:
        process.start()
    missing = len(processes)
    try:
        while missing:
            try:
                result = results.get(timeout=1)
            except Empty:
                if any(process.exitcode for process in processes):
                    raise
            else:
                missing -= 1
                yield result
    finally:
        for process in processes:
            process.join(timeout=0 if missing else 30)
            process.kill()


def children_at_once(report: Report, sizes: Sizes) -> None:
    """An eager child, then graphed ones; `mps` says whether NVIDIA's Multi-Process Service was switched on."""
    part, mps = "Children at once (steps only)", Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))  # noqa: S108
    for number, kind in ((1, "never"), *((number, "auto") for number in sizes.at_once)):
        if report.left() < 20 * sizes.seconds:
            return
        barrier, rates = CONTEXT.Barrier(number, timeout=120), CONTEXT.Queue()
        row: Row = {"children": number, "kind": "eager" if kind == "never" else "graph", "mps": mps.exists()}
        try:
            total = sum(run_at_once(one_of_many, [(sizes, number, kind, barrier, rates)] * number, rates))
        except Empty:  # such as memory that ran out
            report.add(part, **row, error="a child failed, see the output")
        else:
            report.add(part, **row, **{"steps a second": total, "children an hour": 3600 * total / CHILD_STEPS})


def whole_child(sizes: Sizes, number: int, folder: str | None, rows: Queue[Row]) -> None:
    """Trains and evaluates a child of cifar10_ppo with random cells; the first is evaluated on the CPU, too."""
    data = make_data(sizes.images) if folder is None else load_data(DataSpec("image_folder", root=folder))
    recipe = child_recipe(epochs=sizes.epochs)
    network = build_initial(random_cells(number), sizes.child, recipe, seed=number)
    started = time.perf_counter()
    result = train(network, data, recipe, seed=number)
    trained = time.perf_counter() - started
    score = evaluate(network, data.validation, data, recipe)
    row: Row = {
        "cells": f"random {number}",
        "epochs": sizes.epochs,
        "images": "random" if folder is None else "CIFAR-10",
    }
    row |= {"train loss": result.epochs[-1].loss, "accuracy": score.top1, "train seconds": trained}
    row["seconds"] = time.perf_counter() - started
    if number == 0:
        few = Split(data.validation.images[:1000], data.validation.labels[:1000])
        row["accuracy of 1000"] = evaluate(network, few, data, recipe).top1
        cpu = replace(recipe, device="cpu", num_threads=os.cpu_count() or 1)
        row["the same on the CPU"] = evaluate(network, few, data, cpu).top1
        row["its export on the CPU"] = evaluate(exported(network, data), few, data, cpu).top1
    rows.put(row)


def exported(network: Network, data: DataSet) -> nn.Module:
    """The network as the exported source defines it, with the exported weights, in evaluation mode."""
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "network.safetensors", network, data=data, accuracy=None)
        export_checkpoint(Path(folder) / "network.safetensors", Path(folder) / "export")
        loaded: nn.Module = runpy.run_path(str(Path(folder) / "export" / "model.py"))["load"]()
    return loaded.eval()


def whole_children(report: Report, sizes: Sizes, folder: str | None, epochs: int | None) -> None:
    """Trains all children at the same time, one process each, for as many epochs as the remaining time allows."""
    images = sizes.images
    if folder is not None:
        images = len(load_data(DataSpec("image_folder", root=folder)).train)  # decoded once, for all processes
    sizes, rows = replace(sizes, epochs=epochs or fitting_epochs(report, sizes, images)), CONTEXT.Queue()
    arguments = [(sizes, number, folder, rows) for number in range(sizes.children)]
    for row in run_at_once(whole_child, arguments, rows):
        report.add("Whole children", **row)


def fitting_epochs(report: Report, sizes: Sizes, num_images: int) -> int:
    """As many epochs, at most those of cifar10_ppo, as children at once take in the rest of the time."""
    measured = [row["ms a step"] for row in report.rows.get("Child step", []) if row["kind"] == "graph"]
    if not measured:
        return sizes.epochs
    seconds = sizes.children * -(-num_images // 64) * measured[0] / 1000
    return min(sizes.epochs, max(1, int(_SHARE_OF_STEPS * report.left() / seconds)))


def large_networks(report: Report, sizes: Sizes) -> None:
    for name, batch in sizes.large:
        spec = sizes.large_spec(name)
        images = torch.randn(batch, 3, spec.image_size, spec.image_size).to(memory_format=torch.channels_last)
        for kind, build in large_variants(name, spec):
            if report.left() < 0:
                return
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            network = build().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            run = fixed_step(network, images, graph=kind == "graph" and torch.cuda.is_available(), classes=1000)
            row = measure(run, images=batch, seconds=sizes.seconds)
            if torch.cuda.is_available():
                row["GiB"] = torch.cuda.max_memory_allocated() / 2**30
            report.add("Large networks", network=name, batch=batch, kind=kind, **row)
            del network, run


def large_variants(name: str, spec: NetworkSpec) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Ours, and timm's where it has the network: it has no mobile one."""
    yield "eager", lambda: build_network(PUBLISHED["nasnet-a"], spec)
    yield "graph", lambda: build_network(PUBLISHED["nasnet-a"], spec)
    if name == "imagenet-large":
        try:
            import timm
        except ImportError:
            return
        yield "timm", lambda: timm.create_model("nasnetalarge", drop_rate=0.0)


def loader(report: Report, sizes: Sizes) -> None:
    """Photographs augmented by all cores, for steps of NASNet-A mobile: the share of time spent waiting for them."""
    name, batch = sizes.large[-1]
    spec = sizes.large_spec(name)
    cores = max(1, (os.cpu_count() or 1) - 1) if not sizes.tiny else 0
    recipe = TrainRecipe(batch_size=batch, min_crop_area=0.08, color_jitter=0.4, num_loaders=cores)
    device, data = choose_device(recipe), make_data((5 if sizes.tiny else 12) * batch, spec.image_size * 8 // 7)
    images = choose_batches(data, recipe, seed=0, size=spec.image_size, device=device, members=Members())
    network = build_network(PUBLISHED["nasnet-a"], spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    waited, started, count, asked = 0.0, 0.0, 0, time.perf_counter()
    for number, (photographs, _) in enumerate(images.epoch(0)):
        waited += time.perf_counter() - asked
        if number == 3:  # the loaders have started
            waited, started, count = 0.0, time.perf_counter(), 0
        if number == 0:
            run = fixed_step(network, photographs, classes=1000)
        count += run()
        wait()
        asked = time.perf_counter()
    total = time.perf_counter() - started
    rate = count * batch / 2 / total
    report.add("Photograph loader", cores=cores, batch=batch, **{"images a second": rate, "waiting": waited / total})


class Boxes:
    """Images with one box each; with `masks`, images with the class of each pixel."""

    def __init__(self, side: int, *, masks: bool) -> None:
        self.side, self.masks = side, masks

    def __len__(self) -> int:
        return 64

    def batch(self, draws: Any, device: torch.device) -> tuple[Any, ...]:  # noqa: ANN401 - see DenseImages
        """Returns the arguments of the network in training."""
        images = torch.rand(len(draws), 3, self.side, self.side, device=device)
        if self.masks:
            return images, torch.randint(20, (len(draws), self.side, self.side), device=device)
        box = torch.tensor([[8.0, 8.0, self.side / 2, self.side / 2]], device=device)
        return list(images), [{"boxes": box, "labels": torch.ones(1, dtype=torch.int64, device=device)} for _ in draws]


def dense_steps(report: Report, sizes: Sizes) -> None:
    """Steps of a detector and a segmenter on ResNet-50 (ResNet-18 in a dry run)."""
    tiny = sizes.tiny
    recipe = DenseRecipe(
        iterations=3000, batch_size=1 if tiny else 4, learning_rate=1e-4, reference_batch=0, cuts=(1,),
        record_iterations=1 if tiny else 10, checkpoint_iterations=10,
    )  # fmt: skip
    for kind in ("detector", "segmenter"):
        reference = ReferenceNetwork("resnet18" if tiny else "resnet50")
        backbone = build_backbone(reference, NetworkSpec(image_size=224, stem="imagenet"), seed=0)
        form = ImageForm(categories=((1, "thing"),), scales=(sizes.side,), max_side=sizes.side)
        network = (
            build_detector(backbone, DetectorSettings(), form)
            if kind == "detector"
            else build_segmenter(backbone, 20, HeadSpec(), seed=0)
        )
        with start_dense(network, Boxes(sizes.side, masks=kind == "segmenter"), recipe, seed=0) as training:

            def run(training: Any = training) -> int:  # noqa: ANN401
                training.run()
                return recipe.record_iterations

            row = measure(run, images=recipe.batch_size, seconds=sizes.seconds)
        report.add("Detector and segmenter", network=kind, pixels=sizes.side, batch=recipe.batch_size, **row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0, help="after which no further row is begun")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", help="CIFAR-10's training images, one folder per class")
    parser.add_argument(
        "--epochs", type=int, help="of the whole children, instead of as many of 20 as there is time for"
    )
    parser.add_argument("--parts", nargs="+", help="some of: steps at-once large dense loader children compiled")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, to try the script")
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.dry_run:
        parser.error("needs a CUDA device that torch can use; --dry-run needs none")
    torch.backends.cudnn.benchmark = False
    sizes = TINY if options.dry_run else Sizes()
    report = Report(options.out, time.monotonic() + 60 * options.minutes)
    parts: dict[str, Callable[[], None]] = {
        "steps": lambda: child_steps(report, sizes),
        "at-once": lambda: children_at_once(report, sizes),
        "large": lambda: large_networks(report, sizes),
        "dense": lambda: dense_steps(report, sizes),
        "loader": lambda: loader(report, sizes),
        "children": lambda: whole_children(report, sizes, options.data, options.epochs),
        "compiled": lambda: compiled_step(report, sizes),
    }
    if unknown := set(options.parts or ()) - set(parts):
        parser.error(f"--parts must be some of {', '.join(parts)}, got {', '.join(sorted(unknown))}")
    for part in [parts[name] for name in options.parts or parts]:
        if report.left() < 0:
            break
        try:
            part()
        except Exception as error:  # one part that fails must not lose the others
            if options.dry_run:
                raise
            report.add("Failed", error=f"{type(error).__name__}: {error}"[:300])


if __name__ == "__main__":
    main()
