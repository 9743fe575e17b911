"""`nas detect` as a person uses it, on squares in three colours."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import yaml

from nas.architecture import Architecture, Block, Cell, Edge

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
CONFIG = {
    "detection": {"seed": 3},
    "network": {"num_filters": 4, "num_repeats": 1, "num_stages": 3},
    "detector": {
        "norm": "gn",
        "channels": 8,
        "features": 16,
        "min_stride": 2,
        "train_proposals": 40,
        "test_proposals": 20,
        "rpn_batch": 32,
        "roi_batch": 16,
        "min_score": 0.01,
    },
    "recipe": {
        "iterations": 6,
        "batch_size": 2,
        "learning_rate": 0.02,
        "cuts": [2],
        "warmup_iterations": 1,
        "scales": [40],
        "max_side": 72,
        "record_iterations": 2,
        "checkpoint_iterations": 2,
        "evaluation_iterations": 4,
        "device": "cpu",
    },
}


@pytest.fixture
def arrange(tmp_path, coco_folder):
    """The words of a command that trains a tiny detector into a folder."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "cells.json").write_text(json.dumps(Architecture(CELL, CELL).to_json()))

    def words(out, *more, backbone=True):
        named = ["--backbone", tmp_path / "cells.json"] if backbone else []
        return ["detect", tmp_path / "config.yaml", *named, "--data", coco_folder, "--out", tmp_path / out, *more]

    return words


def test_a_detector_is_trained_and_shown_and_trained_no_more(arrange, run_cli, tmp_path):
    code, out, err = run_cli(*arrange("run"))
    assert (code, err) == (0, "")
    assert "iteration 4 of 6: " in out
    assert re.search(r"box on 2 images \(val\): AP [0-9.]+, AP50 [0-9.]+, AP75 .*, of large objects none", out)
    folder = tmp_path / "run"
    assert {path.name for path in folder.iterdir()} >= {
        "ap.png",
        "architecture.json",
        "config.yaml",
        "detector.safetensors",
        "environment.json",
        "metrics.jsonl",
        "pictures",
        "result.json",
        "state.safetensors",
    }
    assert {path.name for path in (folder / "pictures").iterdir()} == {"000001.png", "000002.png"}
    result = json.loads((folder / "result.json").read_text())
    assert len(result["evaluation"]["box"]) == 6
    before = (folder / "state.safetensors").stat().st_mtime_ns
    code, out, _ = run_cli(*arrange("run", backbone=False))
    assert code == 0
    assert "iteration" not in out
    assert (folder / "state.safetensors").stat().st_mtime_ns == before
    (folder / "ap.png").unlink()  # as after a kill at the very end
    assert run_cli(*arrange("run"))[0] == 0
    assert (folder / "ap.png").exists()
    code, _, err = run_cli(*arrange("run", "--set", "detector.features=20"))
    assert code == 2
    assert "holds a run with another configuration (detector.features: 16 in the folder, 20 requested)" in err


def test_a_detector_that_was_killed_goes_on_to_the_same_weights(arrange, run_cli, tmp_path):
    longer = ("--set", "recipe.iterations=16")
    assert run_cli(*arrange("alone", *longer))[0] == 0
    words = [sys.executable, "-m", "experiments.cli", *(str(word) for word in arrange("killed", *longer))]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True)
    with process:
        for line in process.stdout:
            if line.startswith("iteration 4 of"):
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.json").exists()
    code, out, _ = run_cli(*arrange("killed", *longer))
    assert code == 0
    assert "resuming after iteration" in out
    for name in ("state.safetensors", "detector.safetensors"):
        assert tensors(tmp_path / "killed" / name) == tensors(tmp_path / "alone" / name)
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("alone", "killed")]
    assert results[0]["evaluation"] == results[1]["evaluation"]


def tensors(path):
    from safetensors.torch import load_file

    return {name: value.numpy().tobytes() for name, value in load_file(path).items()}


def test_masks_are_measured_too(arrange, run_cli, tmp_path):
    words = arrange("masks", "--set", "detector.masks=true", "--set", "data.evaluate=train")
    code, out, _ = run_cli(*words)
    assert code == 0
    assert "mask on 4 images (train): AP " in out
    assert "loss_mask" in (tmp_path / "masks" / "metrics.jsonl").read_text()
    weights = tmp_path / "masks" / "detector.safetensors"
    before = weights.stat().st_mtime_ns
    more = ["--set", "test.scales=[32,40]", "--set", "test.flip=true"]
    code, out, err = run_cli(*words, *more)
    assert (code, err) == (0, "")
    assert "mask in views of 32, 40 pixels, mirrored too: AP " in out
    assert json.loads((tmp_path / "masks" / "views.json").read_text())["views"] == {"scales": [32, 40], "flip": True}
    assert weights.stat().st_mtime_ns == before


def test_a_batch_of_one_trains_with_group_norm(arrange, run_cli):
    code, out, _ = run_cli(*arrange("one", "--set", "recipe.batch_size=1", "--set", "recipe.reference_batch=0"))
    assert code == 0
    assert "box AP" in out


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


BAD_DATA = {
    "annotation of a missing image": (
        lambda value: value["annotations"][0].update(image_id=99),
        "annotation 1 must be of a listed image, got image_id 99",
    ),
    "box outside its image": (
        lambda value: value["annotations"][1].update(bbox=[90, 70, 30, 30]),
        "annotation 2 of image 10 (000001.jpg): its box",
    ),
    "box of no size": (
        lambda value: value["annotations"][1].update(bbox=[8, 6, 0, 3]),
        "a width and a height of at least",
    ),
    "category that is not listed": (
        lambda value: value["annotations"][2].update(category_id=5),
        "annotation 3 must be of a listed category, got category_id 5",
    ),
    "image file of another size": (lambda value: value["images"][1].update(width=99), "image 20: "),
}


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_annotations_are_one_line_with_file_and_id(arrange, run_cli, coco_folder, tmp_path, name, split):
    change, message = BAD_DATA[name]
    edit(coco_folder / "annotations" / f"instances_{split}.json", change)
    code, _, err = run_cli(*arrange("run"))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert f"instances_{split}.json" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "network.num_stages=1"), "a feature pyramid needs at least two maps, each of twice the stride"),
        (("--set", "detector.min_stride=4"), "got strides 4 of the backbone's 1, 2, 4"),
        (("--set", "detector.norm=frozen_bn"), "needs the statistics of a trained backbone, got none"),
        (("--set", "data.num_train=9"), "data.num_train must be at most 4"),
        (("--set", "detection.schedule=1x", "--set", "recipe.batch_size=64"), "must have at least 3 iterations, got"),
        (("--set", "recipe.precision=float16"), "precision float16 needs CUDA, got the device cpu"),
        (("--set", "recipe.batch_size=3", "--workers", "2"), "must be divisible by the number of workers, 2"),
        (("--set", "recipe.learning_rate=1e30"), "the loss is not finite in iteration"),
    ],
)
def test_what_does_not_fit_together_is_one_line(arrange, run_cli, tmp_path, words, message):
    code, _, err = run_cli(*arrange("run", *words))
    assert code == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert (tmp_path / "run").exists() == ("finite" in message)  # nothing is left where nothing was trained


def test_backbone_and_pictures_must_be_named(arrange, run_cli, coco_folder):
    code, _, err = run_cli(*arrange("run", backbone=False))
    assert (code, "the backbone must be given with --backbone" in err) == (2, True)
    shutil.rmtree(coco_folder / "annotations")
    code, _, err = run_cli(*arrange("run"))
    assert (code, "must hold annotations/instances_train.json" in err) == (2, True)


def test_several_workers_are_started_once_all_fits_together(arrange, run_cli, monkeypatch):
    from workers.jobs import data_parallel

    started = []

    def train_in_parallel(plan, out, settings, after_record, *, train):
        started.append((settings.num_workers, settings.each.cpus, settings.each.gpus, settings.address))
        train(plan, out)
        return json.loads((out / "result.json").read_text())

    monkeypatch.setattr(data_parallel, "train_in_parallel", train_in_parallel)
    words = ("--workers", "2", "--address", "auto", "--set", "workers.gpus=0", "--set", "workers.cpus=0.5")
    assert run_cli(*arrange("bad", *words, "--set", "detector.min_stride=4"))[0] == 2
    assert not started
    code, out, _ = run_cli(*arrange("run", *words))
    assert (code, started) == (0, [(2, 0.5, 0, "auto")])
    assert "box on 2 images (val): AP" in out


def test_pascal_voc_is_read_as_it_is_unpacked(arrange, run_cli, tmp_path, voc_folder):
    words = arrange(
        "voc", "--set", "recipe.iterations=2", "--set", "recipe.cuts=[1]", "--set", "recipe.warmup_iterations=0"
    )
    words[words.index("--data") + 1] = voc_folder
    code, out, err = run_cli(*words)
    assert (code, err) == (0, "")
    assert re.search(r"Pascal VOC on 2 images \(val\): AP at 0\.5 [0-9.]+ with eleven points, [0-9.]+ as area", out)
    result = json.loads((tmp_path / "voc" / "result.json").read_text())
    assert result["num_categories"] == 20
    voc = result["evaluation"]["voc"]
    assert [name for name, number in voc["categories"].items() if number is not None] == ["dog", "person"]
    assert (voc["ap"], set(voc)) == (voc["eleven_points"], {"ap", "eleven_points", "area", "categories"})
