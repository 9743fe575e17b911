"""Pairs of an image and its mask in a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nas.data.image_files import composed, find_images, image_suffixes
from nas.data.report import LeftOut, join_left_out

MASKS_FOLDER = "semantic"
_MASK_SUFFIX = ".png"


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of an image and its mask."""

    image: Path
    mask: Path


@dataclass(frozen=True, slots=True)
class FoundPairs:
    """Images with their masks, in the order of their names, and files that are not used."""

    pairs: tuple[Pair, ...]
    left_out: tuple[LeftOut, ...]


def find_pairs(root: Path, name: str) -> FoundPairs:
    """Pairs the images of ``root/name`` with the masks ``root/semantic/name/*.png`` of the same names.

    Raises:
        ValueError: if there are no images, an image has no mask, or two images have one name.
    """
    folder, masks = root / name, root / MASKS_FOLDER / name
    if not folder.is_dir():
        raise ValueError(f"there must be a folder {folder} of images and a folder {masks} of masks")
    images = find_images(folder)
    if not images.names:
        came = ", ".join(map(str, images.left_out)) or "none"
        raise ValueError(f"{folder} must hold images ({', '.join(sorted(image_suffixes()))}), got {came}")
    of_masks = find_images(masks) if masks.is_dir() else None
    known = {} if of_masks is None else {_stem(each): each for each in of_masks.names if _is_mask(each)}
    twice = [stem for stem, number in Counter(map(_stem, images.names)).items() if number > 1]
    if twice:
        raise ValueError(f"each mask of {masks} must be of one image, got several named {twice[0]} in {folder}")
    pairs = tuple(Pair(folder / each, masks / known.get(_stem(each), f"{_bare(each)}.png")) for each in images.names)
    for pair in pairs:
        if not pair.mask.is_file():
            raise ValueError(f"{pair.image} must have a mask {pair.mask}, got none")
    parts = [(f"{name}/", images.left_out)]
    if of_masks is not None:
        used = {known[_stem(each)] for each in images.names}
        alone = [each for each in of_masks.names if each not in used]
        unpaired = [LeftOut("masks without an image", len(alone), tuple(alone[:3]))] if alone else []
        parts.append((f"{MASKS_FOLDER}/{name}/", (*unpaired, *of_masks.left_out)))
    return FoundPairs(pairs, join_left_out(parts))


def _is_mask(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == _MASK_SUFFIX


def _bare(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _stem(name: str) -> str:
    """The name without suffix, by which images and masks are paired."""
    return composed(_bare(name))
