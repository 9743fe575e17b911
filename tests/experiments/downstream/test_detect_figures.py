import dataclasses

import numpy as np
from PIL import Image

from experiments.downstream.detect_figures import draw_curves, draw_pictures
from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.checkpoint import DetectorDescription, save_detector
from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.settings import DetectionData, DetectorSettings, ImageForm
from nas.downstream.recipe import DenseRecipe
from nas.fidelity import NetworkSpec

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))


def make_record(iteration, ap=None):
    losses = {"loss": 2 / iteration, "loss_classifier": 1 / iteration, "loss_rpn_box_reg": 1 / iteration}
    record = {"iteration": iteration, **losses, "learning_rate": 0.1, "seconds": 1.0}
    return (
        record
        if ap is None
        else {**record, "evaluation": {"box": {"ap": ap, "ap50": None}, "mask": {"ap": ap, "ap50": 1}}}
    )


def test_curves_are_drawn_also_where_there_is_nothing_to_be_found(tmp_path):
    records = [make_record(10), make_record(20, 0.1), make_record(30, 0.5)]
    draw_curves(records, tmp_path / "ap.png", title="run")
    first = (tmp_path / "ap.png").read_bytes()
    draw_curves([*records[:2], make_record(30, 0.1)], tmp_path / "other.png", title="run")
    assert np.asarray(Image.open(tmp_path / "ap.png")).shape[:2] == (640, 1680)
    assert (tmp_path / "other.png").read_bytes() != first


def test_pictures_show_what_is_there_beside_what_is_found(coco_folder, tmp_path):
    settings = DetectorSettings(norm="gn", masks=True, channels=8, features=16, min_stride=2, test_proposals=10)
    data = load_detection_data(DetectionData(root=str(coco_folder)), masks=True).train
    form = ImageForm(tuple(data.categories.items()), scales=(40,), max_side=72)
    description = DetectorDescription(
        Architecture(CELL, CELL), NetworkSpec(num_filters=4, num_repeats=1, num_stages=3), settings, form
    )
    network = description.build(seed=0)
    save_detector(tmp_path / "detector.safetensors", network, description)
    data = dataclasses.replace(data, images=data.images[:2])
    paths = draw_pictures(tmp_path / "detector.safetensors", data, tmp_path / "drawn", recipe=DenseRecipe(device="cpu"))
    assert [path.name for path in paths] == ["000001.png", "000002.png"]
    pixels = np.asarray(Image.open(paths[0]).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)
    assert red[:, : pixels.shape[1] // 2].any()
    assert red[:, pixels.shape[1] // 2 :].any()
