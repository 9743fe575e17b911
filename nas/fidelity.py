"""How a network is built, trained and measured: plain data, so that proxy, full CIFAR-10 and ImageNet are three values.

The papers write B, N and F where this code says num_blocks (of a cell space), num_repeats and num_filters.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from nas.architecture import fingerprint_json
from nas.recipe import LATER_SETTINGS, TrainRecipe

__all__ = ["DataSpec", "Fidelity", "NetworkSpec", "TrainRecipe"]

MAX_IMAGE_SIZE = 8192
MAX_CLASSES = 1_000_000
MAX_CHANNELS = 100_000
MAX_REPEATS = 1000
MAX_STAGES = 16
"""Bounds far beyond use, within which counts and sizes of memory are whole numbers that everything can hold."""

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, config=_STRICT)
class NetworkSpec:
    """The network around the cells (NASNet, 1707.07012, section 3 and appendix A; the authors' code for the constants).

    Attributes:
        num_classes: outputs of the classifier.
        image_size: height and width of the images in pixels.
        in_channels: channels of the images.
        num_filters: F, the filters of the first stage; every reduction doubles them.
        num_repeats: N, the normal cells of each stage.
        num_stages: stages of normal cells, with one reduction cell between two of them.
        stem: ``cifar``, a 3x3 convolution that keeps the size, or ``imagenet``, one that halves it without padding.
        stem_filters: filters of the stem's convolution; None means 3F.
        num_stem_cells: reduction cells between stem and first stage; k of them have F/2^k, ..., F/2 filters.
        skip_reduction_input: whether the first cell after a reduction takes as its hidden state 0 the cell before the
            one that the reduction read, as the authors' large ImageNet networks do, in place of the one it read.
        reduction_in_stage: whether a reduction cell takes the place of the first normal cell of the stage that it
            opens, as in PNASNet (1712.00559), or comes on top of them, as in NASNet.
        auxiliary: whether a second classifier is attached at two thirds of the depth, for training only.
        drop_path: probability with which the last cell drops a path at the end of training (scheduled drop path).
        dropout: probability of dropping a feature before the classifier.
        norm_epsilon: added to the variance by every normalization.
        norm_momentum: share of the newest batch in the running statistics (torch's convention).
        instance_ratio: share of channels that instance normalization gets in the norms that are part instance and part
            batch normalization (IBN-Net, 1807.09441).
        average_counts_padding: whether average pools of stride 2 count the zeros that pad the map, as timm's NASNet-A
            does; the authors' leave them out of the average.
    """

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

    def __post_init__(self) -> None:
        if self.num_filters % 2 ** max(1, self.num_stem_cells):
            raise ValueError(
                f"num_filters must be divisible by {2 ** max(1, self.num_stem_cells)} "
                f"(factorized reduction halves them, each stem cell again), got {self.num_filters}"
            )


@dataclass(frozen=True, slots=True, config=_STRICT)
class DataSpec:
    """Which images, and how the training set is split.

    Attributes:
        name: a key of `nas.data.DATA_SETS`.
        root: the folder that holds them; None for embedded data. Not part of a fidelity's fingerprint, since the same
            images may lie elsewhere on another machine.
        image_size: height and width to which images are brought; None keeps those of the data set.
        num_train: how many images of the training set are used, validation included, drawn evenly over the classes;
            None means all.
        validation_fraction: share of those held out for validation: 5,000 of CIFAR-10's 50,000 (1707.07012, A.1).
        split_seed: seed of the draw and the split.
        on_disk: whether decoded images stay on disk and are read as they are used, for sets larger than memory.
    """

    name: str = "digits"
    root: str | None = None
    image_size: Annotated[int | None, Field(ge=8, le=MAX_IMAGE_SIZE)] = None
    num_train: Annotated[int | None, Field(ge=2)] = None
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    split_seed: Annotated[int, Field(ge=0)] = 0
    on_disk: bool = False


@dataclass(frozen=True, slots=True, config=_STRICT)
class Fidelity:
    """How a trial is measured: network, recipe and data together."""

    network: NetworkSpec = NetworkSpec()
    recipe: TrainRecipe = TrainRecipe()
    data: DataSpec = DataSpec()

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal for fidelities under which outcomes may be compared."""
        return _fingerprint(self)

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for JSON.

        Settings that came later are left out at their defaults, so that a fidelity has the same text and the same
        fingerprint as before there were any.
        """
        value: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        for section, later in (("recipe", LATER_SETTINGS), ("data", {"on_disk": False})):
            for name, default in later.items():
                if value[section][name] == default:
                    del value[section][name]
        return value

    @classmethod
    def from_json(cls, value: Any) -> Fidelity:  # noqa: ANN401 - whatever JSON holds
        """Rebuilds a fidelity; raises ValueError if the value does not describe one."""
        try:
            return _ADAPTER.validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"a fidelity is not valid at {place or 'its top'}: {first['msg']}") from None


_ADAPTER = TypeAdapter(Fidelity)


@lru_cache(maxsize=256)
def _fingerprint(fidelity: Fidelity) -> str:
    """Cached, since every trial of a run asks for it."""
    return fingerprint_json(replace(fidelity, data=replace(fidelity.data, root=None)).to_json())
