"""What latency and memory are measured of: the full network, its images, and what runs it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.presets import PRESETS, parse_stack

_STACK = re.compile(r"([1-9]\d{0,2})([@x])([1-9]\d{0,5})", re.ASCII)


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class LatencySettings:
    """How latency is measured, and of which network around the cells; null keeps that of the trials.

    Attributes:
        backend: ``torch`` on the CPU, ``cuda`` for torch on a GPU, or ``onnxruntime`` on the CPU.
        threads: CPU threads.
        batch: Images at a time.
        preset: Network of a paper, a key of `nas.models.presets.PRESETS`.
        stack: Normal cells per stage and final channels, as ``4@1056``, of which each architecture gets the nearest
            that its cells can have; or normal cells per stage and filters, as ``4x44``.
        image_size: Height and width of the images in pixels.
        num_classes: Outputs of the classifier.
        precision: Half width of the 95 % interval of the median, relative to it, at which measuring ends.
        max_seconds: Time of measuring after which it ends anyway.
        table: File of `nas latency build` that predicts latencies; null measures every network.
    """

    backend: Literal["torch", "cuda", "onnxruntime"] = "torch"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    batch: Annotated[int, Field(ge=1, le=65536)] = 1
    preset: str | None = None
    stack: str | None = None
    image_size: Annotated[int | None, Field(ge=8, le=4096)] = None
    num_classes: Annotated[int | None, Field(ge=2)] = None
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.01
    max_seconds: Annotated[float, Field(gt=0)] = 10.0
    table: str | None = None

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset:.60}")
        if self.stack is not None and _STACK.fullmatch(self.stack) is None:
            raise ValueError(f"stack must be CELLS@CHANNELS or CELLSxFILTERS, as 4@1056 or 4x44, got {self.stack:.60}")

    @property
    def is_full(self) -> bool:
        """Whether the network that is measured differs from that of the trials."""
        return any(each is not None for each in (self.preset, self.stack, self.image_size, self.num_classes))

    def network(self, architecture: Any, spec: NetworkSpec) -> NetworkSpec:  # noqa: ANN401 - any description
        """The network that is measured, for trials with the network `spec`; ValueError if it is not possible."""
        spec = spec if self.preset is None else PRESETS[self.preset]
        spec = replace(
            spec,
            auxiliary=False,
            image_size=spec.image_size if self.image_size is None else self.image_size,
            num_classes=spec.num_classes if self.num_classes is None else self.num_classes,
        )
        if self.stack is None:
            return spec
        repeats, by, width = _STACK.fullmatch(self.stack).groups()  # type: ignore[union-attr]
        if by == "x":
            return replace(spec, num_repeats=int(repeats), num_filters=int(width))
        if not isinstance(architecture, Architecture):
            raise ValueError("a stack with a number of channels is for architectures made of cells of blocks")
        return parse_stack(self.stack, spec, architecture, nearest=True)

    def conditions(self) -> dict[str, Any]:
        """What, beside network and device, the latency depends on, as plain data."""
        return {"backend": self.backend, "threads": self.threads, "batch": self.batch}
