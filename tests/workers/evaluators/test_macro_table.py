"""NAS-Bench-Macro, on a few made-up rows in its format."""

import json

import pytest

from workers.evaluators.macro_table import read_macro_table
from workers.evaluators.table import Columns, Measurement

ROWS = {
    "00000000": {"test_acc": [80.0, 81.0, 82.0], "mean_acc": 81.0, "std": 0.8, "params": 1000.0, "flops": 2_000_000},
    "00000002": {"test_acc": [90.0], "mean_acc": 90.0, "std": 0.0, "params": 2000, "flops": 3e6},
}


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def test_the_first_training_is_searched_and_the_mean_reported(tmp_path):
    table = read_macro_table(write(tmp_path / "macro.json", ROWS))
    assert table.rows["00000000"] == Measurement(0.8, 0.81, 0.0, 1000, 2_000_000)
    assert read_macro_table(tmp_path / "macro.json", table.columns).rows == table.rows


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"it must hold an object, got \[\]"),
        ({}, "at least one architecture"),
        ({"0": {}}, "0 must hold test_acc, a list of numbers"),
        ({"0": {"test_acc": [True]}}, "0 must hold test_acc"),
        ({"0": {"test_acc": [101]}}, "validation accuracy must be between 0 and 100 percent, got 101"),
        ({"0": {"test_acc": [0.9]}, "1": {"test_acc": [0.8]}}, "test_acc must be in percent, .* exceeds 0.9"),
        ({"0": {"test_acc": [50], "params": "many"}}, 'params of 0 must be a number of at least 0, got "many"'),
    ],
)
def test_a_bad_file_is_refused(tmp_path, value, message):
    path = write(tmp_path / "macro.json", value)
    with pytest.raises(ValueError, match=message) as caught:
        read_macro_table(path)
    assert str(path) in str(caught.value)


def test_columns_cannot_be_chosen(tmp_path):
    with pytest.raises(ValueError, match="cannot be chosen"):
        read_macro_table(write(tmp_path / "macro.json", ROWS), Columns(valid="std"))
