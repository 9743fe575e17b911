"""Detectors and segmenters as single files: the weights, and a description from which the network is rebuilt."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import torch
from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from torch import Tensor, nn

from nas.downstream.backbone import Backbone
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.later_settings import plain
from nas.models.checkpoint import read_tensors, write_tensors
from nas.models.reference.descriptions import Buildable, description_from_json


@dataclass(frozen=True, slots=True)
class Description(ABC):
    """Describes a detector or segmenter, here its backbone, without weights; subclasses add fields for pydantic."""

    architecture: Annotated[
        Buildable, PlainValidator(description_from_json), PlainSerializer(lambda description: description.to_json())
    ]
    network: NetworkSpec

    @abstractmethod
    def build(self, *, seed: int, backbone: Backbone | None = None) -> nn.Module:
        """Builds the network around a given backbone, or a new one, with initial weights.

        Raises:
            ValueError: if the architecture is not valid, or backbone and heads do not fit together.
        """

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return plain(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuilds a description; raises ValueError if the value is not one."""
        try:
            return TypeAdapter(cls).validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"its description is not valid: {': '.join(map(str, (*first['loc'], first['msg'])))}"
            ) from None


AnyDescription = TypeVar("AnyDescription", bound=Description)


def save_network(path: Path, network: nn.Module, file_format: str, metadata: Mapping[str, Any]) -> None:
    """Writes the weights of a network and JSON metadata to a safetensors file, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_tensors(path, tensors, {"format": file_format, **{name: json.dumps(each) for name, each in metadata.items()}})


def load_network(
    path: Path, file_format: str, describe: Callable[[dict[str, Any]], AnyDescription]
) -> tuple[nn.Module, AnyDescription]:
    """Rebuilds a network, on the CPU and in evaluation mode, and its description from a file of `save_network`.

    The file must have the format; `describe` makes the description from its metadata.

    Raises:
        ValueError: if the file is missing or has another format, or its weights do not match its description.
    """
    metadata, tensors = read_tensors(path, file_format)
    try:
        description = describe({name: parse_json(text) for name, text in metadata.items() if name != "format"})
        return _rebuild(description, tensors), description
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        first = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} does not hold a network that can be rebuilt: {first}") from None


def _rebuild(description: Description, tensors: dict[str, Tensor]) -> nn.Module:
    """Builds on the meta device, so that no description takes more memory than the weights in the file."""
    num_cells = description.network.num_stages * description.network.num_repeats
    if num_cells > len(tensors):
        raise ValueError(f"a network of {num_cells} cells must have more than {len(tensors)} tensors")
    with torch.device("meta"):
        network = description.build(seed=0)
    expected, given = (
        {name: list(each.shape) for name, each in part.items()} for part in (network.state_dict(), tensors)
    )
    if wrong := next((name for name in sorted({*expected, *given}) if expected.get(name) != given.get(name)), None):
        raise ValueError(
            f"its weights do not match its description: {wrong} must be {expected.get(wrong)}, got {given.get(wrong)}"
        )
    network.load_state_dict(tensors, assign=True)
    return network.eval()
