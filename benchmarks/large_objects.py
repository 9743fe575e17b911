"""Writes a folder of COCO's layout again with the large objects of some categories only, for studies of few images.

    python benchmarks/large_objects.py FOLDER OUT --categories person --min-share 0.02

Smaller objects of these categories become crowds, which are neither trained on nor counted as errors. Training images
without a large object are left out, validation images all stay.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any


def keep_large(document: Mapping[str, Any], names: Collection[str], min_share: float) -> dict[str, Any]:
    """Returns annotations with the categories of these names, whose small objects are crowds.

    Args:
        document: COCO's annotations of a split.
        names: of the categories that stay.
        min_share: smallest share of the image's area that the box of a large object covers.
    """
    categories = [each for each in document["categories"] if each["name"] in names]
    area = {each["id"]: each["width"] * each["height"] for each in document["images"]}
    ids = {each["id"] for each in categories}
    annotations = [dict(each) for each in document["annotations"] if each["category_id"] in ids]
    for each in annotations:
        _, _, width, height = each["bbox"]
        if width * height < min_share * area[each["image_id"]]:
            each["iscrowd"] = 1
        each.pop("segmentation", None)
    return {**document, "categories": categories, "annotations": annotations}


def write_large(root: Path, out: Path, names: Collection[str], min_share: float) -> tuple[int, int]:
    """Writes both splits; returns the number of training images and of their large objects."""
    (out / "annotations").mkdir(parents=True, exist_ok=True)
    for split in ("val", "train"):
        name = f"instances_{split}.json"
        document = keep_large(json.loads((root / "annotations" / name).read_text()), names, min_share)
        shown = {each["image_id"] for each in document["annotations"] if not each["iscrowd"]}
        if split == "train":
            document["images"] = [each for each in document["images"] if each["id"] in shown]
            document["annotations"] = [each for each in document["annotations"] if each["image_id"] in shown]
        (out / "annotations" / name).write_text(json.dumps(document))
        (out / split).mkdir(exist_ok=True)
        for image in document["images"]:
            shutil.copyfile(root / split / image["file_name"], out / split / image["file_name"])
    return len(document["images"]), sum(not each["iscrowd"] for each in document["annotations"])


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--categories", nargs="+", default=["person"])
    parser.add_argument("--min-share", type=float, default=0.02)
    given = parser.parse_args()
    images, objects = write_large(given.folder, given.out, given.categories, given.min_share)
    print(f"{images} training images with {objects} large objects of {', '.join(given.categories)} in {given.out}")


if __name__ == "__main__":
    main()
