"""Data sets in memory, split into training, validation and sealed test images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from nas.data.report import DataReport

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's colors, as in torchvision's and most other networks."""

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called from time to time with the number of images done and the total."""

_MAX_COUNTED = 100_000
_BLOCK_PIXELS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images, uint8 (images, channels, height, width), with their labels, int64 class numbers (images,).

    They are plain arrays that Ray shares between processes without copying.

    Attributes:
        report: of test images from a folder, what is used and left out; None for a part of them and for other images.

    Example:
        >>> import nas, numpy
        >>> len(nas.Split(numpy.zeros((2, 1, 8, 8), dtype=numpy.uint8), numpy.array([0, 1])))
        2
    """

    images: Images
    labels: Labels
    report: DataReport | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            came = f"{self.images.dtype} of shape {self.images.shape}"
            raise ValueError(f"images must be uint8 of shape (images, channels, height, width), got {came}")
        if self.labels.dtype != np.int64 or self.labels.shape != self.images.shape[:1]:
            came = f"{self.labels.dtype} of shape {self.labels.shape}"
            raise ValueError(f"labels must be int64 of shape ({len(self.images)},), one for each image, got {came}")
        if not len(self.images):
            raise ValueError("a split must hold at least 1 image, got none")

    def __len__(self) -> int:
        return len(self.images)

    def image(self, index: int) -> Images:
        """Returns one image, of shape (channels, height, width)."""
        return cast("Images", self.images[index])

    def part(self, places: slice) -> Split:
        """Returns some of the images, as a view."""
        return Split(self.images[places], self.labels[places])

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """Returns a copy of the images with these indices, in the given order."""
        return Split(np.ascontiguousarray(self.images[indices]), np.ascontiguousarray(self.labels[indices]))


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """A data set as seen by a search: training and validation images. The test images are loaded on request only.

    Attributes:
        validation: images held out of the training set, used to choose between architectures.
        test: loads the test images; see `load_test`.
        class_names: names of the classes, by class number.
        mean: per-channel mean of the training split, for pixel values from 0 to 1.
        std: per-channel standard deviation, likewise.
        report: what is used, what is left out, and the identity of the images; None if unknown.

    Example:
        >>> import nas
        >>> data = nas.load_data(nas.DataSpec("digits"))
        >>> data.num_channels, data.class_names[:3]
        (1, ('0', '1', '2'))
    """

    train: Split
    validation: Split
    test: Callable[[], Split] = field(repr=False)
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    report: DataReport | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.train.images.shape[1:] != self.validation.images.shape[1:]:
            came = f"{self.train.images.shape[1:]} and {self.validation.images.shape[1:]}"
            raise ValueError(f"training and validation images must have one shape, got {came}")
        if not len(self.mean) == len(self.std) == self.num_channels:
            came = f"{len(self.mean)} and {len(self.std)}"
            raise ValueError(f"mean and std must have {self.num_channels} numbers, one a channel, got {came}")
        if min(self.std) <= 0:
            raise ValueError(f"the standard deviations of the channels must be above 0, got {self.std}")
        highest = max(int(split.labels.max()) for split in (self.train, self.validation))
        if highest >= len(self.class_names):
            raise ValueError(f"labels must be 0..{len(self.class_names) - 1}, one for each class, got {highest}")

    @property
    def num_channels(self) -> int:
        """Channels of the images: 1 for grayscale, 3 for color."""
        return int(self.train.images.shape[1])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return int(self.train.images.shape[2]), int(self.train.images.shape[3])

    def load_test(self) -> Split:
        """Loads the test images. For the final report only: a search never calls this."""
        return self.test()


def channel_statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Computes the per-channel mean and standard deviation, for pixel values from 0 to 1.

    Computed exactly from the histogram of each channel. The deviation of a constant channel is set to the step between
    two gray levels, since images are divided by it. For 200,000 or more images, an evenly spaced subset is used.
    """
    return _moments(_histograms(images[:: max(1, len(images) // _MAX_COUNTED)]))


def streamed_statistics(blocks: Iterable[Images]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Computes the same of blocks of images that are not kept; raises ValueError if there is none."""
    counts: Labels | None = None
    for images in blocks:
        counts = _histograms(images) if counts is None else counts + _histograms(images)
    if counts is None:
        raise ValueError("there must be an image of which to count the colors, got none that can be decoded")
    return _moments(counts)


def _moments(histograms: Labels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    values = np.arange(256) / 255
    means, deviations = [], []
    for counts in histograms:
        mean = float(counts @ values / counts.sum())
        variance = float(counts @ (values - mean) ** 2 / counts.sum())
        means.append(mean)
        deviations.append(max(variance**0.5, 1 / 255))
    return tuple(means), tuple(deviations)


def _histograms(images: Images) -> Labels:
    """Counts the 256 values of each channel, block by block, so that memory does not grow with the images."""
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    step = max(1, _BLOCK_PIXELS // (images.shape[2] * images.shape[3]))
    for start in range(0, len(images), step):
        for channel in range(images.shape[1]):
            counts[channel] += np.bincount(images[start : start + step, channel].reshape(-1), minlength=256)
    return counts
