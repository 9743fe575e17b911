from types import SimpleNamespace

from experiments.study import run as study
from experiments.study import table as study_table


def test_the_command_explains_itself(run_cli):
    code, out, _ = run_cli("study", "pretraining", "--help")
    assert code == 0
    assert "Example: nas study pretraining" in " ".join(out.split())
    assert "pretraining" in run_cli("study", "--help")[1]


def test_options_reach_the_study(run_cli, monkeypatch, tmp_path):
    seen, settings = [], [SimpleNamespace(num_failed=0), SimpleNamespace(num_failed=0)]
    value = SimpleNamespace(settings=settings)
    monkeypatch.setattr(study, "run_study", lambda config, options, console: seen.append((config, options)) or value)
    monkeypatch.setattr(study_table, "print_study", lambda value, console: console.print("value"))
    words = ["--backbone", "nasnet-a", "--pretrained", "p", "--data", tmp_path, "--out", tmp_path / "o", "--seeds", 2]
    words += ["--schedules", "1x,2x", "--fractions", "0.5,1", "--workers", 3, "--address", "auto"]
    code, out, _ = run_cli("study", "pretraining", "small", *words, "--set", "recipe.flip=false")
    assert (code, out) == (0, "value\n")
    wanted = study.StudyOptions(
        "nasnet-a", "p", tmp_path, tmp_path / "o", 2, "1x,2x", "0.5,1", 3, "auto", ("recipe.flip=false",)
    )
    assert seen == [("small", wanted)]
    settings[1].num_failed = 1
    assert run_cli("study", "pretraining", "small", *words)[:2] == (1, "value\n")


def test_bad_input_is_one_line(run_cli, tmp_path):
    for words in (["nowhere"], ["coco_study_small"], ["coco_study_small", "--fractions", "x"], ["digits_ppo"]):
        code, _, err = run_cli("study", "pretraining", *words, "--out", tmp_path / "out")
        assert code == 2
        assert err.startswith("error: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
