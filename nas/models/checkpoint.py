"""Checkpoint of a trained network in one file: its weights, and all that is needed to rebuild and use it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nas.data.data_set import DataSet
from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_bytes
from nas.files.storage import make_folder
from nas.files.strict_json import parse_json
from nas.later_settings import plain
from nas.models.build import AnyNetwork, build
from nas.models.reference.descriptions import Buildable, description_from_json

FORMAT = "nas-engine checkpoint 1"
_SPEC = TypeAdapter(NetworkSpec)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trained network loaded from a file.

    Attributes:
        network: the network, on the CPU, in evaluation mode.
        mean: per-channel mean that normalizes images with values from 0 to 1.
        std: per-channel standard deviation, likewise.
        class_names: names of the classes, in the order of the logits.
        accuracy: validation accuracy, between 0 and 1; None if it was not recorded.
        evaluation: settings and results of training and test, written by `nas.training.run`; empty if not tested.
    """

    network: AnyNetwork
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    accuracy: float | None
    evaluation: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(
    path: Path | str,
    network: AnyNetwork,
    *,
    data: DataSet,
    accuracy: float | None,
    evaluation: Mapping[str, Any] | None = None,
) -> None:
    """Writes a network with its architecture and spec to a safetensors file, atomically.

    Args:
        path: the file; its folder is created if missing.
        network: built by `nas.models.build.build`.
        data: data set whose normalization and class names are written.
        accuracy: validation accuracy, between 0 and 1; None if it was not measured.
        evaluation: settings and results of training and test, as plain data.
    """
    metadata = {
        "format": FORMAT,
        "architecture": json.dumps(network.architecture.to_json()),
        "network": json.dumps(plain(network.spec)),
        "mean": json.dumps(data.mean),
        "std": json.dumps(data.std),
        "class_names": json.dumps(data.class_names),
        "image_size": json.dumps(network.spec.image_size),
        "accuracy": json.dumps(accuracy),
    }
    if evaluation is not None:
        metadata["evaluation"] = json.dumps(dict(evaluation))
    # The format demands contiguous tensors, which convolutions with channels last are not.
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    make_folder(Path(path).parent)
    write_tensors(Path(path), tensors, metadata)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file atomically; unlike the library's own, with the permissions of the umask.

    Raises:
        StorageError: if it cannot be written; the previous file is kept.
    """
    write_bytes(path, save(dict(tensors), dict(metadata)))


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Rebuilds a network from a file written by `save_checkpoint`.

    Raises:
        ValueError: if the file is missing or is not a checkpoint, or its weights do not fit its architecture.
    """
    metadata, tensors = read_tensors(Path(path), FORMAT)
    try:
        values = {name: parse_json(text) for name, text in metadata.items() if name != "format"}
        architecture = description_from_json(values["architecture"])
        network = _rebuild(architecture, _SPEC.validate_python(values["network"]), tensors)
        return Checkpoint(
            network,
            mean=_numbers("mean", values["mean"], length=network.spec.in_channels),
            std=_numbers("std", values["std"], length=network.spec.in_channels, above=0),
            class_names=_class_names(values["class_names"], network.spec.num_classes),
            accuracy=None if values["accuracy"] is None else _numbers("accuracy", [values["accuracy"]])[0],
            evaluation=_evaluation(values.get("evaluation") or {}),
        )
    except KeyError as error:
        raise ValueError(f"the metadata of {path} must have {error}") from None
    except ValidationError as error:
        raise ValueError(f"the network of {path} is not valid: {error.errors()[0]['msg']}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} does not hold a network that can be rebuilt: {error}") from None


def read_tensors(path: Path, file_format: str) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Reads the metadata, and the tensors on the CPU, from a file written by `write_tensors`.

    The tensors are copied, since they are not aligned to 64 bytes in the file, and kernels may round differently for
    unaligned ones.

    Raises:
        ValueError: if the file is missing, not a safetensors file, or of another ``format``, or a weight is not finite.
    """
    if not path.is_file():
        raise ValueError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != file_format:
                raise ValueError(f"{path} must be a {file_format}, got {metadata.get('format', 'no format')!r:.100}")
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file that can be read: {error}") from None
    check_finite(path, tensors)
    return metadata, tensors


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raises ValueError if a weight is not finite: all outputs would be alike, and one class right by chance."""
    if wrong := next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None):
        raise ValueError(f"the weights of {path} must be finite, {wrong} is not: it is damaged, or diverged")


def _rebuild(architecture: Buildable, spec: NetworkSpec, tensors: dict[str, torch.Tensor]) -> AnyNetwork:
    _check_shapes(architecture, spec, {name: tensor.shape for name, tensor in tensors.items()})
    with torch.random.fork_rng([]):  # the initial weights are drawn but not used
        network = build(architecture, spec)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise ValueError(f"its weights do not fit its architecture: {first[0].strip():.300}") from None
    return network.eval()


def _check_shapes(architecture: Buildable, spec: NetworkSpec, shapes: Mapping[str, torch.Size]) -> None:
    """Checks the shapes of the weights before memory is allocated, which an invalid file could make excessive."""
    if spec.num_stages * spec.num_repeats > len(shapes):
        raise ValueError(f"a network of {spec.num_stages * spec.num_repeats} cells has more than {len(shapes)} tensors")
    try:
        with torch.device("meta"):
            expected = build(architecture, spec).state_dict()
    except (RuntimeError, OverflowError) as error:
        raise ValueError(f"the network cannot be built: {str(error).splitlines()[0]:.200}") from None
    if wrong := [name for name, tensor in expected.items() if shapes.get(name) != tensor.shape]:
        came = list(shapes[wrong[0]]) if wrong[0] in shapes else "nothing"
        raise ValueError(
            f"its weights do not fit its architecture: {wrong[0]} must be {list(expected[wrong[0]].shape)}, got {came}"
        )


def _numbers(
    name: str,
    value: Any,  # noqa: ANN401 - any JSON value
    *,
    length: int | None = None,
    above: float = -math.inf,
) -> tuple[float, ...]:
    numbers = tuple(float(item) for item in value)
    if not all(math.isfinite(number) and number > above for number in numbers):
        raise ValueError(f"{name} must be finite{'' if above < 0 else f' and above {above:g}'}, got {value!r:.100}")
    if length not in (None, len(numbers)):
        raise ValueError(f"{name} must have {length} numbers, one for each channel, got {value!r:.100}")
    return numbers


def _class_names(value: Any, number: int) -> tuple[str, ...]:  # noqa: ANN401 - any JSON value
    if not isinstance(value, list) or not 1 <= len(value) <= number:
        raise ValueError(f"class_names must be a list of at most {number} names, got {value!r:.100}")
    return tuple(map(str, value))


def _evaluation(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Checks the numbers of the evaluation that are used in computations."""
    if not isinstance(value, dict):
        raise ValueError(f"evaluation must be an object, got {value!r:.100}")
    for name in ("resize", "crop", "batch_size", "epochs"):
        number = value.get(name)
        if number is not None and (type(number) is not int or not 0 < number < 10**9):
            raise ValueError(f"evaluation.{name} must be a whole number above 0, got {number!r:.100}")
    if (test := value.get("test")) is not None:
        _numbers("evaluation.test", [test[name] for name in ("top1", "top5", "num_images")])
    if value.get("precision", "auto") not in ("auto", "float32", "bfloat16", "float16"):
        raise ValueError(f"evaluation.precision must be that of a recipe, got {value['precision']!r:.100}")
    return value
