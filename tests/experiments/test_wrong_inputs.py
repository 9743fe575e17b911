"""What commands say of wrong and unusual inputs: one line, exit code 2, and nothing is written."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from experiments.architectures.find import NetworkOptions, find_architecture, network_spec
from experiments.cli.output import BAD_INPUT, report_errors
from nas.fidelity import NetworkSpec
from nas.files.strict_json import parse_json
from nas.training.run import RESULT_FILE, read_result
from search_spaces.published import PUBLISHED
from workers.cluster.resources import check_address


@pytest.fixture
def place(tmp_path, monkeypatch, finished_run):
    """A folder, the current one, with inputs of every kind."""
    monkeypatch.chdir(tmp_path)
    for name, section in (("trained", "training"), ("detected", "detection")):
        Path(name).mkdir()
        document = {section: {}, "network": asdict(NetworkSpec(num_filters=4, num_repeats=1))}
        Path(name, "config.yaml").write_text(yaml.safe_dump(document))
        Path(name, "architecture.json").write_text(json.dumps(PUBLISHED["nasnet-a"].to_json()))
    shutil.copytree(finished_run, "run")
    Path("file").write_text("text")
    os.mkfifo("pipe")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        *((f"{command} missing", "there is no folder missing") for command in ("status", "watch", "status --front")),
        *((f"{command} file", "file must be a folder") for command in ("status", "watch")),
        ("compare run missing --out out", "there is no folder missing"),
        ("report missing --out out.html", "there is no folder missing"),
        ("select missing --front", "there is no folder missing"),
        ("export missing --front --out out", "there is no folder missing"),
        *(
            (f"{command} trained {options}", "trained holds a run of `nas train`; it must be one of `nas search`")
            for command, options in (
                ("compare run", "--out out"),
                ("watch", ""),
                ("report", "--out out.html"),
                ("status --front --objectives accuracy,parameters", ""),
                ("export --front --objectives accuracy,parameters", "--out out"),
                ("select --front --objectives accuracy,parameters", ""),
            )
        ),
        *(
            (f"{command} detected {options}", "detected holds a run of `nas detect` without a classifier")
            for command, options in (
                ("count", ""),
                ("export", "--out out"),
                ("evaluate", ""),
                ("robustness", "--out out"),
                ("latency measure", ""),
            )
        ),
        ("count pipe", "pipe must be a file or a folder"),
        ("count nasnet-a --image-size 0", "--image-size must be 8..8192, got 0"),
        ("count nasnet-a --classes 1", "--classes must be 2..1000000, got 1"),
        ("export nasnet-a --out run", "run holds a run, whose files an export could replace"),
        ("export nasnet-a --out trained", "trained holds a run, whose files an export could replace"),
        ("export run --out out --objectives accuracy", "--objectives is for --front"),
        ("select run --front --top 3 --config digits_full", "--front chooses without training, got --config, --top"),
        (
            "select run --front --objectives accuracy,parameters --bound parameters=nan",
            "a bound must be OBJECTIVE=NUMBER, got 'parameters=nan'",
        ),
        ("select run --config digits_full --out out --address here", "must be auto or HOST:PORT, got 'here'"),
        ("evaluate run --data missing", "--data must be a folder, or one of "),
        ("evaluate run --resize 100000", "'--resize'"),
        ("robustness run --out out --images 0", "'--images'"),
        ("benchmark nasbench201 --table file --out out --eta 2", "--eta is for --rungs"),
        ("benchmark nasbench201 --table file --out out --costs file", "--costs is for --objectives"),
        ("benchmark nasbench201 --table file --out out --rungs 3=a,3=b", "each number of epochs once"),
        ("benchmark nasbench201 --table none.csv --out out", "none.csv: No such file or directory"),
        ("latency build --space tiny --out out", "the table must be a .json file in a folder that exists, got 'out'"),
        ("latency build --space tiny --out no/out.json", "the table must be a .json file in a folder that exists"),
        ("init out.yaml --data missing", "there is no folder missing, named with --data"),
    ],
)
def test_a_wrong_input_is_one_line(place, run_cli, words, message):
    before = sorted(place.rglob("*"))
    code, _, err = run_cli(*words.split())
    assert (code, err.count("\n")) == (BAD_INPUT, 1)
    assert message in err
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [
        *(["status", ""], ["watch", ""], ["report", "", "--out", "out.html"], ["compare", "", "--out", "out"]),
        *(["select", "", "--front"], ["score", "nasnet-a", "--data", ""], ["init", "out.yaml", "--data", ""]),
        *([command, "c.yaml", "--data", ""] for command in ("search", "train", "ablate", "detect", "segment")),
        ["study", "pretraining", "c.yaml", "--data", ""],
        ["segment", "c.yaml", "--test-data", ""],
        ["robustness", "run", "--out", "out", "--pictures", ""],
    ],
)
def test_an_empty_name_is_not_the_current_folder(run_cli, words):
    code, _, err = run_cli(*words)
    assert code == BAD_INPUT
    assert "it must name a folder, got nothing" in err


@pytest.mark.parametrize("command", ["search", "train", "ablate", "detect", "segment"])
def test_an_empty_name_is_no_configuration(run_cli, command):
    assert run_cli(command, "")[::2] == (BAD_INPUT, "error: a configuration must be named, got an empty text\n")


def test_a_host_must_be_named(place, run_cli):
    code, _, err = run_cli("watch", "run", "--host", "")
    assert code == BAD_INPUT
    assert err.startswith("error: --host must be an address or a name")


def test_an_unfinished_training_keeps_its_own_network(place):
    found = find_architecture("trained")
    assert found.fidelity.network == NetworkSpec(num_filters=4, num_repeats=1)
    assert network_spec(found, NetworkOptions()) == found.fidelity.network


def test_what_a_library_complains_of_is_one_line(capsys):
    with pytest.raises(ValidationError) as fault:
        TypeAdapter(dict[str, int]).validate_python({"eta": "x"})

    def fail() -> None:
        raise fault.value

    assert report_errors(fail) == BAD_INPUT
    err = capsys.readouterr().err
    assert err.startswith("error: eta: Input should be a valid integer")
    assert err.endswith("got 'x'\n")


@pytest.mark.parametrize("text", ["{}", '{"test": {}}', "[]", "{"])
def test_a_damaged_result_can_be_made_again(tmp_path, text):
    (tmp_path / RESULT_FILE).write_text(text)
    with pytest.raises(ValueError, match="delete it and rerun the command to recreate it"):
        read_result(tmp_path)


def test_json_of_other_editors_is_read():
    assert parse_json(b'\xef\xbb\xbf{"a": 1}\r\n') == {"a": 1}


def test_addresses_of_clusters():
    assert [check_address(each) for each in (None, "auto", "head:6379")] == [None, "auto", "head:6379"]
    for bad in ("", "head", ":6379", "head:x", "head:0", "head:99999", "ray://head:1"):
        with pytest.raises(ValueError, match="must be auto or HOST:PORT"):
            check_address(bad)
