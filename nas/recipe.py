"""How a network is trained: plain data. Every trick is a setting, off unless asked for; proxies need few of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class TrainRecipe:
    """How a network is trained; at its defaults as in NASNet's search (1707.07012, appendix A).

    Sources: NASNet 1707.07012; Bag of Tricks 1812.01187; the large batches of 1706.02677.

    Attributes:
        epochs: passes over the training split.
        batch_size: images a step, those of all workers together; a last, smaller batch is left out.
        learning_rate: at the start of the schedule, for the reference batch if there is one.
        momentum: of SGD, with Nesterov's correction, and of RMSProp, without.
        weight_decay: L2 penalty on all weights.
        gradient_clip: greatest global norm of the gradient (1707.07012, appendix A.7); 0 switches clipping off.
        label_smoothing: share of the target spread evenly over all classes, the true one included (1512.00567, section
            7; 1812.01187, section 5.2, leaves the true one out, its authors' code does not).
        auxiliary_weight: weight of the auxiliary head's loss (1707.07012, appendix A.7).
        crop_padding: pixels of zeros around an image before a crop of its size is taken; 0 switches crops off.
        flip: whether images are mirrored left to right at random.
        cutout: side in pixels of the square that is blanked; 0 switches it off (1708.04552, section 3).
        precision: ``auto`` is float16 with loss scaling on CUDA and float32 elsewhere (1812.01187, section 3.2).
        channels_last: whether tensors lie in memory with channels last.
        compile: whether the network goes through torch.compile; pays for long runs only.
        num_threads: CPU threads of one training.
        device: ``auto`` is CUDA where there is one.
        schedule: how the rate falls over the run: ``cosine`` to 0 (1608.03983; 1812.01187, section 5.1), ``step`` and
            ``exponential`` by `decay_factor` every `decay_every` epochs, at once or smoothly, or ``constant``.
        decay_factor: 0.1 for the steps of 1812.01187, section 2.1; 0.97 for NASNet's exponential (authors' code).
        decay_every: epochs: 30 and 2.4 there.
        warmup_epochs: epochs over which the rate rises in a line from 0 (1706.02677, section 2.2; 1812.01187, 3.1).
        reference_batch: the batch that `learning_rate` is meant for: the rate grows in proportion to `batch_size` (the
            linear scaling rule; 1706.02677, section 2.1; 1812.01187, 3.1); 0 takes the rate as it is.
        optimizer: ``sgd``, or ``rmsprop`` as NASNet's on ImageNet (1707.07012, appendix A.7).
        rmsprop_decay: of RMSProp's mean of squared gradients.
        rmsprop_epsilon: added to that mean.
        decay_biases: whether weight decay acts on biases and on the scales and shifts of norms too; false is the
            trick "no bias decay" (1812.01187, section 3.1).
        zero_gamma: whether the last norm of what is added to an unchanged state starts with scale 0, so that the sum
            starts as that state (1706.02677, section 5.1; 1812.01187, section 3.1).
        mixup: alpha of the Beta distribution by which pairs of images are mixed; 0 switches it off (1710.09412,
            section 2; 1812.01187, section 5.4, with 0.2).
        cutmix: alpha, likewise, for boxes that are pasted (1905.04899, section 3); with both, one of them each batch.
        distillation: weight w of the teacher in (1 - w) loss + w T^2 cross-entropy(teacher / T, student / T); 0 without
            a teacher (1503.02531; 1812.01187, section 5.3, whose plain sum is twice that of w = 1/2).
        temperature: T there.
        ema_decay: of the moving average of all weights; 0 keeps none (0.9999 in 1707.07012, appendix A.7).
        min_crop_area: smallest share of an image's area that a random crop of aspect 3/4 to 4/3 takes before it is
            brought to the network's size; 0 switches it off (0.08 in 1409.4842 and in 1812.01187, section 2.1).
        color_jitter: brightness, contrast and saturation are scaled by factors from 1 - x to 1 + x (x = 0.4 in
            1812.01187, section 2.1).
        lighting: deviation of the noise along the principal axes of colour (0.1 in AlexNet, section 4.1, and in
            1812.01187, section 2.1).
        test_crop: side in pixels of the square in the middle that is classified in validation and test; null is the
            network's image size (224 of images brought to 256 in 1812.01187, section 2.1).
        sync_norms: whether batch normalization is over the batches of all workers.
        num_loaders: processes that prepare photographs ahead, for each worker; 0 prepares them in the worker.
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
    num_threads: Annotated[int, Field(ge=1)] = 1
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

    def __post_init__(self) -> None:
        if self.warmup_epochs >= self.epochs and self.warmup_epochs:
            raise ValueError(f"warmup_epochs must be below epochs, {self.epochs}, got {self.warmup_epochs:g}")

    @property
    def peak_rate(self) -> float:
        """The rate at the start of the schedule, scaled to the batch."""
        return self.learning_rate * (self.batch_size / self.reference_batch if self.reference_batch else 1)

    @property
    def needs_photographs(self) -> bool:
        """Whether it changes images one by one, as photographs are, and not whole batches at once."""
        return bool(self.min_crop_area or self.color_jitter or self.lighting or self.num_loaders)

    @property
    def beyond_search(self) -> tuple[str, ...]:
        """Settings that are on and of no use to a search, whose children have no teacher and one set of weights."""
        asked = {
            "distillation": self.distillation > 0,
            "ema_decay": self.ema_decay > 0,
            "test_crop": self.test_crop is not None,
        }
        return tuple(name for name, given in asked.items() if given)


_FIRST = 16
LATER_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {field.name: field.default for field in fields(TrainRecipe)[_FIRST:]}
)
"""Settings with their defaults that came after ledgers had been written: recipes in these do not name them."""
