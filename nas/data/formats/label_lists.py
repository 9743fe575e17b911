"""Lists of labels beside a flat folder of images, as ImageNet's validation images are distributed.

Three forms are read: lines of a file name and a class number in the order of the sorted class names (``val.txt``, of
Caffe and others); the same with the name of the class; ``LOC_val_solution.csv`` of Kaggle; and
``ILSVRC2012_validation_ground_truth.txt`` of the development kit, class numbers of its ``meta.mat`` in the order of the
sorted file names.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nas.files.guarded_read import read_text

TEXT, KAGGLE, GROUND_TRUTH = "val.txt", "LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
_PLACES = (".", "ILSVRC2012_devkit_t12/data", "devkit/data")
_OF_LISTS = "val"
_MAX_META = 16 * 2**20


def find_label_list(root: Path, images: Path) -> Path | None:
    """Returns the list of labels for a folder of images, in it or, for one named ``val``, beside it; None without."""
    folders = [folder / place for folder in (images, root) for place in _PLACES]
    if images.name != _OF_LISTS:
        folders = [images]
    found = (folder / name for name in (TEXT, KAGGLE, GROUND_TRUTH) for folder in folders)
    return next((path for path in found if path.is_file()), None)


def read_label_list(path: Path, names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    """Returns the class number of each image, by the names of the images in their sorted order.

    Labels are the names of class folders, or their numbers from 0 in sorted order: not a mixture of both.

    Raises ValueError if an image has no label or two, a label has no image, or a class is unknown.
    """
    if path.name == GROUND_TRUTH:
        return _read_ground_truth(path, names, class_names)
    pairs = list(_read_pairs(path))
    classes = {name: number for number, name in enumerate(class_names)}
    if not any(text in classes for _, text in pairs):
        classes = {str(number): number for number in range(len(class_names))}
        pairs = [(name, str(int(text)) if text.isascii() and text.isdigit() else text) for name, text in pairs]
    labels: dict[str, int] = {}
    for line, (name, text) in enumerate(pairs, 1):
        if text not in classes:
            raise ValueError(
                f"{path}, entry {line}: labels must all be class folders, or all numbers from 0 to "
                f"{len(class_names) - 1}, got {text!r:.80}"
            )
        if labels.setdefault(name, classes[text]) != classes[text]:
            raise ValueError(f"{path}, entry {line}: {name:.120} must have one label, got {text!r:.80} after another")
    return _match(path, labels, names)


def _read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Yields file names without suffix and labels."""
    with io.StringIO(read_text(path), newline="") as file:
        if path.suffix == ".csv":
            for row in csv.reader(file):
                if row and row[0] != "ImageId":
                    yield Path(row[0]).stem, " ".join(row[1:]).split(" ")[0]
            return
        for line, text in enumerate(file, 1):
            if not (parts := text.split()):
                continue
            if len(parts) != 2:
                raise ValueError(f"{path}, line {line}: it must hold a file name and a label, got {text.strip()!r:.80}")
            yield Path(parts[0]).stem, parts[1]


def _match(path: Path, labels: Mapping[str, int], names: Sequence[str]) -> list[int]:
    stems = [Path(name).stem for name in names]
    if twice := next((stem for stem, number in Counter(stems).items() if number > 1), None):
        raise ValueError(f"the images of {path} must have names of their own, got several named {twice:.120}")
    if missing := [name for name, stem in zip(names, stems, strict=True) if stem not in labels]:
        raise ValueError(
            f"{path} must hold a label for every image, {len(missing):,} have none, e.g. {missing[0]:.120}"
        )
    if len(unknown := labels.keys() - {*stems}):
        raise ValueError(f"{path} has labels of {len(unknown):,} images that are missing, e.g. {min(unknown):.120}")
    return [labels[stem] for stem in stems]


def _read_ground_truth(path: Path, names: Sequence[str], class_names: Sequence[str]) -> list[int]:
    lines = read_text(path).split()
    if len(lines) != len(names):
        raise ValueError(f"{path} must hold a label for every image, {len(names):,}, got {len(lines):,}")
    wnids = _read_meta(path.with_name(META))
    classes = {name: number for number, name in enumerate(class_names)}
    labels = []
    for line, text in enumerate(lines, 1):
        wnid = wnids.get(text)
        if wnid not in classes:
            raise ValueError(
                f"{path}, line {line}: {text!r:.40} must be the number of a class with training images, got "
                f"{wnid or 'none of ' + META}"
            )
        labels.append(classes[wnid])
    return labels


def _read_meta(path: Path) -> dict[str, str]:
    """Returns the names of the classes (WordNet identifiers) by their number in the development kit."""
    from scipy.io import loadmat

    if not path.is_file() or path.stat().st_size > _MAX_META:
        raise ValueError(f"{GROUND_TRUTH} needs {META} of the development kit beside it, which is not at {path}")
    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        return {str(int(each[0])): str(each[1]) for each in synsets}
    except Exception as error:  # scipy raises several types for damaged files
        raise ValueError(f"{path} is not the {META} of ImageNet's development kit: {error!s:.120}") from None
