"""Training settings of detectors and segmenters, which count in iterations."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nas.recipe import MAX_THREADS

NUM_CHANNELS = 3
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels where white is 1, as torchvision's classifiers are trained; used without trained weights."""
MAX_SIDE = 8192
_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0)]
RUN_SETTINGS = ("device", "num_threads", "record_iterations", "checkpoint_iterations", "evaluation_iterations")
"""Settings of a recipe that do not change what is learned, so a training may be resumed with others."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class DenseRecipe:
    """Training settings of a detector or segmenter.

    The defaults are those of Rethinking ImageNet Pre-training (1811.08883, section 4).

    Attributes:
        iterations: optimizer steps; see `nas.downstream.schedule.with_length` for those of ``1x``, ``60k``, ...
        batch_size: images per iteration over all workers.
        learning_rate: after the warm-up, for a batch of `reference_batch`.
        reference_batch: multiplies the rate by `batch_size` / `reference_batch` (1706.02677, section 2.1); 0: by 1.
        schedule: ``cuts`` multiplies by `decay_factor` at each of `cuts`; ``polynomial`` is (1 - done)^`power`
            (1706.05587, section 4); ``cosine`` falls to 0; ``constant``.
        cuts: iterations before the end at which the rate is cut, in falling order.
        decay_factor: of each cut.
        power: of the polynomial schedule.
        warmup_iterations: over which the rate rises linearly.
        warmup_factor: share of the rate at which the warm-up begins.
        momentum: of SGD, without Nesterov momentum.
        weight_decay: L2 penalty.
        decay_biases: whether biases and the scales and shifts of norms decay too.
        gradient_clip: largest global norm of the gradient; 0 switches clipping off.
        flip: whether images are mirrored left to right at random.
        scales: shorter sides of resized images in pixels: one at random in training, the last in evaluation.
        max_side: largest longer side in pixels, for which the shorter side becomes smaller.
        precision: ``auto`` is float16 with loss scaling on CUDA and float32 elsewhere.
        device: ``auto`` is CUDA where available.
        num_threads: CPU threads per worker, at most `nas.recipe.MAX_THREADS`.
        record_iterations: iterations between two lines of ``metrics.jsonl``.
        checkpoint_iterations: iterations between two checkpoints; a multiple of `record_iterations`.
        evaluation_iterations: iterations between two evaluations, likewise; 0 evaluates at the end only.
        mean: of each channel of the images, on a scale where white is 1, for normalization. Null: that of the trained
            backbone, or ImageNet's from scratch. A trained classifier sets it where a backbone like it starts from
            scratch (``--scratch``, studies), so that both see the same input.
        std: standard deviations, likewise.
    """

    LATER: ClassVar[tuple[str, ...]] = ("mean", "std")

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
    num_threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] = 1
    record_iterations: Annotated[int, Field(ge=1)] = 20
    checkpoint_iterations: Annotated[int, Field(ge=1)] = 1000
    evaluation_iterations: Annotated[int, Field(ge=0)] = 0
    mean: tuple[_Share, _Share, _Share] | None = None
    std: tuple[_Positive, _Positive, _Positive] | None = None

    def __post_init__(self) -> None:
        if self.warmup_iterations >= self.iterations:
            raise ValueError(
                f"warmup_iterations must be below iterations, {self.iterations}, got {self.warmup_iterations}"
            )
        falls = all(later < earlier for earlier, later in pairwise((self.iterations, *self.cuts)))
        if self.schedule == "cuts" and not falls:
            rule = f"iterations before the end in falling order, below iterations, {self.iterations}"
            raise ValueError(f"cuts must be {rule}, got {list(self.cuts)}")
        if not self.scales or max(self.scales) > self.max_side:
            raise ValueError(
                f"scales must be one or more sides up to max_side, {self.max_side}, got {list(self.scales)}"
            )
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std must both be set, or neither")
        for name in ("checkpoint_iterations", "evaluation_iterations"):
            if (every := getattr(self, name)) % self.record_iterations:
                raise ValueError(
                    f"{name} must be a multiple of record_iterations, {self.record_iterations}, got {every}"
                )

    @property
    def peak_rate(self) -> float:
        """Returns the rate after the warm-up, scaled to the batch."""
        return self.learning_rate * (self.batch_size / self.reference_batch if self.reference_batch else 1)
