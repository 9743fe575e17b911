"""Folders of a data set with one folder per class: where training and test images are, and which classes there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.data.data_set import Labels
from nas.data.formats.label_lists import GROUND_TRUTH, KAGGLE, TEXT, find_label_list, read_label_list
from nas.data.image_cache import FileList
from nas.data.image_files import HIDDEN, NO_IMAGE, composed, find_folders, find_images, image_suffixes, is_hidden
from nas.data.report import MAX_EXAMPLES, TEST_IMAGES, DataReport, LeftOut, LeftOutTally, join_left_out
from nas.fidelity import DataSpec

TRAIN_FOLDER, TEST_FOLDERS = "train", ("test", "val")
_NAMES_OF_PARTS = frozenset({TRAIN_FOLDER, *TEST_FOLDERS, "training", "testing", "valid", "validation", "eval"})
FLAT = "images without class folders"
KAGGLE_FOLDER = Path("ILSVRC/Data/CLS-LOC")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a data set is.

    Attributes:
        test: the folder of test images; None if there is none with a folder for each class or a list of labels.
        left_out: folders that are not used.
        notices: sentences on what is unusual.
    """

    root: Path
    train: Path
    test: Path | None
    class_names: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ClassFolders:
    """Images with their labels, ordered by class and name, and files that are not used.

    Attributes:
        index: of images in tar shards, see `nas.data.shard_folders`; None for files.
        label_list: the file of the labels; None if they are those of class folders or of shards.
    """

    files: FileList
    labels: Labels
    left_out: tuple[LeftOut, ...]
    index: npt.NDArray[Any] | None = None
    label_list: Path | None = None


def find_layout(spec: DataSpec) -> Layout:
    """Finds the folders of a data set; raises ValueError if they are missing or hold other classes."""
    root = named_root(spec)
    if (train := data_folder(root) / TRAIN_FOLDER).is_dir():
        names = _class_names(train, spec)
        test, left_out = _find_test(root)
        if test is not None and find_folders(test):
            check_same_classes(test, names, spec)
        return Layout(train.parent, train, test, names, left_out)
    _check_flat(root, spec)
    notice = (
        f"{root} has no folder {TRAIN_FOLDER}: its class folders are split into training and validation images, and "
        "there are no test images"
    )
    return Layout(root, root, None, _class_names(root, spec), notices=(notice,))


def named_root(spec: DataSpec) -> Path:
    """Returns the root; raises ValueError if there is none."""
    if spec.root is None:
        raise ValueError("the data set image_folder must have a root: the folder with train, and test or val")
    return Path(spec.root).expanduser()


def data_folder(root: Path) -> Path:
    """Returns the folder that holds ``train``: that of Kaggle's archive of ImageNet where the root is its top."""
    there = root / KAGGLE_FOLDER
    return there if not (root / TRAIN_FOLDER).is_dir() and (there / TRAIN_FOLDER).is_dir() else root


def list_test_images(root: Path, class_names: Sequence[str], spec: DataSpec) -> ClassFolders:
    """Lists the test images, in class folders or with a list of labels; raises ValueError if there are none."""
    folder = find_test_folder(root)
    if find_folders(folder):
        check_same_classes(folder, class_names, spec)
        return list_images(folder, class_names, spec)
    found = find_images(folder)
    if (labels := find_label_list(root, folder)) is None:
        raise ValueError(f"{folder} has no list of labels")
    numbers = read_label_list(labels, found.names, class_names)
    files = FileList(folder, found.names)
    return ClassFolders(files, np.array(numbers, dtype=np.int64), found.left_out, label_list=labels)


def test_report(found: ClassFolders) -> DataReport:
    """Returns what is used and left out of the test images."""
    return DataReport({TEST_IMAGES: len(found.labels)}, found.left_out)


def find_test_folder(root: Path) -> Path:
    """Returns the folder of test images; raises ValueError if there is none with class folders or labels."""
    test, flat = _find_test(root)
    if test is None:
        came = ", ".join(str(each) for each in flat if each.reason == FLAT) or "neither"
        raise ValueError(
            f"there must be a folder of test images, {root / 'test'} or {root / 'val'}, with a folder for each class, "
            f"or a list of labels ({TEXT}, {KAGGLE} or {GROUND_TRUTH}), got {came}"
        )
    return test


def check_same_classes(test: Path, class_names: Sequence[str], spec: DataSpec) -> None:
    """Raises ValueError unless the test folder has the classes of the training folder, and images of each."""
    ours, theirs = ({composed(name) for name in names} for names in (class_names, _class_names(test, spec)))
    if missing := sorted(ours - theirs):
        raise ValueError(f"{test} must hold the classes of the training folder, {', '.join(missing):.200} is missing")
    if unknown := sorted(theirs - ours):
        raise ValueError(f"{test} holds {', '.join(unknown):.200}, which the training folder does not")
    list_images(test, class_names, spec)


def list_images(folder: Path, class_names: Sequence[str], spec: DataSpec) -> ClassFolders:
    """Lists the images of every class, sorted by name; raises ValueError if a class has none."""
    places = _by_composed_name(folder)
    names: list[str] = []
    labels: list[int] = []
    left_out = [("", _loose_files(folder))]
    for label, class_name in enumerate(class_names):
        place = places[composed(class_name)]
        found = find_images(folder / place, as_first_version=spec.split == "shuffled")
        left_out.append((f"{place}/", found.left_out))
        if not found.names:
            came = ", ".join(map(str, found.left_out)) or "none"
            raise ValueError(f"the class folder {folder / place} must hold images, got {came}")
        names += [f"{place}/{name}" for name in found.names]
        labels += [label] * len(found.names)
    return ClassFolders(FileList(folder, tuple(names)), np.array(labels, dtype=np.int64), join_left_out(left_out))


def _find_test(root: Path) -> tuple[Path | None, tuple[LeftOut, ...]]:
    """Returns the first test folder with class folders or labels, and what else is beside the training folder."""
    tally: list[LeftOut] = []
    chosen: Path | None = None
    place = data_folder(root)
    for folder in (place / name for name in TEST_FOLDERS if (place / name).is_dir()):
        if chosen is None and (find_folders(folder) or find_label_list(root, folder) is not None):
            chosen = folder
            continue
        reason = "images of a second test folder" if find_folders(folder) else FLAT
        if number := len(find_images(folder).names):
            tally.append(LeftOut(reason, number, (f"{folder.name}/",)))
    others = [f"{name}/" for name in find_folders(place) if name not in {TRAIN_FOLDER, *TEST_FOLDERS}]
    if others:
        tally.append(LeftOut("folders beside train, test and val", len(others), tuple(others[:MAX_EXAMPLES])))
    return chosen, tuple(tally)


def _check_flat(root: Path, spec: DataSpec) -> None:
    """Checks that a folder without a training folder holds the folders of classes, not those of data sets."""
    parts = {TRAIN_FOLDER, *TEST_FOLDERS}
    folders = find_folders(root) if root.is_dir() else ()
    if not folders or parts & {*folders} or spec.split == "shuffled":
        missing = root if not root.is_dir() else root / TRAIN_FOLDER
        raise ValueError(
            f"training images must be in {root / TRAIN_FOLDER}/<class>/, all images in {root}/<class>/, or, with "
            f"data.streamed, in shards {root / TRAIN_FOLDER}/*.tar, but there is no folder {missing}"
        )
    if sets := [name for name in folders if parts & {*find_folders(root / name)}]:
        raise ValueError(f"{root} holds data sets, not classes: name one of its folders, such as {root / sets[0]}")
    named = [name for name in folders if name.casefold() in _NAMES_OF_PARTS]
    if len(named) == len(folders) or any(find_folders(root / name) for name in named):
        raise ValueError(
            f"the folders of training and test images must be named {', '.join((TRAIN_FOLDER, *TEST_FOLDERS))}, or "
            f"those in {root} must be classes, got {', '.join(named):.200}"
        )


def _class_names(folder: Path, spec: DataSpec) -> tuple[str, ...]:
    names = [*_by_composed_name(folder).items()]
    if not names:
        raise ValueError(f"{folder} must hold a folder for each class, got none")
    first_version = spec.split == "shuffled"  # the order of labels must stay
    return tuple(name for name, _ in sorted(names, key=lambda pair: pair[first_version]))


def _by_composed_name(folder: Path) -> Mapping[str, str]:
    """Names of the class folders by their composed form; raises ValueError if two differ in nothing else."""
    names: dict[str, str] = {}
    for name in find_folders(folder):
        if (other := names.setdefault(composed(name), name)) != name:
            raise ValueError(
                f"the class folders of {folder} must differ in more than their Unicode form, got {other!a} and {name!a}"
            )
    return names


def _loose_files(folder: Path) -> tuple[LeftOut, ...]:
    tally = LeftOutTally()
    for path in sorted(folder.iterdir()):
        if is_hidden(path.name):
            tally.add(HIDDEN, path.name)
        elif not path.is_dir():
            is_image = path.suffix.lower() in image_suffixes()
            tally.add("images outside class folders" if is_image else NO_IMAGE, path.name)
    return tally.result()
