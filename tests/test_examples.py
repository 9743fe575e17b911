"""Runs the examples, on the Ray of the test session."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")  # those of Ray Tune
def test_tune_asha_stops_trials_early_and_resumes(ray_cluster, tmp_path, capsys):
    main = load("tune_asha").main
    arguments = ["--trials", "3", "--epochs", "2", "--workers", "1", "--out", str(tmp_path / "run")]
    results = main(arguments)
    assert results.num_errors == 0
    lengths = [result.metrics["training_iteration"] for result in results]
    assert len(lengths) == 3
    assert set(lengths) <= {1, 2}
    assert 2 in lengths
    assert "best of 3: trial " in capsys.readouterr().out
    again = main(arguments)
    assert sorted(result.metrics["accuracy"] for result in again) == sorted(
        result.metrics["accuracy"] for result in results
    )
