"""Images in memory, and the split that a search may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Told now and then how many images are done, and of how many."""

_MAX_COUNTED = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images with their labels: plain arrays, so that Ray ships them without a copy.

    Attributes:
        images: uint8 of shape (images, channels, height, width).
        labels: int64 of shape (images,), the numbers of the classes.
    """

    images: Images
    labels: Labels

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
        image: Images = self.images[index]
        return image

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """Returns a copy of the images with these indices, in their order."""
        return Split(np.ascontiguousarray(self.images[indices]), np.ascontiguousarray(self.labels[indices]))


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """What a search sees: images to train on and images to validate on. The test images stay sealed.

    Attributes:
        train: images to train on.
        validation: images held out of the training set; what a search chooses by.
        test: opens the test images; see `load_test`. Nothing is read before.
        class_names: by number of the class.
        mean: of each channel of the training split, in units where white is 1.
        std: standard deviation of each channel, in the same units.
    """

    train: Split
    validation: Split
    test: Callable[[], Split] = field(repr=False)
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

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
        """Channels of the images: 1 for grey, 3 for colour."""
        return int(self.train.images.shape[1])

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return int(self.train.images.shape[2]), int(self.train.images.shape[3])

    def load_test(self) -> Split:
        """Opens the test images. Only for reporting, after the choice is made: a search never calls this."""
        return self.test()


def channel_statistics(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, where white is 1.

    Counted from the histogram of each channel, which is exact and needs no copy in floating point. A channel that
    never varies gets the step between two grey values as its deviation, since images are divided by it. Of 200,000
    images and more, evenly spaced ones are looked at.
    """
    images = images[:: max(1, len(images) // _MAX_COUNTED)]
    values = np.arange(256) / 255
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = np.bincount(images[:, channel].reshape(-1), minlength=256)
        mean = float(counts @ values / counts.sum())
        variance = float(counts @ (values - mean) ** 2 / counts.sum())
        means.append(mean)
        deviations.append(max(variance**0.5, 1 / 255))
    return tuple(means), tuple(deviations)
