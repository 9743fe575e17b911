"""`nas evaluate`: evaluates a trained or exported network on test images.

The network is rebuilt from the description in its checkpoint; no code of the folder is executed. With ``code``, the
exported `model.py` is executed instead, with all rights of the user.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from experiments.architectures.trained import find_trained_file
from nas.data.data_set import DataSet, Split
from nas.data.image_folder import load_image_folder_test
from nas.data.load import DATA_SETS, load_data
from nas.data.report import describe_counts
from nas.data.shard_folders import find_shards
from nas.data.streamed_folder import load_streamed_test
from nas.export.folder import MODEL_FILE
from nas.fidelity import DataSpec, TrainRecipe
from nas.models.checkpoint import Checkpoint, load_checkpoint
from nas.training.evaluation import evaluate


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Options of the command line; what is not given is that of the training.

    Attributes:
        data: A folder of images, or the name of a data set that needs none.
        crops: Sides of the centre crops, pixels.
        resize: Length of the shorter side before cropping, pixels.
        code: Whether to execute `model.py` of an exported folder.
    """

    data: str | None = None
    crops: tuple[int, ...] = ()
    resize: int | None = None
    code: bool = False


def run_evaluate(name: str, options: EvaluateOptions) -> dict[str, Any]:
    """Evaluates a trained network, given as for `find_trained_file`, on the test images.

    Returns:
        Plain data: `crops`, scores by size; `images`, the numbers of images of a folder that are used and left out, or
        None; `recorded`, the score stored with the network, or None; `reproduced`, whether the first score equals it;
        `ran`, the evaluated file.

    Raises:
        ValueError: If there is no such network, or the images do not match it.
    """
    path = find_trained_file(name)
    checkpoint = load_checkpoint(path)
    how = checkpoint.evaluation
    spec = checkpoint.network.spec
    resize = options.resize or how.get("resize") or spec.image_size
    spec_of_data = _data_spec(options.data, how, resize)
    split = load_test(spec_of_data, checkpoint)
    network, ran = _network(checkpoint, path, code=options.code)
    recipe = TrainRecipe(batch_size=how.get("batch_size", 64), precision=how.get("precision", "auto"))
    images = DataSet(split, split, lambda: split, checkpoint.class_names, checkpoint.mean, checkpoint.std)
    crops = options.crops or (how.get("crop") or spec.image_size,)
    scores = {str(crop): evaluate(network, split, images, recipe, crop=crop).to_json() for crop in crops}
    recorded = how.get("test")
    return {
        "name": name,
        "ran": ran,
        "resize": resize,
        "crops": scores,
        "images": None if split.report is None else split.report.counts,
        "recorded": recorded,
        "reproduced": None if recorded is None else next(iter(scores.values())) == recorded,
    }


def load_test(spec: DataSpec, checkpoint: Checkpoint) -> Split:
    """Loads test images, with classes in the order of the network; ValueError if they do not match the network."""
    names = checkpoint.class_names
    if spec.name == "image_folder":
        split = (load_streamed_test if spec.streamed else load_image_folder_test)(spec, names)
    else:
        data = load_data(spec)
        if data.class_names != names:
            raise ValueError(
                f"the classes of the images must be {', '.join(names):.200}, got {', '.join(data.class_names):.200}"
            )
        split = data.load_test()
    if split.images.shape[1] != len(checkpoint.mean):
        raise ValueError(f"images must have {len(checkpoint.mean)} channels, got {split.images.shape[1]}")
    return split


def evaluation_lines(value: Mapping[str, Any]) -> Sequence[str]:
    """Formats the scores as lines of text."""
    lines = [] if value["images"] is None else [describe_counts(value["images"])]
    lines += [
        f"{size} pixels: top-1 {score['top1']:.2%}, top-5 {score['top5']:.2%}, {score['num_images']:,} images"
        for size, score in value["crops"].items()
    ]
    if value["recorded"] is None:
        return [*lines, "no test accuracy is recorded with the network"]
    verdict = "as recorded" if value["reproduced"] else "not as recorded"
    return [*lines, f"{verdict}: top-1 {value['recorded']['top1']:.2%} ({value['ran']})"]


def _data_spec(data: str | None, how: Mapping[str, Any], resize: int) -> DataSpec:
    if data is not None and (Path(data).is_dir() or data not in DATA_SETS):
        if not data.strip() or not Path(data).is_dir():
            raise ValueError(f"--data must be a folder, or one of {', '.join(DATA_SETS)}, got {data!r:.200}")
        streamed = how.get("streamed") is True or find_shards(Path(data)) is not None
        return DataSpec("image_folder", data, image_size=resize, streamed=streamed)
    name = data or how.get("data")
    if name is None or name == "image_folder":
        raise ValueError("--data must name the folder of the images, or a data set that needs none, such as digits")
    return DataSpec(name, image_size=resize)


def _network(checkpoint: Checkpoint, path: Path, *, code: bool) -> tuple[nn.Module, str]:
    """Returns the network, and the name of the file it was built from."""
    if not code:
        return checkpoint.network, f"rebuilt from {path.name}"
    source = path.with_name(MODEL_FILE)
    if not source.is_file():
        raise ValueError(f"there is no {MODEL_FILE} beside {path}: --code needs a folder written by `nas export`")
    spec = importlib.util.spec_from_file_location("exported_model", source)
    if spec is None or spec.loader is None:
        raise ValueError(f"{source} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    network: nn.Module = module.load()
    return network, f"{MODEL_FILE} with {path.name}"
