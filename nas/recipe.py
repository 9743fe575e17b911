"""Training recipe: the settings of a training run, as plain data. Every optional technique is off by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

MAX_THREADS = 1024
"""More threads than any machine has cores exhaust the memory or the processes of a machine."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainRecipe:
    """Settings of a training run. The defaults follow NASNet's search (1707.07012, appendix A).

    Other sources: Bag of Tricks (1812.01187); training with large batches (1706.02677).

    Attributes:
        epochs: number of passes over the training split.
        batch_size: images per step, summed over all workers. A smaller last batch of an epoch is dropped.
        learning_rate: peak learning rate, for a batch of `reference_batch` images if that is set.
        momentum: momentum of SGD or RMSProp.
        weight_decay: L2 penalty.
        gradient_clip: maximum global norm of the gradient (1707.07012, appendix A.7); 0 disables clipping.
        label_smoothing: share of the target distributed uniformly over all classes, including the true one (1512.00567,
            section 7). 1812.01187, section 5.2, excludes the true class, but its authors' code includes it.
        auxiliary_weight: weight of the auxiliary head's loss (1707.07012, appendix A.7).
        crop_padding: zero padding in pixels before a random crop of the image's size; 0 disables crops.
        flip: whether images are flipped horizontally at random.
        cutout: side in pixels of the square set to zero (1708.04552, section 3); 0 disables it.
        precision: ``auto`` selects float16 with loss scaling on CUDA and float32 elsewhere (1812.01187, section 3.2).
        channels_last: whether tensors use the channels-last memory format.
        compile: whether the network is compiled with torch.compile; worthwhile for long runs only.
        num_threads: CPU threads per process, at most `MAX_THREADS`.
        device: ``auto`` selects CUDA if available.
        schedule: ``cosine`` decays the learning rate to 0 (1608.03983; 1812.01187, section 5.1). ``step`` and
            ``exponential`` multiply it by `decay_factor` every `decay_every` epochs, in steps or continuously.
            ``constant`` keeps it.
        decay_factor: e.g. 0.1 for steps (1812.01187, section 2.1), 0.97 for exponential decay (NASNet's code).
        decay_every: epochs, e.g. 30 and 2.4 respectively.
        warmup_epochs: epochs of linear warmup from 0 (1706.02677, section 2.2; 1812.01187, section 3.1).
        reference_batch: batch size for which `learning_rate` is given. The rate is scaled by ``batch_size /
            reference_batch`` (linear scaling rule; 1706.02677, section 2.1; 1812.01187, section 3.1); 0 disables it.
        optimizer: ``sgd``, or ``rmsprop`` as used by NASNet on ImageNet (1707.07012, appendix A.7).
        rmsprop_decay: decay of RMSProp's running mean of squared gradients.
        rmsprop_epsilon: constant added to that mean.
        decay_biases: whether biases and norms' scales and shifts decay ("no bias decay" of 1812.01187, 3.1, if False).
        zero_gamma: whether the scale of the last norm of each branch that is added to an unchanged state starts at 0
            (1706.02677, section 5.1; 1812.01187, section 3.1).
        mixup: alpha of mixup's Beta distribution (1710.09412, section 2; 0.2 in 1812.01187, section 5.4); 0: no mixup.
        cutmix: alpha of CutMix's Beta distribution (1905.04899, section 3); 0 disables it. With mixup, one of the
            two is chosen at random for each batch.
        distillation: weight w of the teacher in (1 - w) loss + w T^2 cross-entropy(teacher / T, student / T)
            (1503.02531; 1812.01187, section 5.3, whose sum is twice that of w = 1/2); 0 without a teacher.
        temperature: temperature T of the distillation.
        ema_decay: decay of the weights' exponential moving average (0.9999 in 1707.07012, appendix A.7); 0 keeps none.
        min_crop_area: minimum area of a random resized crop of aspect ratio 3/4 to 4/3, as a share of the image (0.08
            in 1409.4842 and in 1812.01187, section 2.1); 0 disables these crops.
        color_jitter: x of factors 1 - x to 1 + x on brightness, contrast, saturation (0.4 in 1812.01187, section 2.1).
        lighting: standard deviation of PCA color noise (0.1 in AlexNet, section 4.1, and in 1812.01187, section 2.1).
        test_crop: side in pixels of the center crop used in validation and test; None means the network's image size
            (224 of images resized to 256 in 1812.01187, section 2.1).
        sync_norms: whether batch normalization is synchronized over all workers.
        num_loaders: data loading processes per worker; 0 loads images in the worker's own process.
        nesterov: whether the momentum of SGD has Nesterov's correction, as in 1812.01187's code; RMSProp's never has.
        accumulate: parts into which a worker divides its images of a batch, to need less memory: their gradients are
            added before the step. Batch normalization sees a part at a time, as with several workers.
        cuda_graph: whether steps are captured as CUDA graphs. ``auto``: on a GPU with a single worker, unless `compile`
            is set; ``always`` makes it an error where that is not possible; ``never``.

    Example:
        >>> import nas
        >>> nas.TrainRecipe(epochs=5, learning_rate=0.1).schedule
        'cosine'
    """

    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.025
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    gradient_clip: Annotated[float, Field(ge=0)] = 5.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    auxiliary_weight: Annotated[float, Field(ge=0)] = 0.4
    crop_padding: Annotated[int, Field(ge=0)] = 4
    flip: bool = True
    cutout: Annotated[int, Field(ge=0)] = 0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    channels_last: bool = True
    compile: bool = False
    num_threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    schedule: Literal["cosine", "step", "exponential", "constant"] = "cosine"
    decay_factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    decay_every: Annotated[float, Field(gt=0)] = 30.0
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    reference_batch: Annotated[int, Field(ge=0)] = 0
    optimizer: Literal["sgd", "rmsprop"] = "sgd"
    rmsprop_decay: Annotated[float, Field(gt=0, lt=1)] = 0.9
    rmsprop_epsilon: Annotated[float, Field(gt=0)] = 1.0
    decay_biases: bool = True
    zero_gamma: bool = False
    mixup: Annotated[float, Field(ge=0)] = 0.0
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    distillation: Annotated[float, Field(ge=0, le=1)] = 0.0
    temperature: Annotated[float, Field(gt=0)] = 20.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    min_crop_area: Annotated[float, Field(ge=0, le=1)] = 0.0
    color_jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    lighting: Annotated[float, Field(ge=0)] = 0.0
    test_crop: Annotated[int | None, Field(ge=8)] = None
    sync_norms: bool = False
    num_loaders: Annotated[int, Field(ge=0)] = 0
    nesterov: bool = True
    accumulate: Annotated[int, Field(ge=1)] = 1
    cuda_graph: Literal["auto", "always", "never"] = "auto"

    def __post_init__(self) -> None:
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise ValueError(f"warmup_epochs must be below epochs, {self.epochs}, got {self.warmup_epochs:g}")
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate must divide batch_size, {self.batch_size}, got {self.accumulate}")

    @property
    def peak_rate(self) -> float:
        """Learning rate at the start of the schedule, scaled to the batch size."""
        return self.learning_rate * (self.batch_size / self.reference_batch if self.reference_batch else 1)

    @property
    def needs_photographs(self) -> bool:
        """Whether images are augmented one by one (`nas.training.photographs`) instead of as whole batches."""
        return bool(self.min_crop_area or self.color_jitter or self.lighting or self.num_loaders)

    @property
    def beyond_search(self) -> tuple[str, ...]:
        """Names of the active settings that trials of a search do not support: they have no teacher and no average."""
        return tuple(name for name in ("distillation", "ema_decay", "test_crop") if getattr(self, name))


_NUM_FIRST_SETTINGS = 16
"""Settings of version 0.1.0, `epochs` to `device`, which every stored recipe names."""

LATER_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {field.name: field.default for field in fields(TrainRecipe)[_NUM_FIRST_SETTINGS:]}
)
"""Settings added since, with their defaults. Stored recipes omit those at their default, which keeps fingerprints."""
