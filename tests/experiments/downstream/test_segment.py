"""`nas segment` from its configuration to its files."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from experiments.downstream.inputs import DenseOptions
from experiments.downstream.segment import domain_table, run_segment
from nas.downstream.segmentation.checkpoint import load_segmenter


def run(source, options, test_data=None):
    console = Console(file=io.StringIO(), width=160)
    assert run_segment(str(source), options, console, test_data=test_data) == 0
    return console.file.getvalue()


@pytest.fixture
def options(segmentation_folder, small_cells, tmp_path):
    return DenseOptions(str(small_cells), data=segmentation_folder, out=tmp_path / "out")


def test_a_training_is_shown_measured_and_gone_on_with(segmentation_config, options, segmentation_folder, tmp_path):
    said = run(segmentation_config, options, segmentation_folder)
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
        "saying everywhere what is most frequent",
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
    assert load_segmenter(tmp_path / "out" / "segmenter.safetensors").sides == (20, 60)
    before = (tmp_path / "out" / "segmenter.safetensors").stat().st_mtime_ns
    again = run(segmentation_config, DenseOptions(out=tmp_path / "out"))
    assert "iteration" not in again
    assert (tmp_path / "out" / "segmenter.safetensors").stat().st_mtime_ns == before


def test_what_a_kill_at_the_very_end_left_out_is_made_up_for(segmentation_config, options, tmp_path):
    run(segmentation_config, options)
    for name in ("curves.png", "pictures.png", "domains.json"):
        (tmp_path / "out" / name).unlink()
    assert "iteration" not in run(segmentation_config, options)
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"curves.png", "pictures.png", "domains.json"}


def test_a_backbone_that_does_not_fit_is_said_before_there_is_a_folder(segmentation_config, options, tmp_path):
    narrow = dataclasses.replace(options, settings=("network.num_filters=2", "network.num_stages=1"))
    with pytest.raises(ValueError, match="divides the channels of a stage by 4"):
        run(segmentation_config, narrow)
    assert not (tmp_path / "out").exists()


def test_another_seed_needs_another_folder(segmentation_config, options):
    run(segmentation_config, options)
    with pytest.raises(ValueError, match=r"segmentation\.seed: 3 in the folder, 4 asked for"):
        run(segmentation_config, dataclasses.replace(options, seed=4))


def test_bad_pictures_are_said_before_there_is_a_folder(segmentation_config, options, segmentation_folder, tmp_path):
    (segmentation_folder / "semantic" / "val" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"1\.jpg must have a mask"):
        run(segmentation_config, options)
    assert not (tmp_path / "out").exists()


def test_a_class_that_is_nowhere_has_no_share():
    scores = {"mean_iou": 0.5, "pixel_accuracy": 0.5, "look": None}
    assert domain_table({"validation": scores}).row_count == 1


def test_several_workers_are_given_plan_and_pictures(segmentation_config, options, tmp_path, monkeypatch):
    """That they share batches and pictures is tested where they do."""
    from workers.jobs import data_parallel

    seen = []

    def train_in_parallel(work, out, settings, after_record, *, train):
        seen.append(settings)
        train(work, out)
        after_record([json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()])
        return json.loads((out / "result.json").read_text())

    monkeypatch.setattr(data_parallel, "train_in_parallel", train_in_parallel)
    settings = ("workers.gpus=0", "workers.cpus=0.5", "test.shifts=[]")
    said = run(segmentation_config, dataclasses.replace(options, workers=2, settings=settings))
    assert seen == [data_parallel.ParallelWorkers(2, 0.5, 0, None)]
    assert "goes on after iteration 6 of 6" in said
    assert (tmp_path / "out" / "segmenter.safetensors").is_file()
