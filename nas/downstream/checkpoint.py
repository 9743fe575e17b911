"""Detectors and segmenters as single files: the weights, and a description from which the network is rebuilt."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from nas.downstream.backbone import Backbone, build_backbone
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.models.build import Buildable, description_from_json
from nas.models.checkpoint import read_tensors, write_tensors


@dataclass(frozen=True, slots=True)
class Description(ABC):
    """Describes a detector or segmenter without its weights; subclasses add fields that pydantic can validate.

    Attributes:
        architecture: of the backbone.
        network: the backbone around it.
    """

    architecture: Buildable
    network: NetworkSpec

    @abstractmethod
    def build(self, *, seed: int, backbone: Backbone | None = None) -> nn.Module:
        """Builds the network.

        Args:
            seed: of the initial weights.
            backbone: becomes part of the network; None builds one.

        Raises:
            ValueError: if the architecture is not valid, or backbone and heads do not fit together.
        """

    def build_backbone(self, *, seed: int) -> Backbone:
        """Builds the backbone with initial weights."""
        return build_backbone(self.architecture, self.network, seed=seed)

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        parts = {name: each.dump_python(getattr(self, name), mode="json") for name, each in self._adapters().items()}
        return {"architecture": self.architecture.to_json(), **parts}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuilds a description; raises ValueError if the value is not one."""
        try:
            parts = {name: adapter.validate_python(value[name]) for name, adapter in cls._adapters().items()}
            return cls(architecture=description_from_json(value["architecture"]), **parts)
        except KeyError as error:
            raise ValueError(f"its description lacks {error}") from None
        except ValidationError as error:
            raise ValueError(f"its description is not valid: {error.errors()[0]['msg']}") from None
        except TypeError as error:
            raise ValueError(f"its description is not valid: {error}") from None

    @classmethod
    def _adapters(cls) -> dict[str, TypeAdapter[Any]]:
        types = get_type_hints(cls)
        return {each.name: TypeAdapter(types[each.name]) for each in fields(cls) if each.name != "architecture"}


AnyDescription = TypeVar("AnyDescription", bound=Description)


def save_network(path: Path, network: nn.Module, file_format: str, metadata: Mapping[str, Any]) -> None:
    """Writes the weights of a network and JSON metadata to a safetensors file, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_tensors(path, tensors, {"format": file_format, **{name: json.dumps(each) for name, each in metadata.items()}})


def load_network(
    path: Path, file_format: str, describe: Callable[[dict[str, Any]], AnyDescription]
) -> tuple[nn.Module, AnyDescription]:
    """Rebuilds a network from a file that `save_network` wrote.

    Args:
        path: of the file.
        file_format: that it must have.
        describe: makes the description from the metadata.

    Returns:
        The network, on the CPU and in evaluation mode, and its description.

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
