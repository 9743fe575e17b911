"""Fidelity of a trial: the settings of its network, training and data, as plain data.

A search's proxy task, full CIFAR-10 and ImageNet are three values of `Fidelity`. The papers' B, N and F are called
num_blocks (of a cell space), num_repeats and num_filters here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from nas.architecture import fingerprint_json
from nas.later_settings import plain
from nas.recipe import LATER_SETTINGS, TrainRecipe

__all__ = ["DataSpec", "Fidelity", "NetworkSpec", "TrainRecipe"]

MAX_IMAGE_SIZE = 8192
MAX_CLASSES = 1_000_000
MAX_CHANNELS = 100_000
MAX_REPEATS = 1000
MAX_STAGES = 16
"""Generous upper bounds that keep parameter counts and memory sizes within 64-bit integers."""

_FIRST_SPLIT, _WITH_NAMES = "shuffled", "image_folder"
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class NetworkSpec:
    """Settings of the network around the cells (NASNet, 1707.07012, section 3 and appendix A; constants from its code).

    Attributes:
        num_classes: number of classes.
        image_size: height and width of the input images in pixels.
        in_channels: channels of the input images.
        num_filters: F, the filters of the first stage; each reduction doubles them.
        num_repeats: N, the normal cells per stage.
        num_stages: number of stages, separated by reduction cells.
        stem: ``cifar`` is a 3x3 convolution of stride 1, ``imagenet`` one of stride 2 without padding.
        stem_filters: filters of the stem's convolution; None means 3F.
        num_stem_cells: reduction cells between stem and first stage; k of them have F/2^k, ..., F/2 filters.
        skip_reduction_input: whether hidden state 0 of the first cell after a reduction is the input of the cell before
            the reduction, as in NASNet's large ImageNet networks, instead of the reduction's input.
        reduction_in_stage: whether a reduction cell replaces the first normal cell of its stage, as in PNASNet
            (1712.00559), instead of preceding it, as in NASNet.
        auxiliary: whether an auxiliary head is attached at two thirds of the depth during training.
        drop_path: drop probability of scheduled drop path, in the last cell at the end of training.
        dropout: dropout probability before the classifier.
        norm_epsilon: constant added to the variance by every normalization.
        norm_momentum: weight of the current batch in the running statistics (PyTorch's convention).
        instance_ratio: share of instance-normalized channels in norms mixed with batch norm (IBN-Net, 1807.09441).
        average_counts_padding: whether average pools of stride 2 count the padding (timm's NASNet-A, not the authors').
        norm: ``gn``, ``syncbn`` and ``frozen_bn`` replace every batch normalization: in stem, cells, matching of shapes
            and factorized reductions. ``ibn_a`` and ``ibn_b`` place instance normalization as IBN-Net does, in networks
            of cells in all blocks with ``bn``. ``bn`` keeps the norms of the architecture.
        appearance_stages: stages with norms that remove appearance, from the input; null is what the architecture says
            or, with ``ibn_a`` and ``ibn_b``, what the paper says.
        dense_instance_ratio: as `instance_ratio`, for DenseNets (0.4 in IBN-Net's code).

    Example:
        >>> import nas
        >>> nas.NetworkSpec(num_filters=8, num_repeats=1, num_classes=100).num_stages
        3
    """

    LATER: ClassVar[tuple[str, ...]] = ("norm", "appearance_stages", "dense_instance_ratio")

    num_classes: Annotated[int, Field(ge=2, le=MAX_CLASSES)] = 10
    image_size: Annotated[int, Field(ge=8, le=MAX_IMAGE_SIZE)] = 32
    in_channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)] = 3
    num_filters: Annotated[int, Field(ge=2, le=MAX_CHANNELS)] = 32
    num_repeats: Annotated[int, Field(ge=1, le=MAX_REPEATS)] = 2
    num_stages: Annotated[int, Field(ge=1, le=MAX_STAGES)] = 3
    stem: Literal["cifar", "imagenet"] = "cifar"
    stem_filters: Annotated[int | None, Field(ge=1, le=MAX_CHANNELS)] = None
    num_stem_cells: Annotated[int, Field(ge=0, le=MAX_STAGES)] = 0
    skip_reduction_input: bool = False
    reduction_in_stage: bool = False
    auxiliary: bool = False
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    norm_epsilon: Annotated[float, Field(gt=0)] = 1e-5
    norm_momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    instance_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    average_counts_padding: bool = False
    norm: Literal["bn", "gn", "syncbn", "frozen_bn", "ibn_a", "ibn_b"] = "bn"
    appearance_stages: Annotated[int | None, Field(ge=0, le=MAX_STAGES)] = None
    dense_instance_ratio: Annotated[float, Field(ge=0, le=1)] = 0.4

    def __post_init__(self) -> None:
        if self.num_filters % 2 ** max(1, self.num_stem_cells):
            raise ValueError(
                f"num_filters must be divisible by {2 ** max(1, self.num_stem_cells)} "
                f"(factorized reduction halves them, each stem cell again), got {self.num_filters}"
            )


@dataclass(frozen=True, slots=True, config=_STRICT)
class DataSpec:
    """Settings of a data set and its train-validation split.

    Attributes:
        name: a key of `nas.data.load.DATA_SETS`.
        root: folder of the data; None for data sets that need none. Not part of a fidelity's fingerprint, since it may
            differ between machines.
        image_size: height and width to which images are resized; None keeps their size.
        num_train: images used from the training set, validation included, drawn evenly from all classes; None: all.
        validation_fraction: share of those held out for validation: 5,000 of CIFAR-10's 50,000 (1707.07012, A.1).
            With 0 all are trained on, and validated on 1 % of them: for a training whose result selects nothing.
        split_seed: seed of the draw and the split.
        split: ``hashed`` draws the split of an image folder by a hash of each image's name, so that added images move
            no other; ``shuffled`` is that of version 0.1.0, which also read `nas.data.image_files.FIRST_SUFFIXES` only.
            Data sets without names, such as CIFAR-10, are always shuffled.
        on_disk: whether decoded images stay on disk and are read when needed, for data sets larger than memory. Only
            the center square of a photograph is kept.
        streamed: whether photographs of an image folder are decoded whole whenever they are needed, for ImageNet.
            `image_size` is then the length of the shorter side before the center crop of validation and test.
        statistics: ``imagenet`` normalizes with the mean and deviation that ImageNet's networks use; ``counted`` with
            those of the training images.
        damaged: what happens to a streamed photograph that cannot be decoded: ``stop`` ends the training with its
            name, ``skip`` takes the next photograph in its place, or leaves it out of validation and test.

    Example:
        >>> import nas
        >>> nas.DataSpec("image_folder", root="photos", image_size=32).validation_fraction
        0.1
    """

    LATER: ClassVar[tuple[str, ...]] = ("on_disk", "streamed", "statistics", "damaged")

    name: str = "digits"
    root: str | None = None
    image_size: Annotated[int | None, Field(ge=8, le=MAX_IMAGE_SIZE)] = None
    num_train: Annotated[int | None, Field(ge=2)] = None
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    split_seed: Annotated[int, Field(ge=0)] = 0
    split: Literal["hashed", "shuffled"] = "hashed"
    on_disk: bool = False
    streamed: bool = False
    statistics: Literal["counted", "imagenet"] = "counted"
    damaged: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        if self.streamed and (self.name != _WITH_NAMES or self.on_disk or self.image_size is None):
            raise ValueError(
                f"streamed needs the data set {_WITH_NAMES} with an image_size, and on_disk false, got {self.name}, "
                f"{self.image_size} and {str(self.on_disk).lower()}"
            )
        if self.damaged == "skip" and not self.streamed:
            raise ValueError("damaged: skip needs streamed: true, since other images are decoded before the training")


@dataclass(frozen=True, slots=True, config=_STRICT)
class Fidelity:
    """Everything that determines how a trial is trained and evaluated, apart from its architecture and seed.

    Attributes:
        network: how networks are built.
        recipe: how they are trained.
        data: the images.
        shared_steps: optimization steps of a trial whose weights are shared with other trials (`nas.sharing`), 0 to
            evaluate only; None: each trial has weights of its own. The recipe is then that of all trials together.

    Example:
        >>> import nas
        >>> fidelity = nas.Fidelity(nas.NetworkSpec(num_filters=8), nas.TrainRecipe(epochs=3), nas.DataSpec("digits"))
        >>> len(fidelity.fingerprint)
        32
    """

    network: NetworkSpec = NetworkSpec()
    recipe: TrainRecipe = TrainRecipe()
    data: DataSpec = DataSpec()
    shared_steps: Annotated[int | None, Field(ge=0)] = None

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal for fidelities whose outcomes are comparable."""
        return _fingerprint(self)

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON.

        Settings added after version 0.1.0 are omitted at their defaults, so that existing fingerprints do not change.
        """
        value: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        value["network"] = plain(self.network)
        value["data"] = plain(self.data)
        for name, default in LATER_SETTINGS.items():
            if value["recipe"][name] == default:
                del value["recipe"][name]
        if self.shared_steps is None:
            del value["shared_steps"]
        if value["data"].get("split") == _FIRST_SPLIT or value["data"]["name"] != _WITH_NAMES:
            del value["data"]["split"]
        return value

    @classmethod
    def from_json(cls, value: Any) -> Fidelity:  # noqa: ANN401 - any JSON value
        """Rebuilds a fidelity; raises ValueError, whose message names the first invalid setting."""
        if isinstance(value, dict) and isinstance(data := value.get("data"), dict):
            value = {**value, "data": complete_stored_data(data)}
        try:
            return _ADAPTER.validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"a fidelity is not valid at {place or 'its top'}: {first['msg']}") from None


def complete_stored_data(section: Mapping[str, Any]) -> dict[str, Any]:
    """Adds to the stored settings of a data set those that were introduced later, at their former values."""
    former = {"split": _FIRST_SPLIT} if section.get("name") == _WITH_NAMES else {}
    return {**former, **section}


_ADAPTER = TypeAdapter(Fidelity)


@lru_cache(maxsize=256)
def _fingerprint(fidelity: Fidelity) -> str:
    """Computes the fingerprint; cached because every trial of a run needs it."""
    return fingerprint_json(replace(fidelity, data=replace(fidelity.data, root=None)).to_json())
