import pytest

from experiments.training import evaluate as evaluation
from experiments.training.evaluate import EvaluateOptions


def test_options_reach_the_evaluation(run_cli, monkeypatch):
    seen = []
    monkeypatch.setattr(evaluation, "run_evaluate", lambda *arguments: seen.append(arguments) or {"top1": 0.5})
    monkeypatch.setattr(evaluation, "evaluation_lines", lambda value: [f"top-1 {value['top1']}"])
    words = ["--data", "images", "--crop", 24, "--crop", 32, "--resize", 40, "--code"]
    assert run_cli("evaluate", "best", *words) == (0, "top-1 0.5\n", "")
    assert seen == [("best", EvaluateOptions("images", (24, 32), 40, True))]
    assert run_cli("evaluate", "best", "--json") == (0, '{\n  "top1": 0.5\n}\n', "")


@pytest.mark.parametrize("option", ["--crop", "--resize"])
@pytest.mark.parametrize("number", ["0", "-3", "7"])
def test_images_of_no_size_are_refused(option, number, run_cli):
    code, _, err = run_cli("evaluate", "best", "--data", "images", option, number)
    assert code == 2
    assert f"Invalid value for '{option}': Input should be greater than or equal to 8" in err
