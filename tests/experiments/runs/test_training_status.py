from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from experiments.runs.run_folder import RunFolder
from experiments.search.status import print_status, run_status


def write(folder, records, *, finished=False):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if finished:
        (folder / "result.json").write_text("{}")


def printed(status):
    stream = io.StringIO()
    print_status(status, Console(file=stream, width=120))
    return stream.getvalue()


EPOCHS = [
    {"epoch": number, "loss": 2.0 / number, "validation": {"raw": {"top1": 0.25 * number}}} for number in (1, 2, 3)
]


def test_a_training_under_way(tmp_path):
    RunFolder(tmp_path).write_config({"training": {}, "recipe": {"epochs": 8}})
    assert "no epoch or iteration is recorded yet" in printed(run_status(tmp_path))
    write(tmp_path, EPOCHS)
    status = run_status(tmp_path)
    (training,) = status.trainings
    assert (status.command, status.is_finished) == ("train", False)
    assert (training.done, training.total, training.score) == (3, 8, 0.75)
    assert json.loads(json.dumps(status.to_json()))["trainings"][0]["unit"] == "epoch"
    for part in ("nas train, not finished; run the same command to resume", "epoch 3 of 8", "0.6667", "75.00"):
        assert part in printed(status)


def test_a_finished_detector(tmp_path):
    RunFolder(tmp_path).write_config({"detection": {"schedule": "1x"}, "recipe": {"iterations": 90_000}})
    records = [{"iteration": 2, "loss": 1.0, "evaluation": {"box": {"ap": 0.125}}}, {"iteration": 4, "loss": 0.5}]
    write(tmp_path, records, finished=True)
    status = run_status(tmp_path)
    assert (status.is_finished, status.trainings[0].total, status.trainings[0].score) == (True, None, 0.125)
    assert "iteration 4, finished" in printed(status)


def test_the_trainings_of_an_ablation(tmp_path):
    RunFolder(tmp_path).write_config({"ablation": {}, "training": {}, "recipe": {"epochs": 3}})
    write(tmp_path / "00-plain" / "seed-0", EPOCHS, finished=True)
    write(tmp_path / "01-warm-up" / "seed-0", EPOCHS[:1])
    status = run_status(tmp_path)
    assert [each.folder for each in status.trainings] == ["00-plain/seed-0", "01-warm-up/seed-0"]
    assert "1 of 2 trainings that were started are finished" in printed(status)


def test_damaged_records_are_named(tmp_path):
    RunFolder(tmp_path).write_config({"training": {}})
    (tmp_path / "metrics.jsonl").write_text("{")
    with pytest.raises(ValueError, match=r"metrics\.jsonl"):
        run_status(tmp_path)
