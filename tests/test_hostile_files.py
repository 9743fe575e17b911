"""Any content of a file leads to a result or a one-line error, never to a traceback or exhausted stack or memory."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from controllers.random_search import RandomSearch
from experiments.architectures.find import read_architecture
from experiments.cli.main import main
from experiments.cli.output import BAD_INPUT
from experiments.comparison.loading import group_runs, load_run, objections
from experiments.config.documents import load_document
from experiments.config.kinds import SEARCH
from experiments.config.search_config import SearchConfig
from nas.fidelity import Fidelity
from nas.ledger.writer import Ledger, read_ledger
from nas.models.checkpoint import load_checkpoint
from nas.trial import Failure, Success, Trial
from search_spaces.published import PUBLISHED
from search_spaces.tiny import TINY
from workers.evaluators.table import read_table

HOSTILE_JSON = [
    "NaN",
    "1e999",
    "-1",
    "1e300",
    "1" + 10_000 * "0",
    "18446744073709551616",
    "0.5",
    "null",
    "true",
    "[]",
    "{}",
    '""',
    '"\\ud800"',
    '"\\u0000"',
    '"\\u001b[2J"',
    '"../../../etc/passwd"',
    '"!!python/object/apply:os.system [ls]"',
    '"' + 100_000 * "x" + '"',
    '{"a":1,"a":2}',
    900 * "[" + 900 * "]",
    100_000 * "[",
    900 * '{"a":' + "1" + 900 * "}",
]
HOSTILE_YAML = [
    *HOSTILE_JSON,
    ".inf",
    ".nan",
    "!!python/object/apply:os.system [ls]",
    "!!python/name:os.system",
    "!!bool maybe",
    "!!int ''",
    "!!timestamp never",
    "!!binary '='",
    "2001-99-99",
    "2001-01-01",
    "&a [*a]",
    "190:20:30",
    "{a: 1, a: 2}",
    "{1: 2}",
    "? [a]\n: b",
    "'\x00'",
]
HOSTILE_CELLS = ["", "nan", "inf", "-1", "1e999", "1e308", "1_0", 5000 * "9", "\x00", '"', '"\n', "٣", 200_000 * "x"]
FUZZ = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
_HOLE = "@hole@"


def places(value, place=()):
    """Yields the paths of all values within a value."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def replaced(value, place, hostile):
    """Returns the JSON of a value in which one member is replaced by a hostile one, or a hostile one is added."""
    if not place:
        return hostile
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = _HOLE
    return json.dumps(copy).replace(f'"{_HOLE}"', hostile)


def damaged(data, value, hostile=tuple(HOSTILE_JSON)):
    return replaced(value, data.draw(st.sampled_from(list(places(value)))), data.draw(st.sampled_from(hostile)))


def answers(read):
    """Returns whether a file is read; anything but a value or a ValueError fails the test."""
    try:
        read()
    except ValueError:
        return False
    return True


def command(*arguments):
    """Runs the command line; bad input must give a one-line error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    assert code in (0, BAD_INPUT), err.getvalue()
    if code == BAD_INPUT:
        assert err.getvalue().startswith("error: ")
        assert err.getvalue().count("\n") == 1
        assert "Traceback" not in err.getvalue()
    return code, out.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    rollouts = RandomSearch(TINY.choices, seed=0).ask(range(3))
    trials = [Trial(i, rollout, TINY.decode(rollout.decisions), Fidelity(), i) for i, rollout in enumerate(rollouts)]
    folder = tmp_path_factory.mktemp("run")
    document = {"space": {"name": "tiny"}, "controller": {"name": "random"}, "search": {"num_trials": 3, "seed": 0}}
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    (folder / "environment.json").write_text(json.dumps({"python": "3.12.0", "hardware": {"num_cpus": 2}}))
    with Ledger(folder / "ledger.jsonl") as ledger:
        ledger.append_asked(trials)
        ledger.append_finished(Success(0, 0.5, 10, 20, 1.5, metrics={"test_accuracy": 0.25}))
        ledger.append_finished(Failure(1, "error", "it broke", 2.0))
    return folder


@pytest.fixture
def copy(run, tmp_path_factory):
    """Copies the run with one file replaced."""

    def write(name, content):
        folder = tmp_path_factory.mktemp("hostile")
        for path in run.iterdir():
            if path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
        (folder / name).write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
        return folder

    return write


@FUZZ
@given(data=st.data())
def test_ledger(run, copy, data):
    lines = (run / "ledger.jsonl").read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = damaged(data, json.loads(lines[number]))
    folder = copy("ledger.jsonl", "\n".join(lines) + "\n")
    is_read = answers(lambda: read_ledger(folder / "ledger.jsonl"))
    code, _ = command("status", folder)
    assert (code == 0) == is_read
    if is_read:
        answers(lambda: group_runs([load_run(folder)]))


@FUZZ
@given(content=st.binary(max_size=40), cut=st.integers(0, 3000), end=st.sampled_from([b"", b"\n"]))
def test_bytes_within_a_ledger(run, copy, content, cut, end):
    whole = (run / "ledger.jsonl").read_bytes()
    folder = copy("ledger.jsonl", whole[:cut] + content + end)
    is_read = answers(lambda: read_ledger(folder / "ledger.jsonl"))
    assert (command("status", folder)[0] == 0) == is_read


@FUZZ
@given(data=st.data())
def test_configuration(tmp_path_factory, data):
    document = {
        "space": {"name": "tiny", "num_blocks": 2, "ops": ["identity", "conv_1x1"]},
        "controller": {"name": "ppo", "learning_rate": 0.1},
        "search": {"num_trials": 3, "seed": 0, "failure_reward": 0.0},
        "network": {"num_filters": 4},
        "recipe": {"epochs": 1, "learning_rate": 0.1},
        "data": {"name": "image_folder", "root": "missing/../missing"},
        "workers": {"pool": "serial", "resources": {"a": 1.0}, "memory_gib": None},
    }
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_bytes(damaged(data, document, tuple(HOSTILE_YAML)).encode("utf-8", "surrogatepass"))
    is_valid = answers(lambda: SearchConfig.parse(load_document(str(path), SEARCH)))
    if not is_valid:  # what is valid might be searched for hours
        assert command("search", path, "--out", path.parent / "run")[0] == BAD_INPUT
        assert not (path.parent / "run").exists()


@FUZZ
@given(data=st.data())
def test_architecture(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("architecture") / "cells.json"
    text = damaged(data, PUBLISHED["nasnet-a"].to_json())
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    is_read = answers(lambda: read_architecture(path))
    if not is_read:
        assert command("count", path)[0] == BAD_INPUT


@FUZZ
@given(data=st.data())
def test_metadata_of_a_checkpoint(checkpoint, tmp_path_factory, data):
    tensors, metadata = checkpoint
    name = data.draw(st.sampled_from(sorted(metadata)))
    value = metadata[name] if name == "format" else json.loads(metadata[name])
    text = damaged(data, value)
    path = tmp_path_factory.mktemp("checkpoint") / "network.safetensors"
    save_file(tensors, path, metadata={**metadata, name: text})
    answers(lambda: load_checkpoint(path))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Tensors and metadata of a small network."""
    import torch
    from safetensors import safe_open

    from nas.architecture import Architecture, Block, Cell, Edge
    from nas.data.load import load_data
    from nas.fidelity import DataSpec, NetworkSpec
    from nas.models.checkpoint import save_checkpoint
    from nas.models.network import build_network

    cell = Cell((Block(Edge(1, "conv_1x1"), Edge(1, "identity")),))
    spec = NetworkSpec(image_size=8, in_channels=1, num_filters=2, num_repeats=1, num_stages=1)
    with torch.random.fork_rng([]):
        network = build_network(Architecture(cell, cell), spec)
    path = tmp_path_factory.mktemp("checkpoint") / "network.safetensors"
    save_checkpoint(path, network, data=load_data(DataSpec()), accuracy=0.5)
    with safe_open(path, framework="numpy") as file:
        return load_file(path), file.metadata()


@FUZZ
@given(data=st.data())
def test_table(tmp_path_factory, data):
    rows = [["arch", "valid", "test", "seconds", "params_m", "flops_m"], ["a", *"12345"], ["b", *"23456"]]
    row, column = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 5))
    rows[row][column] = data.draw(st.sampled_from(HOSTILE_CELLS) | st.text(max_size=5))
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_bytes("\n".join(map(",".join, rows)).encode("utf-8", "surrogatepass"))
    if answers(lambda: read_table(path)):
        rows = read_table(path).rows.values()
        assert np.isfinite([[row.validation, row.test, row.seconds] for row in rows]).all()
    else:
        with pytest.raises(ValueError, match=r"table\.csv, line"):
            read_table(path)


@FUZZ
@given(data=st.data())
def test_runs_to_compare(run, copy, data):
    name = data.draw(st.sampled_from(["config.yaml", "environment.json"]))
    path = run / name
    value = json.loads(path.read_text()) if name.endswith("json") else yaml.safe_load(path.read_text())
    folder = copy(name, damaged(data, value, tuple(HOSTILE_YAML if name == "config.yaml" else HOSTILE_JSON)))

    def compare():
        runs = [load_run(run), load_run(folder)]
        objections(runs)
        group_runs(runs)

    answers(compare)
    command("status", folder)


def test_what_a_child_printed_cannot_steer_the_terminal_or_stop_the_status(run, copy):
    lines = (run / "ledger.jsonl").read_text().replace("it broke", "\\u001b[2J\\ud800 it broke")
    code, out = command("status", copy("ledger.jsonl", lines))
    assert code == 0
    assert "it broke" in out
    assert "\x1b[2J" not in out


def test_the_stack_is_as_deep_as_ever():
    """Readers must not raise the recursion limit of the interpreter."""
    assert sys.getrecursionlimit() <= 3000
