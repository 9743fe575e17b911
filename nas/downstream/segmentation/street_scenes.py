"""Cityscapes (1604.01685) and GTA5 (1608.02192) as they are downloaded: 19 equal classes, of the same label ids."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scipy.io import loadmat

from nas.data.image_files import find_images
from nas.data.report import LeftOut
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.layout import Colour, Layout, Split, pair_files, refuse_sets
from nas.downstream.segmentation.pairs import FoundPairs
from nas.files.guarded_read import read_text

_IMAGES, _MASKS = "leftImg8bit", "gtFine"
_IMAGE_SUFFIX, _MASK_SUFFIX = "_leftImg8bit.png", "_gtFine_labelIds.png"
_SPLITS_FILE = "split.mat"

TRAIN_IDS: dict[int, tuple[str, Colour]] = {
    7: ("road", (128, 64, 128)),
    8: ("sidewalk", (244, 35, 232)),
    11: ("building", (70, 70, 70)),
    12: ("wall", (102, 102, 156)),
    13: ("fence", (190, 153, 153)),
    17: ("pole", (153, 153, 153)),
    19: ("traffic light", (250, 170, 30)),
    20: ("traffic sign", (220, 220, 0)),
    21: ("vegetation", (107, 142, 35)),
    22: ("terrain", (152, 251, 152)),
    23: ("sky", (70, 130, 180)),
    24: ("person", (220, 20, 60)),
    25: ("rider", (255, 0, 0)),
    26: ("car", (0, 0, 142)),
    27: ("truck", (0, 0, 70)),
    28: ("bus", (0, 60, 100)),
    31: ("train", (0, 80, 100)),
    32: ("motorcycle", (0, 0, 230)),
    33: ("bicycle", (119, 11, 32)),
}
"""Name and colour by label id, in the order of the train ids 0 to 18 (labels.py of cityscapesScripts)."""
_CLASSES = Classes(tuple(TRAIN_IDS), tuple(name for name, _ in TRAIN_IDS.values()), unlabelled=0, is_part=True)
_PALETTE = {label: colour for label, (_, colour) in TRAIN_IDS.items()}
_LAST_CITYSCAPES, _LAST_GTA5 = 33, 34


def _find_cityscapes(root: Path, split: Split, sets: tuple[str, ...] | None) -> FoundPairs:
    refuse_sets("Cityscapes", sets)
    images, masks = root / _IMAGES / split, root / _MASKS / split
    if not images.is_dir() or not masks.is_dir():
        raise ValueError(f"there must be a folder {images} of images and a folder {masks} of masks")
    found = find_images(images)
    names = [name.removesuffix(_IMAGE_SUFFIX) for name in found.names if name.endswith(_IMAGE_SUFFIX)]
    pairs = ((images / f"{name}{_IMAGE_SUFFIX}", masks / f"{name}{_MASK_SUFFIX}") for name in names)
    others = [name for name in found.names if not name.endswith(_IMAGE_SUFFIX)]
    unnamed = (LeftOut(f"images not named ..{_IMAGE_SUFFIX}", len(others), tuple(others[:3])),) if others else ()
    of_masks = [masks / name for name in find_images(masks).names if name.endswith(_MASK_SUFFIX)]
    return pair_files(images, pairs, (*found.left_out, *unnamed), masks=of_masks)


def _find_gta5(root: Path, split: Split, sets: tuple[str, ...] | None) -> FoundPairs:
    refuse_sets("GTA5", sets)
    names = _gta5_names(root, split)
    if twice := next((name for name, number in Counter(names).items() if number > 1), None):
        raise ValueError(f"the split {split} of {root} must name each image once, got {twice} more than once")
    there = [name for name in names if (root / "images" / name).is_file()]
    missing = [name for name in names if name not in {*there}]
    left_out = (LeftOut(f"images of {split} without a file", len(missing), tuple(missing[:3])),) if missing else ()
    return pair_files(root, ((root / "images" / name, root / "labels" / name) for name in there), left_out)


def _gta5_names(root: Path, split: Split) -> list[str]:
    """Returns the images of a split: those of ``split.mat``, which is published with the images, or a list of names."""
    listed, published = root / f"{split}.txt", root / _SPLITS_FILE
    if listed.is_file():
        lines = read_text(listed).split()
        return [Path(line).with_suffix(".png").name for line in lines]
    if not published.is_file():
        raise ValueError(f"{root} must hold {_SPLITS_FILE} of GTA5, or {split}.txt with a name a line, got neither")
    try:
        numbers = loadmat(published)[f"{split}Ids"].ravel().tolist()
    except Exception as error:  # scipy raises half a dozen types for damaged files
        raise ValueError(f"{published} must hold the array {split}Ids: {error}") from None
    return [f"{int(number):05}.png" for number in numbers]


CITYSCAPES = Layout(
    "Cityscapes",
    lambda root: (root / _IMAGES).is_dir() and (root / _MASKS).is_dir(),
    _find_cityscapes,
    _CLASSES,
    frozenset(range(_LAST_CITYSCAPES + 1)),
    _PALETTE,
)
GTA5 = Layout(
    "GTA5",
    lambda root: (root / "images").is_dir() and (root / "labels").is_dir(),
    _find_gta5,
    _CLASSES,
    frozenset(range(_LAST_GTA5 + 1)),
    _PALETTE,
    varies_in_size=True,
)
