"""`nas study pretraining` on squares in three colours; that trainings are spread over a cluster is in tests/workers."""

import dataclasses
import io
import json
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
import yaml
from rich.console import Console

from experiments.config.resolve import ConfigRequest
from experiments.study import run as study
from experiments.study.figures import draw_study
from experiments.study.run import run_study
from nas.architecture import Architecture, Block, Cell, Edge
from nas.downstream.detection.data import load_detection_data
from nas.downstream.detection.training import build_task
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint
from workers.jobs.detector_jobs import SCORES_FILE, train_and_measure
from workers.jobs.supervision import JobFailure

CELL = Cell((Block(Edge(0, "identity"), Edge(1, "conv_3x3")),))
CONFIG = {
    "study": {"num_seeds": 1, "schedules": ["1x"], "fractions": [0.5, 1]},
    "detector": {
        "norm": "gn",
        "channels": 8,
        "features": 16,
        "min_stride": 2,
        "train_proposals": 40,
        "test_proposals": 20,
        "rpn_batch": 32,
        "roi_batch": 16,
    },
    "recipe": {
        "batch_size": 8,
        "learning_rate": 0.02,
        "scales": [32],
        "max_side": 56,
        "record_iterations": 2,
        "checkpoint_iterations": 2,
        "device": "cpu",
    },
}


OPTIONS = {
    "pretrained": ("study", "pretrained"),
    "data": ("data", "root"),
    "seeds": ("study", "num_seeds"),
    "schedules": ("study", "schedules"),
    "fractions": ("study", "fractions"),
    "workers": ("workers", "num_workers"),
}


class KilledError(BaseException):
    """What stands for kill -9."""


def one_by_one(jobs, resources):
    for job in jobs:
        yield job, train_and_measure(job)


def make_up(jobs, resources):
    """Trains nothing."""
    found = {"box": {"ap": 0.1, "ap50": 0.2}, "num_pictures": 2}
    for job in jobs:
        made_up = {"scores": {"val": found, "train": found}, "loss": 1.0, "curve": [], "seconds": 1.0}
        job.folder.mkdir(parents=True)
        (job.folder / SCORES_FILE).write_text(json.dumps(made_up))
        yield job, made_up


@pytest.fixture
def arrange(tmp_path, coco_folder, monkeypatch):
    """The arguments of a tiny study whose trainings and figures are made up."""
    monkeypatch.setattr(study, "draw_study", lambda value, folder: [])
    monkeypatch.setattr(study, "connect", lambda address: nullcontext())
    monkeypatch.setattr(study, "run_jobs", make_up)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    save(tmp_path / "classifier.safetensors", seed=0)

    def make(out="study", *, backbone=None, settings=(), **options):
        given = {"pretrained": tmp_path / "classifier.safetensors", "data": coco_folder, **options}
        changes = {OPTIONS[name]: value for name, value in given.items()}
        console = Console(file=io.StringIO(), width=200)
        return ConfigRequest(str(tmp_path / "config.yaml"), changes, settings), backbone, tmp_path / out, console

    return make


def save(path, *, seed):
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        spec = NetworkSpec(num_filters=4, num_repeats=1, num_stages=3, num_classes=2)
        network = build(Architecture(CELL, CELL), spec)
    data = SimpleNamespace(class_names=("a", "b"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    save_checkpoint(path, network, data=data, accuracy=0.5)


def scores(value):
    """All that a study measures, without times."""
    return [{key: each[key] for key in ("name", "scores", "loss", "num_iterations")} for each in value.results]


def test_a_study_that_was_killed_goes_on_to_the_same_result_and_can_grow(arrange, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(study, "draw_study", draw_study)
        patch.setattr(study, "run_jobs", one_by_one)
        expected = run_study(*arrange("alone"))
    assert {path.name for path in (tmp_path / "alone").iterdir()} >= {
        *("study.md", "study.json", "config.yaml", "origin.json", "environment.json", "trainings"),
        *("curves.png", "curves.svg", "data_val.png", "data_train.svg"),
    }
    assert [(each.num_pictures, each.num_iterations) for each in expected.settings] == [(2, 3), (4, 6)]
    stored = json.loads((tmp_path / "alone" / "study.json").read_text())
    assert stored["images"]["left_out"] == []
    assert stored == {"config": stored["config"], "images": stored["images"], **expected.to_json()}

    def kill_second(jobs, resources):
        yield jobs[0], train_and_measure(jobs[0])
        raise KilledError

    monkeypatch.setattr(study, "run_jobs", kill_second)
    with pytest.raises(KilledError):
        run_study(*arrange("killed"))
    asked = []

    def note(jobs, resources):
        asked.extend(job.name for job in jobs)
        return one_by_one(jobs, resources)

    monkeypatch.setattr(study, "run_jobs", note)
    assert scores(run_study(*arrange("killed", pretrained=None, data=None))) == scores(expected)
    assert asked == ["pretrained-1x-1.0-seed-0", "scratch-1x-0.5-seed-0", "pretrained-1x-0.5-seed-0"]
    asked.clear()
    assert scores(run_study(*arrange("killed"))) == scores(expected)
    assert asked == []
    *arguments, console = arrange("killed", fractions=[1], seeds=2)
    assert run_study(*arguments, console).num_seeds == 2
    assert asked == ["scratch-1x-1.0-seed-1", "pretrained-1x-1.0-seed-1"]
    said = console.file.getvalue()
    assert "4 trainings, 2 of them done" in said
    assert "4 of 4: pretrained-1x-1.0-seed-1: AP50 " in said


def test_a_failed_training_is_a_value_and_tried_again_next_time(arrange, tmp_path, monkeypatch):
    def fail_first(jobs, resources):
        yield jobs[0], JobFailure("DivergedError: the loss is nan")
        yield from make_up(jobs[1:], resources)

    monkeypatch.setattr(study, "run_jobs", fail_first)
    *arguments, console = arrange(fractions=[1])
    value = run_study(*arguments, console)
    assert value.results[0]["error"] == "DivergedError: the loss is nan"
    assert value.verdict[0].startswith("1 of 2 trainings failed and are excluded")
    assert "scratch-1x-1.0-seed-0 failed: DivergedError" in console.file.getvalue()
    monkeypatch.setattr(study, "run_jobs", make_up)
    assert "error" not in run_study(*arguments, console).results[0]


def test_all_that_is_another_study_is_refused(arrange, tmp_path):
    run_study(*arrange(fractions=[1]))
    save(tmp_path / "other.safetensors", seed=1)
    others = {
        'pretrained: "[0-9a-f]{64}" in the folder, "[0-9a-f]{64}" requested': {
            "pretrained": tmp_path / "other.safetensors"
        },
        "recipe.learning_rate: 0.02 in the folder, 0.1 requested": {"settings": ("recipe.learning_rate=0.1",)},
        "study.num_known: 500 in the folder, 3 requested": {"settings": ("study.num_known=3",)},
        'data: ".*" in the folder, ".*" requested': {"settings": ("data.num_evaluated=1",)},
    }
    for message, changes in others.items():
        with pytest.raises(
            ValueError, match=f"holds a run with another configuration .*{message}.*choose another --out"
        ):
            run_study(*arrange(fractions=[1], **changes))


def test_both_starts_see_images_normalized_alike(arrange, tmp_path, monkeypatch):
    seen = []

    def note(jobs, resources):
        seen.extend(job.plan for job in jobs)
        return make_up(jobs, resources)

    monkeypatch.setattr(study, "run_jobs", note)
    run_study(*arrange(fractions=[1]))
    scratch, pretrained = seen
    assert (scratch.start is None, pretrained.start is None) == (True, False)
    assert dataclasses.replace(scratch, start=pretrained.start) == pretrained
    assert (scratch.recipe.mean, scratch.recipe.std) == ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    data = load_detection_data(scratch.data, masks=False)
    transforms = [build_task(plan, data).network.transform for plan in seen]
    assert [each.image_mean for each in transforms] == [[0.4, 0.5, 0.6]] * 2
    assert [each.image_std for each in transforms] == [[0.2, 0.3, 0.4]] * 2
    config = tmp_path / "study" / "config.yaml"
    document = yaml.safe_load(config.read_text())
    document["recipe"].update(mean=None, std=None)  # as an earlier version wrote it
    config.write_text(yaml.safe_dump(document))
    run_study(*arrange(fractions=[1], seeds=2))
    assert [plan.recipe.mean for plan in seen] == [(0.4, 0.5, 0.6)] * 2 + [None] * 2


def test_moved_pictures_and_weights_are_the_same_study(arrange, tmp_path, coco_folder, monkeypatch):
    run_study(*arrange(fractions=[1]))
    shutil.copytree(coco_folder, tmp_path / "moved")
    shutil.copy(tmp_path / "classifier.safetensors", tmp_path / "copy.safetensors")
    monkeypatch.setattr(study, "run_jobs", None)
    changes = {"data": tmp_path / "moved", "pretrained": tmp_path / "copy.safetensors", "workers": 2}
    assert run_study(*arrange(fractions=[1], **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrained": None}, "a trained classifier must be given with --pretrained"),
        ({"pretrained": "nasnet-a"}, "nasnet-a has no trained weights"),
        ({"backbone": "nasnet-a"}, r"classifier\.safetensors"),
        ({"data": None}, "with --data, or data.root"),
        ({"fractions": ["half"]}, r"study\.fractions\.0: .*got 'half'"),
        ({"fractions": [0.9, 1]}, "are both 4"),
        ({"schedules": ["1x", "y"]}, "a schedule must be 1x"),
        ({"seeds": 0}, r"study\.num_seeds"),
        ({"settings": ("detector.min_stride=64",)}, "stride"),
    ],
)
def test_bad_input_is_refused_before_there_is_a_folder(arrange, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        run_study(*arrange(**changes))
    assert not (tmp_path / "study").exists()


def test_each_training_gets_what_the_settings_say(arrange, monkeypatch):
    seen = []

    def note(jobs, resources):
        seen.append(resources)
        return make_up(jobs, resources)

    monkeypatch.setattr(study, "run_jobs", note)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    settings = ("workers.cpus=0.5", "workers.max_retries=1")
    run_study(*arrange(fractions=[1], workers=2, settings=settings))
    (resources,) = seen
    assert (resources.cpus, resources.gpus, resources.max_workers) == (0.5, 1, 2)
    assert (resources.max_retries, resources.recycle_after) == (1, 1)  # Ray lets no worker go that holds a GPU
