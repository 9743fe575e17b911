from __future__ import annotations

import gc
import os
import re
import signal
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: several processes with a thread a core each
# would wait for one another, which takes many times as long

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, its children too

STARTS_RAY = re.compile(r"\bray_cluster\b|mark\.ray\b")
"""What a file holds whose tests use Ray: the fixture, or the mark where a test starts a Ray of its own."""


gc.disable()  # until all tests are collected: imports leave little garbage, and the search for it is slow


def pytest_collection_finish():
    """Collects garbage again, now that all is imported."""
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several processes, one of them gets all files that use Ray, so that Ray is started once."""
    from xdist.scheduler import LoadFileScheduling

    class OneRay(LoadFileScheduling):
        def _split_scope(self, nodeid):
            path = nodeid.split("::", 1)[0]
            return "ray" if STARTS_RAY.search(Path(config.rootpath, path).read_text()) else path

    return OneRay(config, log)


SLOW = (
    "chaos",
    "controllers/test_policy.py",
    "controllers/test_ppo.py",
    "controllers/test_reinforce.py::test_learns_whatever_the_scale_of_rewards",
    "experiments/architectures",
    "experiments/benchmark",
    "experiments/cli/test_architectures.py",
    "experiments/comparison",
    "experiments/downstream",
    "experiments/guide",
    "experiments/library",
    "experiments/robustness",
    "experiments/search/test_final_draws.py",
    "experiments/search/test_run.py",
    "experiments/study",
    "experiments/test_command_contract.py",
    "experiments/test_demo.py",
    "experiments/tournament",
    "experiments/training",
    "experiments/watch/test_analysis.py",
    "experiments/watch/test_browser.py",
    "nas/data/test_image_cache.py::test_two_processes_may_build_at_once",
    "nas/downstream",
    "nas/export",
    "nas/models/test_build.py",
    "nas/models/test_complexity.py",
    "nas/models/imports",
    "nas/models/reference",
    "nas/models/test_classifier_norm.py",
    "nas/models/test_densenet.py",
    "nas/models/test_edge_network.py",
    "nas/models/test_network.py",
    "nas/models/test_operations.py",
    "nas/models/test_published_networks.py",
    "nas/models/test_resnet.py",
    "nas/models/test_scaling.py",
    "nas/scores",
    "nas/sharing",
    "nas/test_architecture.py",
    "nas/test_public_names.py",
    "nas/training",
    "test_extending.py",
    "test_gpu_benchmark.py",
    "test_hostile_files.py",
    "workers",
)
"""Folders, files and tests that train or take more than about a second."""


def pytest_collection_modifyitems(items):
    """Marks tests by where they are and what they use."""
    slow = tuple(f"tests/{start}" for start in SLOW)
    for item in items:
        if item.nodeid.startswith(slow):
            item.add_marker("slow")
        for fixture, mark in (("ray_cluster", "ray"), ("real_data", "real_data")):
            if fixture in item.fixturenames:
                item.add_marker(mark)


def pytest_runtest_setup(item):
    """Skips tests marked `gpu` where torch finds no GPU."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def _signals():
    """Restores signal handlers: Ray Tune leaves its own behind, which would swallow the Ctrl-C of a later test."""
    try:
        from workers.cluster.signals import kept_signals
    except ImportError:  # without Ray, as on a machine that only runs the tests of the GPU, nothing replaces them
        yield
        return
    with kept_signals():
        yield


@pytest.fixture(scope="session")
def ray_cluster():
    """Starts Ray once for the test session: 2 CPUs, 2 logical GPUs, servers on loopback, no dashboard."""
    from workers.cluster.connection import connect

    with connect(num_cpus=2, num_gpus=2):
        yield


@pytest.fixture(scope="session")
def _calibrations(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("calibrations")


@pytest.fixture
def calibrated(_calibrations, monkeypatch) -> Path:
    """The cache folder of tests that measure latency, with quick calibrations shared by the whole session."""
    from nas.latency import calibration

    monkeypatch.setenv("NAS_CACHE", str(_calibrations))
    monkeypatch.setattr(calibration, "SECONDS", 0.05)
    return _calibrations


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Returns the folder of real data, from NAS_DATA or beside the project; skips the test if there is none."""
    folder = Path(os.environ.get("NAS_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if folder.is_dir():
        return folder
    reason = f"no folder of real data at {folder}; set NAS_DATA"
    if os.environ.get("NAS_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def segmentation_folder(tmp_path) -> Path:
    """Images with masks: half red (value 1), half blue (value 3), a green stripe (value 7), an unlabelled edge."""
    import numpy as np
    from PIL import Image

    colours = {0: (90, 90, 90), 1: (220, 30, 30), 3: (30, 30, 220), 7: (30, 220, 30)}
    random = np.random.default_rng(0)
    for split, number in (("train", 4), ("val", 2)):
        for index in range(number):
            mask = np.ones((20 + index, 30), dtype=np.uint8)
            mask[:, 12 + index :] = 3
            mask[4:9] = 7
            mask[:2] = 0
            image = np.array([colours.get(value, (0, 0, 0)) for value in range(8)], dtype=np.uint8)[mask]
            noise = random.integers(0, 30, image.shape, dtype=np.uint8)
            for folder in (tmp_path / "data" / split, tmp_path / "data" / "semantic" / split):
                folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image + noise).save(tmp_path / "data" / split / f"{index}.jpg", quality=95)
            Image.fromarray(mask).save(tmp_path / "data" / "semantic" / split / f"{index}.png")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def _coco_original(tmp_path_factory) -> Path:
    """See `coco_folder`; tests get copies of it."""
    import json

    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp("coco")
    colours = {3: (220, 40, 40), 17: (40, 200, 60), 90: (50, 60, 220)}
    random = np.random.default_rng(0)
    for split, number in (("train", 4), ("val", 2)):
        images, annotations = [], []
        for image in range(1, number + 1):
            width, height = 80 + 4 * image, 64
            pixels = random.integers(90, 130, (height, width, 3), dtype=np.uint8)
            for place, category in enumerate(colours):
                if image == 2 and category == 90:
                    continue
                x, y, side = 4 + 26 * place, 6 + 5 * image, 20 + image
                pixels[y : y + side, x : x + side] = colours[category]
                polygon = [x, y, x + side, y, x + side, y + side, x, y + side]
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": 10 * image, "category_id": category, "iscrowd": 0}
                    | {"bbox": [x, y, side, side], "area": side**2, "segmentation": [polygon]}
                )
            name = f"{image:06}.jpg"
            (root / split).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / split / name, quality=95)
            images.append({"id": 10 * image, "file_name": name, "width": width, "height": height})
        crowd = np.zeros((64, 84), int)
        crowd[50:60, 10:70] = 1
        runs = np.flatnonzero(np.diff(np.concatenate([[0], crowd.flatten("F"), [2]]))) if crowd.any() else []
        counts = np.diff(np.concatenate([[0], runs])).tolist()
        annotations.append(
            {"id": len(annotations) + 1, "image_id": 10, "category_id": 17, "iscrowd": 1, "bbox": [10, 50, 60, 10]}
            | {"area": 600, "segmentation": {"size": [64, 84], "counts": counts}}
        )
        categories = [{"id": number, "name": name} for number, name in ((3, "red"), (17, "green"), (90, "blue"))]
        value = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(value))
    return root


@pytest.fixture
def coco_folder(_coco_original, tmp_path) -> Path:
    """Four training and two validation images in COCO's layout: squares in three colours, and a crowd.

    The ids of the categories have gaps: 3, 17 and 90.
    """
    import shutil

    return shutil.copytree(_coco_original, tmp_path / "coco")


@pytest.fixture
def segmentation_config(tmp_path) -> Path:
    """The configuration of a training run of seconds, for the images of `segmentation_folder`."""
    path = tmp_path / "small_segmenter.yaml"
    path.write_text(
        "segmentation: {seed: 3}\n"
        "network: {num_filters: 8, num_repeats: 1, num_stages: 2}\n"
        "head: {kind: fcn}\n"
        "recipe: {iterations: 6, batch_size: 4, learning_rate: 0.05, reference_batch: 0, schedule: polynomial,\n"
        "  warmup_iterations: 1, scales: [16, 24, 20], max_side: 60, record_iterations: 2, checkpoint_iterations: 2,\n"
        "  device: cpu}\n"
        "data: {crop: 16}\n"
        "test: {shifts: [add_red]}\n"
    )
    return path


@pytest.fixture
def small_cells(tmp_path) -> Path:
    """The file of a very small architecture."""
    import json

    from nas.architecture import Architecture, Block, Cell, Edge

    cell = Cell((Block(Edge(0, "conv_3x3"), Edge(1, "identity")),))
    path = tmp_path / "cells.json"
    path.write_text(json.dumps(Architecture(cell, cell).to_json()))
    return path


@pytest.fixture
def counted_nodes(monkeypatch):
    """Collects an item for each node that searches for canonical forms visit: a measure of time for all machines."""
    from nas import canonical

    nodes, descend = [], canonical._Search.descend

    def counted(search, *arguments):
        nodes.append(None)
        return descend(search, *arguments)

    monkeypatch.setattr(canonical._Search, "descend", counted)
    return nodes


VOC_SETS = {
    "VOC2007": {"train": ["000005", "000007"], "val": ["000009"], "test": ["000001", "000002"]},
    "VOC2012": {"train": ["2008_000008", "2008_000015"], "val": ["2008_000002", "2008_000003"]},
}
_VOC_XML = """<annotation>
\t<folder>{year}</folder>
\t<filename>{name}.jpg</filename>
\t<source>
\t\t<database>The VOC Database</database>
\t\t<annotation>PASCAL {year}</annotation>
\t\t<image>flickr</image>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>1</segmented>
{objects}</annotation>
"""
_VOC_OBJECT = """\t<object>
\t\t<name>{name}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>{difficult}</difficult>
\t\t<bndbox>
\t\t\t<xmin>{0}</xmin>
\t\t\t<ymin>{1}</ymin>
\t\t\t<xmax>{2}</xmax>
\t\t\t<ymax>{3}</ymax>
\t\t</bndbox>
\t\t<part>
\t\t\t<name>head</name>
\t\t\t<bndbox>
\t\t\t\t<xmin>1</xmin>
\t\t\t\t<ymin>1</ymin>
\t\t\t\t<xmax>2</xmax>
\t\t\t\t<ymax>2</ymax>
\t\t\t</bndbox>
\t\t</part>
\t</object>
"""


@pytest.fixture
def voc_folder(tmp_path) -> Path:
    """A ``VOCdevkit`` of 2007 and 2012 as it is unpacked: a dog, a person and a difficult person in each image."""
    import numpy as np
    from PIL import Image

    random, root = np.random.default_rng(0), tmp_path / "VOCdevkit"
    palette = voc_palette()
    for year, sets in VOC_SETS.items():
        folder = root / year
        for part in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
            (folder / part).mkdir(parents=True)
        for task in ("Main", "Segmentation"):
            lists = {**sets, "trainval": sorted(sets["train"] + sets["val"])}
            for name, images in lists.items():
                (folder / "ImageSets" / task / f"{name}.txt").write_text("".join(f"{each}\n" for each in images))
        for place, name in enumerate(sorted({each for images in sets.values() for each in images})):
            width, height = 60 + place, 48
            boxes = [("dog", 0, (5, 6, 24 + place, 30)), ("person", 0, (30, 8, 50, 40)), ("person", 1, (52, 2, 58, 9))]
            pixels = random.integers(90, 130, (height, width, 3), dtype=np.uint8)
            mask = np.zeros((height, width), dtype=np.uint8)
            for (kind, _, (left, top, right, bottom)), colour in zip(boxes, (200, 30, 40), strict=True):
                inside = slice(top - 1, bottom), slice(left - 1, right)
                pixels[inside], mask[inside] = colour, {"dog": 12, "person": 15}[kind]
                mask[top - 1, left - 1 : right] = 255
            Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.jpg", quality=95)
            image = Image.fromarray(mask)
            image.putpalette(palette)
            image.save(folder / "SegmentationClass" / f"{name}.png")
            objects = "".join(_VOC_OBJECT.format(*box, name=kind, difficult=hard) for kind, hard, box in boxes)
            text = _VOC_XML.format(year=year, name=name, width=width, height=height, objects=objects)
            (folder / "Annotations" / f"{name}.xml").write_text(text)
    return root


def voc_palette() -> list[int]:
    """Colours of the values 0 to 255 in Pascal VOC's masks, from their bits as in the devkit's VOClabelcolormap.m."""
    colours = []
    for number in range(256):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        colours += colour
    return colours


def paint(image_path, mask_path, mask, *, palette=None, seed=0):
    """Saves a mask, and an image in which each value of the mask has its own grey."""
    import numpy as np
    from PIL import Image

    for path in (image_path, mask_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 20, (*mask.shape, 3), dtype=np.uint8)
    Image.fromarray(noise + (mask.astype(int) * 37 % 200)[..., None].astype(np.uint8)).save(image_path)
    image = Image.fromarray(mask)
    if palette is not None:
        image.putpalette(palette)
    image.save(mask_path)


def stripes(*values, height=24, width=40):
    """A mask of vertical stripes of equal width."""
    import numpy as np

    return np.repeat(np.array(values, dtype=np.uint8), -(-width // len(values)))[None, :width].repeat(height, 0)


@pytest.fixture
def cityscapes_folder(tmp_path) -> Path:
    """Cityscapes as it is unpacked: road, car, sky, and the ignored ids 1 (ego vehicle) and 4 (static)."""
    root = tmp_path / "cityscapes"
    for split, cities in (("train", ("aachen", "bochum")), ("val", ("frankfurt",)), ("test", ("berlin",))):
        for city in cities:
            for frame in range(2):
                name = f"{city}/{city}_{frame:06}_000019"
                masks = root / "gtFine" / split
                image = root / "leftImg8bit" / split / f"{name}_leftImg8bit.png"
                paint(image, masks / f"{name}_gtFine_labelIds.png", stripes(7, 26, 23, 1, 4), seed=frame)
                for other in ("color", "instanceIds"):
                    (masks / f"{name}_gtFine_{other}.png").write_bytes(b"not read")
                (masks / f"{name}_gtFine_polygons.json").write_text("{}")
    return root


@pytest.fixture
def gta5_folder(tmp_path) -> Path:
    """GTA5 as it is unpacked: masks with Cityscapes' colours as palette, and the split of its authors."""
    import numpy as np
    from scipy.io import savemat

    from nas.downstream.segmentation.street_scenes import TRAIN_IDS

    root, palette = tmp_path / "gta5", [0] * 768
    for label, (_, colour) in TRAIN_IDS.items():
        palette[3 * label : 3 * label + 3] = colour
    for number in range(1, 6):
        mask = stripes(7, 26, 23, 0, 34)
        paint(root / "images" / f"{number:05}.png", root / "labels" / f"{number:05}.png", mask, palette=palette)
    splits = {"trainIds": [[1], [2], [3]], "valIds": [[4]], "testIds": [[5]]}
    savemat(root / "split.mat", {name: np.array(each, dtype=np.uint16) for name, each in splits.items()})
    return root


@pytest.fixture
def ade20k_folder(tmp_path) -> Path:
    """The folder of ADE20K's scene parsing benchmark as it is unpacked: wall, building, flag and other pixels."""
    root = tmp_path / "ADEChallengeData2016"
    for split, short, number in (("training", "train", 3), ("validation", "val", 2)):
        for index in range(1, number + 1):
            name = f"ADE_{short}_{index:08}"
            image = root / "images" / split / f"{name}.jpg"
            paint(image, root / "annotations" / split / f"{name}.png", stripes(0, 1, 2, 150))
    (root / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n")
    (root / "sceneCategories.txt").write_text("")
    return root
