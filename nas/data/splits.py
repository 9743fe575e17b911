"""Class-balanced drawing of images and splitting into training and validation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nas.data.data_set import DataSet, Labels, Split, channel_statistics
from nas.data.identity import Identity, copies_in_training, identify_arrays
from nas.data.image_files import composed
from nas.data.report import MAX_EXAMPLES, TEST_IMAGES, DataReport, LeftOut
from nas.fidelity import DataSpec

Indices = npt.NDArray[np.int64]
MIN_CLASSES = 2
_LOOKED_AT = 0.01
"""Share of the training images that are validated on where none are held out."""


def split_training_set(
    complete: Split,
    spec: DataSpec,
    *,
    class_names: tuple[str, ...],
    test: Callable[[], Split],
    source: ImageSource | None = None,
) -> DataSet:
    """Splits a training set as specified; raises ValueError for fewer than two classes, or too few images.

    Without a `source` the images are identified by their pixels.
    """
    check_classes(class_names)
    source = source or ImageSource(identity=identify_arrays("train", (complete.images, complete.labels)))
    train, validation = draw_splits(complete.labels, spec, names=source.names, class_names=class_names)
    train_split = complete.take(train)
    mean, std = channel_statistics(train_split.images)
    report = source.report(train, validation)
    return DataSet(train_split, complete.take(validation), test, class_names, mean, std, report)


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the images of a training set come from.

    Attributes:
        names: by which a hashed split tells them apart; None for a fixed set of arrays, whose split is shuffled.
        digests: of the contents of each image; None if unknown.
        num_test: number of test images; None if unknown.
        left_out: files that are not used.
        notices: see `DataReport`, as for `identity` and `tested`.
    """

    identity: Identity
    names: Sequence[str] | None = None
    digests: Sequence[str] | None = None
    num_test: int | None = None
    left_out: tuple[LeftOut, ...] = ()
    notices: tuple[str, ...] = ()
    tested: Identity | None = None

    def report(self, train: Indices, validation: Indices) -> DataReport:
        """Describes the images with these indices."""
        used = {"training images": len(train), "validation images": len(validation)}
        used |= {} if self.num_test is None else {TEST_IMAGES: self.num_test}
        unused = [] if self.names is None else self._not_drawn({*train.tolist(), *validation.tolist()})
        notices = (*self.notices, *self._copies(train, validation))
        return DataReport(used, (*self.left_out, *unused), notices, self.identity, self.tested)

    def _not_drawn(self, drawn: set[int]) -> list[LeftOut]:
        names = [name for index, name in enumerate(self.names or ()) if index not in drawn]
        return [LeftOut("images that num_train leaves out", len(names), tuple(names[:MAX_EXAMPLES]))] if names else []

    def _copies(self, train: Indices, validation: Indices) -> list[str]:
        """Says how many validation images are trained on too, by themselves or as a file with the same contents."""
        if len(validation) and np.isin(validation, train).all():
            return [
                f"no images are held out (data.validation_fraction: 0): the validation accuracy is that of "
                f"{len(validation):,} training images and must not select anything"
            ]
        if self.digests is None or self.names is None:
            return []
        trained, tested = ({self.names[i]: (0, self.digests[i]) for i in part} for part in (train, validation))
        return copies_in_training(trained, tested, "validation images")


def check_classes(class_names: Sequence[str]) -> None:
    """Raises ValueError for fewer than two classes, of which every network knows the answer."""
    if len(class_names) < MIN_CLASSES:
        raise ValueError(f"a data set must have at least {MIN_CLASSES} classes, got {', '.join(class_names)}")


def draw_splits(
    labels: Labels,
    spec: DataSpec,
    *,
    names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> tuple[Indices, Indices]:
    """Draws the indices of training and validation images, both sorted and balanced over the classes.

    Each class has at least one image in both splits. With `spec.split` ``hashed`` and `names`, a hash of its name puts
    an image into one of the splits, so that the other images of the set make no difference, but where a class would
    have none in one of them. Otherwise images are shuffled, which gives exact shares.

    With a `validation_fraction` of 0 all images are trained on, and some of them are the validation images.

    Raises ValueError if there are too few images in total, or fewer than two of a class; it names the class.
    """
    if not spec.validation_fraction:
        some = replace(spec, validation_fraction=_LOOKED_AT)
        rest, validation = draw_splits(labels, some, names=names, class_names=class_names)
        return np.sort(np.concatenate([rest, validation])), validation
    classes = np.unique(labels)
    members = [np.flatnonzero(labels == label) for label in classes]
    sizes = np.array([len(each) for each in members])
    num_train = int(sizes.sum()) if spec.num_train is None else spec.num_train
    if num_train > sizes.sum():
        raise ValueError(f"num_train must be at most {sizes.sum()}, the size of the training set, got {num_train}")
    drawn = even_counts(sizes, num_train)
    if (drawn < 2).any():
        label = int(classes[np.argmax(drawn < 2)])
        name = label if class_names is None else class_names[label]
        raise ValueError(
            f"each class needs 2 images or more, for training and validation; class {name} has {drawn.min()} of the "
            f"{num_train} images"
        )
    held_out = proportional_counts(drawn, round(num_train * spec.validation_fraction)).clip(1, drawn - 1)
    if names is None or spec.split == "shuffled":
        generator = np.random.default_rng(spec.split_seed)
        orders = [generator.permutation(each) for each in members]
    else:
        orders, held_out = _order_by_hash(members, names, spec, drawn=drawn, held_out=held_out)
    validation = np.concatenate([m[:out] for m, out in zip(orders, held_out, strict=True)])
    train = np.concatenate([m[out:n] for m, out, n in zip(orders, held_out, drawn, strict=True)])
    return np.sort(train), np.sort(validation)


def _order_by_hash(
    members: Sequence[Indices], names: Sequence[str], spec: DataSpec, *, drawn: Indices, held_out: Indices
) -> tuple[list[Indices], Indices]:
    """Orders each class so that the first are to be held out; returns how many of them, as near as the hashes allow."""
    orders, counts = [], []
    for each, number, wanted in zip(members, drawn, held_out, strict=True):
        hashes = [_hash(spec.split_seed, names[index]) for index in each]
        ranked = sorted(range(len(each)), key=lambda place: hashes[place][0])
        border = sum(side < spec.validation_fraction for side, _ in hashes)
        border = min(max(border, 1), len(each) - 1)
        first, rest = (sorted(part, key=lambda place: hashes[place][1]) for part in (ranked[:border], ranked[border:]))
        out = min(max(wanted, number - len(rest)), len(first))
        orders.append(each[[*first[:out], *rest[: number - out]]])
        counts.append(out)
    return orders, np.array(counts)


def _hash(seed: int, name: str) -> tuple[float, int]:
    """Returns a number from 0 to 1 that decides the split of an image, and another one for drawing a subset."""
    digest = hashlib.blake2b(f"{seed}:{composed(name)}".encode("utf-8", "surrogateescape"), digest_size=16).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:])


def even_counts(sizes: Indices, total: int) -> Indices:
    """Divides `total` evenly over classes of the given sizes; small classes are used completely."""
    counts = np.zeros_like(sizes)
    while counts.sum() < total:
        open_classes = np.flatnonzero(counts < sizes)
        missing = total - int(counts.sum())
        share = max(1, missing // len(open_classes))
        for label in open_classes[:missing]:
            counts[label] = min(sizes[label], counts[label] + share)
    return counts


def proportional_counts(sizes: Indices, total: int) -> Indices:
    """Divides `total` in proportion to `sizes`; the remainder goes to the largest fractions."""
    exact = sizes * total / sizes.sum()
    counts: Indices = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    return counts
