"""The benchmark of the GPU, tried on the CPU in tiny sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu.py"
WITHOUT_GPU = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


NOT_NEEDED = ("aiohttp", "matplotlib", "ray", "rich", "scipy", "simplejpeg", "sklearn", "typer", "yaml")
"""Dependencies of ours that a machine which only measures the GPU need not have."""


def start(*words, path=ROOT):
    command = [sys.executable, str(SCRIPT), *words]
    env = {**WITHOUT_GPU, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_a_dry_run_writes_a_row_of_every_part_and_needs_little_but_torch(tmp_path):
    without = tmp_path / "without"
    without.mkdir()
    hides = f"import sys\nsys.modules.update(dict.fromkeys({NOT_NEEDED}))\n"
    (without / "sitecustomize.py").write_text(hides)
    done = start("--dry-run", "--minutes", "10", "--out", str(tmp_path), path=without)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["machine"].startswith("no GPU")
    parts = found["parts"]
    assert [row["kind"] for row in parts["Child step"]] == ["plain", "eager", "graph", "eager", "graph"]
    assert all(row["ms a step"] > 0 for row in parts["Child step"])
    at_once = parts["Children at once (steps only)"]
    assert [(row["children"], row["kind"]) for row in at_once] == [(1, "eager")]
    assert all(row["children an hour"] > 0 for row in at_once)
    assert [row["network"] for row in parts["Detector and segmenter"]] == ["detector", "segmenter"]
    assert 0 <= parts["Photograph loader"][0]["waiting"] <= 1
    (child,) = parts["Whole children"]
    assert child["accuracy of 1000"] == child["the same on the CPU"] == child["its export on the CPU"]
    assert {row["kind"] for row in parts["Large networks"]} == {"eager", "graph"}
    text = (tmp_path / "gpu.md").read_text()
    assert all(f"## {part}\n" in text for part in parts)


def test_an_unknown_part_is_named(tmp_path):
    done = start("--dry-run", "--parts", "steps", "rockets", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "--parts must be some of steps, at-once, large, dense, loader, children, compiled, got rockets" in (
        done.stderr
    )


def test_without_a_gpu_nothing_is_measured(tmp_path):
    done = start("--out", str(tmp_path))
    assert done.returncode == 2
    assert "needs a CUDA device that torch can use; --dry-run needs none" in done.stderr
    assert not list(tmp_path.iterdir())
