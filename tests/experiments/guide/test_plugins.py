import sys

import pytest
from rich.console import Console

from experiments.guide.plugins import TABLES, kind_of, list_plugins, print_plugins
from nas import plugins
from nas.models.operations import OPERATIONS


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(plugins, "_modules", [])
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_tables_are_listed_with_what_packages_offer(tmp_path, capsys):
    path = tmp_path / "listed_plugins.py"
    path.write_text("def weigh(trial): ...\ndef _hidden(trial): ...\ndef other(thing): ...\nfrom json import dumps\n")
    plugins.allow(str(path))
    try:
        found = list_plugins()
    finally:
        del sys.modules["listed_plugins"]
    assert found.own["controller"][0] == "random"
    assert {kind: names for kind, names in found.outside.items() if names} == {"evaluator": ["listed_plugins:weigh"]}
    print_plugins(found, Console(width=100))
    assert "listed_plugins:weigh" in capsys.readouterr().out


def test_objects_are_told_by_their_contracts():
    class Reward:
        def __call__(self, success): ...

    class Space:
        choices = ()

        def decode(self, decisions): ...

    class Controller:
        def ask(self, trial_ids): ...

        def tell(self, rollout, reward): ...

    here = __name__
    assert [kind_of(each, here) for each in (Reward, Space, Controller)] == ["reward", "space", "controller"]
    assert kind_of(OPERATIONS["identity"], here) == "operation"
    assert kind_of(list, here) is None
    assert set(TABLES) >= {"space", "controller", "evaluator", "reward", "data", "operation", "norm"}
