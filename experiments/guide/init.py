"""`nas init`: writes the configuration of a search that fits the images and the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from experiments.config.kinds import SEARCH, Document
from experiments.guide.configs import explain
from nas.data.class_folders import find_layout
from nas.data.image_files import find_images
from nas.fidelity import DataSpec
from nas.files.atomic_write import write_text

NUM_OPENED = 64
"""Images that are opened to learn their size."""
CPU_SIZE, GPU_SIZE = 32, 64
"""Largest image size of a search on CPUs and on a GPU, pixels; found cells are trained at full size later."""
CPU_TRAIN, GPU_TRAIN = 2000, 50_000
"""Images that a trial uses."""


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """What is known of a folder of images without decoding them.

    Attributes:
        num_classes: folders in ``train``.
        num_images: images in them.
        sizes: (width, height) of some of them.
    """

    num_classes: int
    num_images: int
    sizes: Sequence[tuple[int, int]]

    @property
    def same_square(self) -> bool:
        """Whether all images that were opened are squares of one size."""
        return len(set(self.sizes)) == 1 and self.sizes[0][0] == self.sizes[0][1]


def write_init(file: Path, data: Path | None, *, force: bool = False) -> list[str]:
    """Writes the configuration, and returns lines that say what it is for and how to start it.

    Raises:
        ValueError: if the file exists, its name does not end in .yaml, or the folder holds no images by class.
        RuntimeError: if it cannot be written.
    """
    if file.suffix not in {".yaml", ".yml"}:
        raise ValueError(f"the name of the file must end in .yaml, got {file.name!r:.100}")
    if file.exists() and not force:
        raise ValueError(f"{file} exists already; choose another name, or replace it with --force")
    if data is not None and not data.is_dir():
        raise ValueError(f"there is no folder {data}, named with --data")
    images = None if data is None else inspect_folder(data)
    num_gpus, num_cpus = _num_gpus(), os.cpu_count() or 1
    document = fit(images, data, num_gpus=num_gpus, num_cpus=num_cpus)
    where = "the embedded digits" if data is None else str(data)
    try:
        write_text(file, explain(document, SEARCH, f"A search on {where}: nas search {file}"))
    except OSError as error:
        raise RuntimeError(f"{file} cannot be written: {error.strerror}") from None
    found = "" if images is None else f"{images.num_images:,} images of {images.num_classes} classes; "
    machine = f"{num_gpus} GPUs" if num_gpus else f"{num_cpus} CPUs"
    return [f"{file}: {found}{document['search']['num_trials']} trials on {machine}", f"try: nas search {file}"]


def inspect_folder(data: Path) -> ImageFolder:
    """Looks at the images of class folders, see `find_layout`; ValueError if there are no images of two classes."""
    layout = find_layout(DataSpec("image_folder", str(data)))
    folders = [layout.train / name for name in layout.class_names]
    files = [[folder / name for name in find_images(folder).names] for folder in folders]
    if len(files) < 2 or not all(files):
        raise ValueError(f"{layout.train} must hold images of two or more classes, got {len(files)} classes")
    paths, sizes = list(chain(*files)), []
    for path in paths[:: math.ceil(len(paths) / NUM_OPENED)]:  # of all classes
        try:
            with Image.open(path) as image:
                sizes.append(image.size)
        except OSError:
            raise ValueError(f"{path} is not an image that can be read") from None
    return ImageFolder(len(files), len(paths), sizes)


def fit(images: ImageFolder | None, data: Path | None, *, num_gpus: int, num_cpus: int) -> Document:
    """Returns the configuration: a proxy that tells cells apart within minutes on CPUs, or the paper's on GPUs."""
    on_gpu = num_gpus > 0
    document: Document = {
        "search": {"num_trials": 200 if on_gpu else 20},
        "network": {"num_filters": 32 if on_gpu else 8, "num_repeats": 2 if on_gpu else 1},
        "recipe": {"epochs": 20 if on_gpu else 3, "batch_size": 64 if on_gpu else 32},
        "workers": {"num_workers": 2 * num_gpus if on_gpu else num_cpus, "gpus": 0.5 if on_gpu else 0.0},
    }
    if images is None or data is None:
        document["network"] = {"num_filters": 8, "num_repeats": 1, "num_stages": 2}
        document["recipe"] |= {"epochs": 5, "learning_rate": 0.2, "crop_padding": 1, "flip": False}
        document["data"] = {"name": "digits", "validation_fraction": 0.25}
        return document
    settings: dict[str, Any] = {"name": "image_folder", "root": str(data.resolve())}
    size = min(GPU_SIZE if on_gpu else CPU_SIZE, int(median(min(pair) for pair in images.sizes)))
    if not (images.same_square and images.sizes[0][0] == size):
        settings["image_size"] = max(8, size)
    if images.num_images > (most := GPU_TRAIN if on_gpu else CPU_TRAIN):
        settings["num_train"] = most
    document["data"] = settings
    document["recipe"] |= {"learning_rate": 0.05 if on_gpu else 0.1, "crop_padding": 4 if on_gpu else 0}
    return document


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
