"""Runs the examples, on the Ray of the test session."""

import dataclasses
import importlib.util
import json
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
    example = load("tune_asha")
    example.NETWORK = dataclasses.replace(example.NETWORK, num_filters=2)
    main = example.main
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


@pytest.fixture(scope="module")
def minimal(tmp_path_factory):
    """The run of the shortest example, which others use."""
    out = tmp_path_factory.mktemp("minimal") / "run"
    return load("minimal_search").main(["--trials", "2", "--epochs", "1", "--out", str(out)])


@pytest.mark.slow
def test_minimal_search_exports_its_best(minimal):
    assert len(minimal.trials) == 2
    assert (minimal.path / "best" / "model.py").is_file()


@pytest.mark.slow
def test_scikit_learn_models_are_searched(tmp_path):
    run = load("scikit_learn").main(["--trials", "4", "--out", str(tmp_path / "run")])
    assert run.best.accuracy > 0.9  # any of these classifiers exceeds 90 % on the irises but for extreme settings


@pytest.mark.slow
def test_own_space_is_searched_and_its_best_trained(tmp_path):
    out = str(tmp_path / "run")
    accuracy = load("own_space").main(["--trials", "1", "--epochs", "1", "--steps", "100", "--out", out])
    assert accuracy > 0.5  # chance is 0.1
    assert (tmp_path / "run" / "best" / "weights.safetensors").is_file()


@pytest.mark.slow
def test_an_export_is_fine_tuned(minimal):
    assert load("fine_tune").main([str(minimal.path / "best"), "--epochs", "1"]) > 0.5  # chance is 0.5


@pytest.mark.slow
def test_an_export_is_deployed(minimal, tmp_path):
    assert load("deploy_onnx").main([f"{minimal.path}@1", "--out", str(tmp_path / "deployed"), "--batch", "3"]) > 0
    assert (tmp_path / "deployed" / "model.onnx").is_file()


@pytest.mark.slow
def test_the_cells_of_the_notebook_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text())["cells"]
    scope = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            code = "".join(cell["source"]).replace("trials=20", "trials=1").replace('"epochs": 2', '"epochs": 1')
            exec(compile(code, "notebook", "exec"), scope)  # noqa: S102 - the notebook of this project
    assert len(scope["run"].trials) == 1
    assert (tmp_path / "best" / "model.py").is_file()


def test_every_example_is_tested():
    text = Path(__file__).read_text()
    for path in EXAMPLES.iterdir():
        if path.suffix in {".py", ".ipynb"}:
            assert f'"{path.stem}"' in text or f'"{path.name}"' in text, path.name
