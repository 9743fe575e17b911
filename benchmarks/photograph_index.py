"""Measures the start of a training on as many photographs as ImageNet has: index, first batch, memory, epochs.

A folder of 1,000 classes is made of hard links to a few photographs. Memory of a loader is its proportional set size
(shared pages divided by the processes that share them) less that of a process that has only imported torch.

Run it with::

    python benchmarks/photograph_index.py --data DIR [--names 1300000] [--loaders 4]
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from nas.data.load import load_data
from nas.fidelity import DataSpec, TrainRecipe
from nas.streaming.batches import StreamedBatches

NUM_CLASSES, NUM_FILES, BATCH_SIZE = 1000, 100, 32
MIB = 1024


def make_folder(data: Path, root: Path, names: int) -> None:
    files = itertools.cycle(sorted((data / "train").glob("*/*"))[:NUM_FILES])
    copies = [(root / "files" / f"{number}").absolute() for number in range(NUM_FILES)]
    (root / "files").mkdir(parents=True)
    for copy, file in zip(copies, files, strict=False):
        copy.write_bytes(file.read_bytes())
    sources = itertools.cycle(copies)
    for label in range(NUM_CLASSES):
        folder = root / "imagenet" / "train" / f"n{label:08}"
        folder.mkdir(parents=True)
        for number in range(names // NUM_CLASSES):
            os.link(next(sources), folder / f"n{label:08}_{number}.JPEG")


def proportional_mib(process: int | str) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / MIB


def torch_mib() -> float:
    code = "import torch; print(next(l.split()[1] for l in open('/proc/self/smaps_rollup') if l.startswith('Pss:')))"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/<class>/<photograph>")
    parser.add_argument("--names", type=int, default=1_300_000)
    parser.add_argument("--loaders", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAS_CACHE"] = f"{folder}/cache"
        root = Path(folder)
        make_folder(options.data, root, options.names)
        wall, cpu = time.perf_counter(), time.process_time()
        spec = DataSpec("image_folder", str(root / "imagenet"), image_size=256, streamed=True, statistics="imagenet")
        data = load_data(spec)
        print(
            f"index of {options.names:,} names: {time.perf_counter() - wall:.1f} s, "
            f"{time.process_time() - cpu:.1f} s of CPU time"
        )
        recipe = TrainRecipe(batch_size=BATCH_SIZE, min_crop_area=0.08, num_loaders=options.loaders)
        batches = StreamedBatches(data.train, data, recipe, size=224, seed=0, device=torch.device("cpu"))
        for epoch in range(3):
            began = time.perf_counter()
            iterator = batches.epoch(epoch)
            next(iterator)
            since = wall if epoch == 0 else began
            print(f"epoch {epoch}: first batch {time.perf_counter() - since:.1f} s after its start")
            for _ in range(10):
                next(iterator)
        base = torch_mib()
        for child in multiprocessing.active_children():
            print(f"loader: {proportional_mib(child.pid or 0) - base:+.0f} MiB against `import torch` ({base:.0f} MiB)")


if __name__ == "__main__":
    main()
