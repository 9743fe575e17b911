from types import SimpleNamespace

from experiments.study import run as study
from experiments.study import table as study_table


def test_the_command_explains_itself(run_cli):
    code, out, _ = run_cli("study", "pretraining", "--help")
    assert code == 0
    assert "Example: nas study pretraining" in " ".join(out.split())
    assert "pretraining" in run_cli("study", "--help")[1]


def test_options_reach_the_study(run_cli, monkeypatch, tmp_path):
    seen, value = [], SimpleNamespace(settings=[SimpleNamespace(num_failed=0), SimpleNamespace(num_failed=0)])
    monkeypatch.setattr(study, "run_study", lambda *arguments: seen.append(arguments) or value)
    monkeypatch.setattr(study_table, "print_study", lambda value, console: console.print("value"))
    words = ["--backbone", "nasnet-a", "--pretrained", "p", "--data", tmp_path, "--out", tmp_path / "o", "--seeds", 2]
    words += ["--schedules", "1x,2x", "--fractions", "0.5,1", "--workers", 3, "--address", "auto"]
    code, out, _ = run_cli("study", "pretraining", "small", *words, "--set", "recipe.flip=false")
    assert (code, out) == (0, "value\n")
    ((request, backbone, folder, _),) = seen
    assert (request.source, request.settings) == ("small", ("recipe.flip=false",))
    assert request.changes == {
        ("study", "pretrained"): "p",
        ("study", "num_seeds"): 2,
        ("study", "schedules"): ["1x", "2x"],
        ("study", "fractions"): [0.5, 1.0],
        ("data", "root"): tmp_path,
        ("workers", "num_workers"): 3,
        ("workers", "address"): "auto",
    }
    assert (backbone, folder) == ("nasnet-a", tmp_path / "o")
    value.settings[1].num_failed = 1
    assert run_cli("study", "pretraining", "small", *words)[:2] == (1, "value\n")


def test_fractions_are_numbers(run_cli):
    code, _, err = run_cli("study", "pretraining", "coco_study_small", "--fractions", "half")
    assert (code, err) == (2, "error: fractions must be numbers such as 0.5,1, got 'half'\n")


def test_bad_input_is_one_line(run_cli, tmp_path):
    for words in (["nowhere"], ["coco_study_small"], ["coco_study_small", "--fractions", "x"], ["digits_ppo"]):
        code, _, err = run_cli("study", "pretraining", *words, "--out", tmp_path / "out")
        assert code == 2
        assert err.startswith("error: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
