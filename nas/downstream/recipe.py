"""How a detector or segmenter is trained: plain data, counted in iterations."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

MAX_SIDE = 8192


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class DenseRecipe:
    """How a detector or segmenter is trained; by default as in Rethinking ImageNet Pre-training, 1811.08883, section 4.

    Attributes:
        iterations: changes of the weights. See `nas.downstream.schedule.with_length` for those of ``1x``, ``2x`` and
            so on.
        batch_size: pictures an iteration, those of all workers together.
        learning_rate: after the warm-up, for the reference batch if there is one.
        reference_batch: the batch that `learning_rate` is meant for: the rate grows in proportion to `batch_size`
            (1706.02677, section 2.1); 0 takes the rate as it is.
        schedule: ``cuts`` multiplies the rate by `decay_factor` at each of `cuts`; ``polynomial`` is
            (1 - done)^`power` (1706.05587, section 4); ``cosine`` falls to 0; ``constant``.
        cuts: iterations before the end at which the rate is cut, the earliest first.
        decay_factor: of each cut.
        power: of the polynomial schedule.
        warmup_iterations: over which the rate rises in a line.
        warmup_factor: share of the rate with which the warm-up begins.
        momentum: of SGD, without Nesterov's correction.
        weight_decay: L2 penalty.
        decay_biases: whether it acts on biases and on the scales and shifts of norms too.
        gradient_clip: greatest global norm of the gradient; 0 switches clipping off.
        flip: whether pictures are mirrored left to right at random.
        scales: shorter side in pixels to which a picture is brought; one of them at random in training, the last in
            evaluation.
        max_side: the longer side is never made longer than this; the shorter one gets smaller then.
        precision: ``auto`` is float16 with loss scaling on CUDA and float32 elsewhere.
        device: ``auto`` is CUDA where there is one.
        num_threads: CPU threads of one worker.
        record_iterations: iterations from one line of ``metrics.jsonl`` to the next.
        checkpoint_iterations: from one checkpoint to the next; a multiple of `record_iterations`.
        evaluation_iterations: from one evaluation to the next, likewise; 0 evaluates at the end only.
    """

    iterations: Annotated[int, Field(ge=1, le=10**9)] = 90_000
    batch_size: Annotated[int, Field(ge=1)] = 16
    learning_rate: Annotated[float, Field(gt=0)] = 0.02
    reference_batch: Annotated[int, Field(ge=0)] = 16
    schedule: Literal["cuts", "polynomial", "cosine", "constant"] = "cuts"
    cuts: tuple[Annotated[int, Field(ge=1)], ...] = (60_000, 20_000)
    decay_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    power: Annotated[float, Field(gt=0)] = 0.9
    warmup_iterations: Annotated[int, Field(ge=0)] = 500
    warmup_factor: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    decay_biases: bool = True
    gradient_clip: Annotated[float, Field(ge=0)] = 0.0
    flip: bool = True
    scales: tuple[Annotated[int, Field(ge=8, le=MAX_SIDE)], ...] = (800,)
    max_side: Annotated[int, Field(ge=8, le=MAX_SIDE)] = 1333
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    num_threads: Annotated[int, Field(ge=1)] = 1
    record_iterations: Annotated[int, Field(ge=1)] = 20
    checkpoint_iterations: Annotated[int, Field(ge=1)] = 1000
    evaluation_iterations: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.warmup_iterations >= self.iterations:
            raise ValueError(
                f"warmup_iterations must be below iterations, {self.iterations}, got {self.warmup_iterations}"
            )
        if any(later >= earlier for earlier, later in pairwise((self.iterations, *self.cuts))) and self.is_cut:
            raise ValueError(
                f"cuts are iterations before the end, falling and below iterations, {self.iterations}, "
                f"got {list(self.cuts)}"
            )
        if not self.scales or max(self.scales) > self.max_side:
            raise ValueError(
                f"scales must be one or more sides up to max_side, {self.max_side}, got {list(self.scales)}"
            )
        for name in ("checkpoint_iterations", "evaluation_iterations"):
            if getattr(self, name) % self.record_iterations:
                raise ValueError(
                    f"{name} must be a multiple of record_iterations, {self.record_iterations}, "
                    f"got {getattr(self, name)}"
                )

    @property
    def is_cut(self) -> bool:
        """Whether the rate falls by cuts: only then do they matter."""
        return self.schedule == "cuts"

    @property
    def peak_rate(self) -> float:
        """The rate after the warm-up, scaled to the batch."""
        return self.learning_rate * (self.batch_size / self.reference_batch if self.reference_batch else 1)
