"""`nas segment` from its configuration to its files."""

import io
import json

import pytest
from rich.console import Console

from experiments.config.resolve import ConfigRequest
from experiments.downstream.inputs import BackboneRequest
from experiments.downstream.segment import domain_table, run_segment
from nas.downstream.segmentation.checkpoint import load_segmenter
from workers.cluster.resources import WorkerResources

PLACES = {"test_data": ("test", "root"), "seed": ("segmentation", "seed"), "workers": ("workers", "num_workers")}


@pytest.fixture
def run(segmentation_config, segmentation_folder, small_cells, tmp_path):
    """Trains a segmenter with settings; options may be changed or, with None, left out."""

    def run(*settings, backbone=small_cells, data=segmentation_folder, **options):
        console = Console(file=io.StringIO(), width=160)
        changes = {("data", "root"): data} | {PLACES[name]: value for name, value in options.items()}
        request = ConfigRequest(str(segmentation_config), changes, settings)
        asked = BackboneRequest(None if backbone is None else str(backbone))
        assert run_segment(request, asked, tmp_path / "out", console) == 0
        return console.file.getvalue()

    return run


def test_a_training_is_shown_measured_and_resumed(run, segmentation_folder, tmp_path):
    said = run(test_data=segmentation_folder)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files >= {
        "config.yaml",
        "architecture.json",
        "environment.json",
        "metrics.jsonl",
        "result.json",
        "domains.json",
        "curves.png",
        "pictures.png",
        "segmenter.safetensors",
    }
    for expected in (
        "iteration 6 of 6",
        "fcn head at output stride 2",
        "validation: mean IoU",
        "the most frequent class everywhere",
        "share of the pixels",
        "validation, add_red at severity 3",
        "val of data",
    ):
        assert expected in said
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    domains = json.loads((tmp_path / "out" / "domains.json").read_text())
    assert list(domains) == ["validation", "training", "val of data", "add_red"]
    assert domains["validation"]["iou"] == result["evaluation"]["iou"]  # the file of weights says the same
    assert domains["val of data"]["iou"] == result["evaluation"]["iou"]
    assert load_segmenter(tmp_path / "out" / "segmenter.safetensors")[1].sides == (20, 60)
    before = (tmp_path / "out" / "segmenter.safetensors").stat().st_mtime_ns
    again = run(backbone=None, data=None)
    assert "iteration" not in again
    assert (tmp_path / "out" / "segmenter.safetensors").stat().st_mtime_ns == before


def test_what_a_kill_at_the_very_end_left_out_is_made_up_for(run, tmp_path):
    run()
    for name in ("curves.png", "pictures.png", "domains.json"):
        (tmp_path / "out" / name).unlink()
    assert "iteration" not in run()
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"curves.png", "pictures.png", "domains.json"}


def test_a_backbone_that_does_not_fit_is_said_before_there_is_a_folder(run, tmp_path):
    with pytest.raises(ValueError, match="must have at least 4 channels"):
        run("network.num_filters=2", "network.num_stages=1")
    assert not (tmp_path / "out").exists()


def test_another_seed_needs_another_folder(run):
    run()
    with pytest.raises(ValueError, match=r"segmentation\.seed: 3 in the folder, 4 requested"):
        run(seed=4)


def test_bad_pictures_are_said_before_there_is_a_folder(run, segmentation_folder, tmp_path):
    (segmentation_folder / "semantic" / "val" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"1\.jpg must have a mask"):
        run()
    assert not (tmp_path / "out").exists()


def test_a_class_that_is_nowhere_has_no_share():
    scores = {"mean_iou": 0.5, "pixel_accuracy": 0.5, "look": None}
    assert domain_table({"validation": scores}).row_count == 1


def test_several_workers_are_given_plan_and_pictures(run, tmp_path, monkeypatch):
    """That they share batches and pictures is tested where they do."""
    from workers.jobs import data_parallel

    seen = []

    def train_in_parallel(work, out, settings, after_record, *, train):
        seen.append(settings)
        train(work, out)
        after_record([json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()])
        return json.loads((out / "result.json").read_text())

    monkeypatch.setattr(data_parallel, "train_in_parallel", train_in_parallel)
    said = run("workers.gpus=0", "workers.cpus=0.5", "test.shifts=[]", workers=2)
    assert seen == [data_parallel.ParallelWorkers(2, WorkerResources(cpus=0.5), None)]
    assert "resuming after iteration 6 of 6" in said
    assert (tmp_path / "out" / "segmenter.safetensors").is_file()


def test_street_scenes_are_tested_across_domains(run, cityscapes_folder, gta5_folder, tmp_path):
    said = run("test.training=false", data=cityscapes_folder, test_data=gta5_folder)
    assert "4 training images, 2 validation images, 19 classes" in said
    domains = json.loads((tmp_path / "out" / "domains.json").read_text())
    assert list(domains) == ["validation", "val of gta5", "add_red"]
    assert domains["val of gta5"]["pixels"][0] == 24 * 8  # road, in a fifth of one image
    classes = load_segmenter(tmp_path / "out" / "segmenter.safetensors")[1].classes
    assert (classes.values[:2], classes.names[:2]) == ((7, 8), ("road", "sidewalk"))


def test_more_views_at_test_time_are_measured_again(run, tmp_path):
    run()
    path = tmp_path / "out" / "domains.json"
    plain = json.loads(path.read_text())
    run("test.scales=[0.75,1,1.25]", "test.flip=true")
    views = json.loads(path.read_text())
    assert "views" not in plain["validation"]
    assert views["validation"]["views"] == {"scales": [0.75, 1, 1.25], "flip": True}
    assert views["validation"]["iou"] != plain["validation"]["iou"]
    run()
    assert json.loads(path.read_text()) == plain
