"""The command line of `nas segment`: options reach the work, and bad input is one line and exit 2."""

from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.downstream import segment, segment_norms
from experiments.downstream.inputs import BackboneRequest


def test_options_reach_the_training(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(segment, "run_segment", lambda *arguments: seen.append(arguments) or 0)
    words = ["segment", "coco_segment_small", "--backbone", "nasnet-a", "--data", "d", "--test-data", "t", "--scratch"]
    words += ["--out", str(tmp_path), "--seed", "3", "--workers", "2", "--address", "auto", "--set", "head.kind=fcn"]
    assert main(words) == 0
    ((request, backbone, out, _),) = seen
    assert (request.source, request.settings, out) == ("coco_segment_small", ("head.kind=fcn",), tmp_path)
    assert request.changes == {
        ("data", "root"): Path("d"),
        ("test", "root"): Path("t"),
        ("segmentation", "seed"): 3,
        ("workers", "num_workers"): 2,
        ("workers", "address"): "auto",
    }
    assert backbone == BackboneRequest("nasnet-a", scratch=True)


def test_norms_and_seeds_make_a_table(monkeypatch):
    seen = []
    monkeypatch.setattr(segment_norms, "run_norms", lambda *_, **named: seen.append(named))
    monkeypatch.setattr(segment_norms, "norms_table", lambda _: "table")
    assert main(["segment", "coco_segment_small", "--norms", "bn, ibn_a", "--seeds", "2"]) == 0
    assert seen == [{"norms": ["bn", "ibn_a"], "num_seeds": 2}]


def test_an_example_is_shown(capsys):
    assert main(["segment", "--help"]) == 0
    assert "Example: nas segment" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "d"], "the backbone must be given with --backbone"),
        (["--backbone", "nasnet-a"], "the folder of the images must be given with --data"),
        (["--backbone", "nasnet-z", "--data", "d"], "unknown architecture"),
        (["--backbone", "nasnet-a", "--data", "nowhere"], "there must be a folder"),
        (["--backbone", "nasnet-a", "--data", "d", "--set", "head.kind=unet"], "head.kind"),
        (["--backbone", "nasnet-a", "--data", "d", "--norms", "bn,ibn"], "there must be a folder"),
        (["--backbone", "resnet18", "--data", "d", "--norms", "none"], "unknown norm of a reference network"),
        (["--seeds", "2"], "--seeds is the number of trainings with each of --norms"),
        (["--norms", ""], "unknown norm"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if words == ["--norms", ""]:
        words = ["--backbone", "nasnet-a", "--data", "d", *words]
    assert main(["segment", "coco_segment_small", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
