import pytest

import nas


@pytest.fixture
def run(tmp_path):
    """A run of four trials with three accuracies; the weights of trial 0 and 1 were not kept."""

    def evaluate(trial):
        return (trial.id % 3) / 10

    parts = {"space": "tiny", "controller": "random", "evaluate": evaluate}
    return nas.run_search(**parts, trials=4, out=tmp_path / "run", quiet=True)


def test_the_best_are_ranked(run):
    assert [found.accuracy for found in run.top(3)] == [0.2, 0.1, 0.0]
    assert [found.trial_id for found in run.top(3)] == [2, 1, 0]
    assert run.best.outcome == run.top(1)[0].record.outcome
    assert run.status.num_finished == 4
    assert run.draw(2).title == "trial 1, 10.00%"
    with pytest.raises(ValueError, match="has 4 different successful architectures, got rank 9"):
        run.draw(9)
    with pytest.raises(ValueError, match="holds no weights of trial 2"):
        run.best.load()


def test_a_run_is_exported_into_its_folder(run):
    assert run.export()[0] == run.path / "best" / "model.py"
    assert nas.load_run(run.path).export(run.path / "other", rank=2)[0].is_file()


def test_a_comparison_from_python(run, tmp_path):
    comparison = nas.compare([run], tmp_path / "compared")
    assert (tmp_path / "compared" / "report.html").is_file()
    assert comparison.strategies[0].num_runs == 1


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        nas.load_run(tmp_path / "nowhere")


def test_without_successes_there_is_no_best(tmp_path):
    parts = {"space": "tiny", "controller": "random", "evaluate": lambda trial: None}
    run = nas.run_search(**parts, trials=1, out=tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match="has no successful trial yet"):
        _ = run.best
    assert run.frame()["failure"].tolist() == ["error"]
