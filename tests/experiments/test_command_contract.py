"""What all commands with a configuration do alike: options, --set, resuming, and refusing another run's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from experiments.config.config import Config
from experiments.config.dense_config import DetectionConfig, SegmentationConfig
from experiments.config.search_config import SearchConfig
from experiments.config.study_config import StudyConfig
from experiments.config.training_config import AblationConfig, TournamentConfig, TrainingConfig
from experiments.downstream import detect, segment
from experiments.runs.data_record import DATA_FILE, read_data_record
from experiments.runs.run_folder import RunFolder
from experiments.study import run as study
from experiments.study import table as study_table
from experiments.tournament import run as tournament
from experiments.training import ablation
from experiments.training import run as training
from nas.fidelity import NetworkSpec
from nas.models.build import build
from nas.models.checkpoint import save_checkpoint
from nas.models.reference.descriptions import description_from_json
from nas.training.run import STATE_FILE
from nas.trial import Success
from workers.jobs.detector_jobs import SCORES_FILE

CELLS = {"network": {"num_filters": 2, "num_repeats": 1, "num_stages": 1}, "data": {"name": "image_folder"}}
TRAINING = {"training": {}, **CELLS, "recipe": {"epochs": 1, "batch_size": 4, "crop_padding": 0}}
SEARCH = {
    **CELLS,
    "space": "tiny",
    "controller": "random",
    "search": {"num_trials": 2},
    "recipe": {"epochs": 1, "batch_size": 4},
    "workers": {"pool": "serial"},
}
DENSE = {
    "network": {"num_filters": 4, "num_repeats": 1, "num_stages": 3},
    "detector": {"norm": "gn", "channels": 8, "features": 16, "min_stride": 2},
    "recipe": {"batch_size": 2, "scales": [32], "max_side": 56, "device": "cpu"},
}


@dataclass(frozen=True)
class Case:
    """A command under the contract.

    Attributes:
        words: The command.
        config: The class of its configuration.
        document: The file that it reads.
        option: An option of it.
        setting: What the option sets, as --set names it.
        data: The fixture with the images.
        free: Settings that may differ when the run is resumed, beside those of all commands.
    """

    words: tuple[str, ...]
    config: type[Config]
    document: dict[str, Any]
    option: str
    setting: str
    data: str = "images"
    free: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.config.kind.command


OF_DENSE = ("recipe.num_threads=3", "recipe.record_iterations=10", "recipe.evaluation_iterations=20")
CASES = [
    Case(("search",), SearchConfig, SEARCH, "--seed", "search.seed", free=("search.num_trials=3",)),
    Case(("train",), TrainingConfig, TRAINING, "--seed", "training.seed"),
    Case(("select", "RUN", "--config"), TournamentConfig, TRAINING, "--top", "tournament.top"),
    Case(("ablate",), AblationConfig, TRAINING, "--seeds", "ablation.num_seeds"),
    Case(
        ("detect",),
        DetectionConfig,
        {"detection": {}, **DENSE},
        *("--seed", "detection.seed"),
        data="coco_folder",
        free=OF_DENSE,
    ),
    Case(
        ("segment",),
        SegmentationConfig,
        {"segmentation": {}, **{name: DENSE[name] for name in ("network", "recipe")}, "data": {"crop": 16}},
        *("--seed", "segmentation.seed"),
        data="segmentation_folder",
        free=(*OF_DENSE, "test.severity=1"),
    ),
    Case(
        ("study", "pretraining"),
        StudyConfig,
        {"study": {"schedules": ["3x"], "fractions": [1]}, **DENSE},
        *("--seeds", "study.num_seeds"),
        data="coco_folder",
        free=OF_DENSE,
    ),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of images of two classes."""
    folder = tmp_path_factory.mktemp("images")
    for split, number in (("train", 8), ("val", 2)):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            for place in range(number):
                pixels = np.full((8, 8, 3), 20 * place, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{place}.png")
    return folder


@pytest.fixture
def nothing_is_trained(monkeypatch, set_evaluator):
    """Replaces trainings, figures and tables; what shows that something was measured is written all the same."""
    score = {"raw": {"top1": 0.5, "top5": 1.0, "num_images": 4}}
    result = {
        "num_parameters": 1,
        "num_multiply_adds": 1,
        "images_per_second": 1.0,
        "seconds": 1.0,
        "chosen": "raw",
        "validation": score,
        "test": score,
        "ranking": [],
        "verdict": [],
        "files": [],
    }

    def begin(folder, name=STATE_FILE):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("weights")
        return result

    def run_jobs(jobs, _resources):
        found = {"box": {"ap": 0.1, "ap50": 0.2}, "num_pictures": 2}
        for job in jobs:
            scores = {"scores": {"val": found, "train": found}, "loss": 1.0, "curve": [], "seconds": 1.0}
            job.folder.mkdir(parents=True)
            (job.folder / SCORES_FILE).write_text(json.dumps(scores))
            yield job, scores

    set_evaluator(lambda trial, **_arguments: Success(trial.id, 0.5))
    monkeypatch.setattr(training, "run_training", lambda _plan, _data, folder, _watch: begin(folder))
    monkeypatch.setattr(training, "draw_training", lambda *_, **_named: None)
    monkeypatch.setattr(tournament, "_run", lambda *arguments: begin(arguments[3], f"candidates/{STATE_FILE}"))
    monkeypatch.setattr(ablation, "train_folder", lambda folder, *_, **_named: begin(folder.path))
    monkeypatch.setattr(detect, "detect_folder", lambda folder, *_: begin(folder))
    monkeypatch.setattr(detect, "result_lines", lambda *_: [])
    monkeypatch.setattr(segment, "run_segmentation", lambda _plan, _data, folder, _watch: begin(folder))
    monkeypatch.setattr(segment, "measure_domains", lambda *_: {})
    monkeypatch.setattr(segment, "_draw", lambda *_: None)
    for name in ("class_table", "domain_table", "result_lines"):
        monkeypatch.setattr(segment, name, lambda *_: "")
    monkeypatch.setattr(study, "connect", lambda _address: nullcontext())
    monkeypatch.setattr(study, "run_jobs", run_jobs)
    monkeypatch.setattr(study, "draw_study", lambda *_: [])
    monkeypatch.setattr(study_table, "print_study", lambda *_: None)


@pytest.fixture
def network_words(small_cells, tmp_path, write_run):
    """How each command names its network, or the run that has it."""
    with torch.random.fork_rng([]):
        spec = NetworkSpec(num_filters=4, num_repeats=1, num_stages=3, num_classes=2)
        network = build(description_from_json(json.loads(small_cells.read_text())), spec)
    statistics = SimpleNamespace(class_names=("a", "b"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    save_checkpoint(tmp_path / "trained.safetensors", network, data=statistics, accuracy=0.5)
    return {
        "search": (),
        "select": ("--random", "0"),
        "study pretraining": ("--pretrained", tmp_path / "trained.safetensors"),
        **dict.fromkeys(("train", "ablate"), ("--arch", small_cells)),
        **dict.fromkeys(("detect", "segment"), ("--backbone", small_cells)),
    }


@pytest.fixture(params=CASES, ids=str)
def case(request, nothing_is_trained):
    return request.param


@pytest.fixture
def run(case, request, tmp_path, monkeypatch, run_cli, write_run, network_words) -> Callable[..., tuple[int, str]]:
    """Runs the command on its folder; returns exit code and stderr."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(case.document))
    words = [write_run("contract", "random", 0) if word == "RUN" else word for word in case.words]
    images = request.getfixturevalue(case.data)

    def run(*more, data: bool = True) -> tuple[int, str]:
        of_network = network_words[case.config.kind.command]
        of_data = ("--data", images) if data else ()
        code, _, err = run_cli(*words, tmp_path / "mine.yaml", *of_network, *of_data, "--out", tmp_path / "out", *more)
        return code, err

    return run


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "out")


def contents(folder: RunFolder) -> dict[str, bytes]:
    """The files of a run folder, by path."""
    found = folder.path.rglob("*")
    return {str(path): path.read_bytes() for path in found if path.is_file() and path.name != ".lock"}


def setting(folder: RunFolder, key: str) -> Any:
    section, _, name = key.partition(".")
    return folder.document()[section][name]


def sets(*settings: str) -> list[str]:
    return [word for each in settings for word in ("--set", each)]


def refused(result: tuple[int, str], *parts: str) -> bool:
    """Whether a command ended with one line that has these parts, and exit code 2."""
    code, err = result
    assert all(part in err for part in parts), err
    return code == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_the_stored_configuration_has_every_setting_and_set_wins_over_options(case, run, folder):
    assert run(case.option, 1, *sets(f"{case.setting}=2", "recipe.learning_rate=0.015")) == (0, "")
    document = folder.document()
    assert case.config.parse(document).to_document() == document
    assert setting(folder, case.setting) == 2
    assert setting(folder, "recipe.learning_rate") == 0.015
    assert folder.is_bound(case.config.kind)


def test_a_resumed_run_takes_the_folders_images_and_settings_that_may_differ(case, run, folder, request):
    assert run(case.option, 1) == (0, "")
    before = contents(folder)
    assert run(case.option, 1, data=False) == (0, "")
    assert setting(folder, "data.root") == str(request.getfixturevalue(case.data))
    assert contents(folder).keys() >= before.keys()
    free = ("workers.cpus=0.5", *case.free)
    assert run(case.option, 1, *sets(*free), data=False) == (0, "")
    for key, value in (each.split("=") for each in free):
        assert setting(folder, key) == yaml.safe_load(value)


def test_a_run_with_another_configuration_is_refused_and_changes_nothing(case, run, folder):
    assert run(case.option, 1, *sets("recipe.learning_rate=0.015")) == (0, "")
    before = contents(folder)
    difference = "(recipe.learning_rate: 0.015 in the folder, 0.25 requested); choose another --out"
    result = run(case.option, 1, *sets("recipe.learning_rate=0.25", "workers.cpus=0.5"))
    assert refused(result, "holds a run with another configuration", difference)
    assert contents(folder) == before


def test_an_unknown_key_names_the_nearest_and_leaves_no_folder(run, folder):
    assert refused(run(*sets("recipe.learning_rat=1")), "mine.yaml: ", "did you mean learning_rate?")
    assert refused(run(*sets("recipee.learning_rate=1")), "unknown section 'recipee'; did you mean recipe?")
    assert not folder.path.exists()


def test_a_folder_of_another_command_is_refused_and_left_alone(case, run, folder, images):
    other = AblationConfig if case.config is TrainingConfig else TrainingConfig
    folder.path.mkdir()
    folder.write_config(other.parse({"training": {}, "data": {"root": str(images)}}).to_document())
    before = contents(folder)
    assert refused(run(case.option, 1), f"holds a run of `nas {other.kind.command}`; choose another --out")
    assert contents(folder) == before


def change_images(folder):
    """Replaces one training image by another of the same size."""
    path = next(path for path in sorted((folder / "train").rglob("*")) if path.is_file())
    with Image.open(path) as image:
        size = image.size
    Image.new("RGB", size, (9, 99, 199)).save(path)
    return str(path.relative_to(folder))


@pytest.fixture
def own_images(case, request, tmp_path):
    """A copy of the images that may be changed."""
    return shutil.copytree(request.getfixturevalue(case.data), tmp_path / "own")


def test_a_run_on_changed_images_is_refused_unless_accepted_and_recorded(case, run, folder, own_images):
    own = ("--data", own_images, case.option, 1)
    assert run(*own, data=False) == (0, "")
    record = read_data_record(folder.path)
    moved = shutil.copytree(own_images, own_images.with_name("moved"))
    assert run("--data", moved, case.option, 1, data=False) == (0, "")  # another place, the same images
    assert run(*own, data=False) == (0, "")
    changed = change_images(own_images)
    before = contents(folder)
    more = ("--trials", 3) if case.config is SearchConfig else ()
    assert refused(run(*own, *more, data=False), f"1 file changed ({changed})", "resume with --accept-data")
    assert contents(folder) == before
    assert run(*own, *more, "--accept-data", data=False) == (0, "")
    assert read_data_record(folder.path).changes == ((f"1 file changed ({changed})",),)
    assert read_data_record(folder.path).identity != record.identity


def test_a_run_without_a_record_is_resumed_and_recorded_from_then_on(case, run, folder):
    assert run(case.option, 1) == (0, "")
    record = read_data_record(folder.path)
    (folder.path / DATA_FILE).unlink()
    assert run(case.option, 1, *(("--trials", 3) if case.config is SearchConfig else ())) == (0, "")
    assert read_data_record(folder.path) == record
