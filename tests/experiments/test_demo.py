from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from experiments import demo
from experiments.architectures.find import ArchitectureSource, find_architecture
from experiments.config.documents import load_document
from experiments.config.kinds import SEARCH
from experiments.config.search_config import SearchConfig
from experiments.runs.run_folder import RunFolder
from nas.ledger.writer import read_ledger
from search_spaces.published import PUBLISHED

QUICK = (
    "workers.pool=serial",
    "workers.time_limit_seconds=null",
    "search.num_trials=2",
    "space.name=tiny",
    "network.num_filters=2",
    "network.num_stages=1",
    "recipe.epochs=1",
    "data.num_train=100",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    stream = io.StringIO()
    assert demo.run_demo(root, Console(file=stream, width=200), settings=QUICK) == 0
    return root, stream.getvalue()


def test_the_demo_searches_compares_and_exports(finished):
    root, said = finished
    for name in demo.STRATEGIES:
        assert len(read_ledger(RunFolder(root / name).ledger).finished) == 2
    for part in ("comparison/curves.png", "comparison/report.html", "best/cells.svg", "best/model.py"):
        assert (root / part).exists()
        assert str(root / part) in said
    assert "next steps" in said


def test_the_demo_again_keeps_what_is_there(finished):
    root, _ = finished
    ledgers = {name: RunFolder(root / name).ledger.read_bytes() for name in demo.STRATEGIES}
    assert demo.run_demo(root, Console(file=io.StringIO()), settings=QUICK) == 0
    assert {name: RunFolder(root / name).ledger.read_bytes() for name in demo.STRATEGIES} == ledgers


def test_an_export_that_differs_is_found(finished, tmp_path):
    root, _ = finished
    best = max((find_architecture(str(root / name)) for name in demo.STRATEGIES), key=demo._accuracy)
    assert best.outcome is not None
    assert demo.check_export(best, root / "best") == best.outcome.accuracy
    other = replace(best, outcome=replace(best.outcome, accuracy=best.outcome.accuracy + 0.04))
    with pytest.raises(RuntimeError, match="must reproduce the accuracy"):
        demo.check_export(other, root / "best")
    for name in ("model.py", "weights.safetensors"):
        (tmp_path / name).write_bytes((root / "best" / name).read_bytes())
    with (tmp_path / "model.py").open("a") as file:
        file.write("\nimport experiments\n")
    with pytest.raises(RuntimeError, match="cannot be used without this project"):
        demo.check_export(best, tmp_path)


def test_only_trials_can_be_checked(tmp_path):
    with pytest.raises(ValueError, match="must be a trial of a run"):
        demo.check_export(ArchitectureSource("nasnet-a", PUBLISHED["nasnet-a"]), tmp_path)


def test_ctrl_c_ends_the_demo(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "run_search", lambda *_arguments: 130)
    assert demo.run_demo(tmp_path, Console(file=io.StringIO())) == 130
    assert not (tmp_path / "comparison").exists()


def test_errors_end_as_those_of_the_command_line(monkeypatch, capsys):
    def fail(*_arguments: object) -> int:
        raise RuntimeError("no room")

    monkeypatch.setattr(demo, "run_demo", fail)
    assert demo.main() == 2
    assert capsys.readouterr().err == "error: no room\n"


def test_both_strategies_get_thirty_trials_of_one_proxy_through_ray():
    first, second = (SearchConfig.parse(load_document(name, SEARCH)) for name in demo.STRATEGIES.values())
    assert first.fidelity == second.fidelity
    assert first.search.num_trials == second.search.num_trials >= 30
    assert first.workers.pool == second.workers.pool == "ray"
