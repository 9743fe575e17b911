"""ADE20K's scene parsing benchmark (1608.05442) as it is downloaded: 150 classes, 0 for other pixels."""

from __future__ import annotations

from pathlib import Path

from nas.data.image_files import find_images
from nas.downstream.segmentation.classes import Classes
from nas.downstream.segmentation.layout import Layout, Split, pair_files, refuse_sets
from nas.downstream.segmentation.pairs import FoundPairs

_FOLDER = "ADEChallengeData2016"
_SPLITS = {"train": "training", "val": "validation"}
_NAMES = tuple(
    """
wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, sidewalk, person, earth, door,
table, mountain, plant, curtain, chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard,
chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs, runway,
case, pool table, pillow, screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet, flower,
book, hill, bench, countertop, stove, palm, kitchen island, computer, swivel chair, boat, bar, arcade machine,
hovel, bus, towel, light, truck, tower, chandelier, awning, streetlight, booth, television, airplane, dirt track,
apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage, van, ship, fountain,
conveyer belt, canopy, washer, plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike,
cradle, oven, ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen,
blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate, monitor,
bulletin board, shower, radiator, glass, clock, flag
""".replace("\n", " ")
    .strip()
    .split(", ")
)
"""The first name of each class in objectInfo150.txt; masks hold 1 to 150."""


def _inner(root: Path) -> Path:
    return root / _FOLDER if (root / _FOLDER).is_dir() else root


def _find(root: Path, split: Split, sets: tuple[str, ...] | None) -> FoundPairs:
    refuse_sets("ADE20K", sets)
    folders = [_inner(root) / kind / _SPLITS[split] for kind in ("images", "annotations")]
    images, masks = folders
    if not images.is_dir() or not masks.is_dir():
        raise ValueError(f"there must be a folder {images} of images and a folder {masks} of masks")
    found = find_images(images)
    pairs = ((images / name, (masks / name).with_suffix(".png")) for name in found.names)
    return pair_files(images, pairs, found.left_out, masks=[masks / name for name in find_images(masks).names])


ADE20K = Layout(
    "ADE20K",
    lambda root: (_inner(root) / "images" / "training").is_dir() and (_inner(root) / "annotations").is_dir(),
    _find,
    Classes(tuple(range(1, len(_NAMES) + 1)), _NAMES, unlabelled=0),
    frozenset({0}),
)
