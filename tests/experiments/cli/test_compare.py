import json

from experiments.comparison.run import compare_runs


def test_runs_are_compared(run_cli, tmp_path, monkeypatch, write_run):
    runs = [write_run(name, name, 0) for name in ("ppo", "random")]
    made = []

    def compare_once(*arguments, **options):
        made.extend([] if made else [compare_runs(*arguments, **options)])
        return made[0]

    monkeypatch.setattr("experiments.comparison.run.compare_runs", compare_once)
    code, out, _ = run_cli("compare", *runs, "--out", tmp_path / "comparison", "--json")
    value = json.loads(out)
    assert code == 0
    assert {strategy["name"] for strategy in value["strategies"]} == {"ppo", "random"}
    assert (tmp_path / "comparison" / "report.html").exists()
    code, out, _ = run_cli("compare", *runs, "--out", tmp_path / "comparison")
    assert (code, "random search" in out) == (0, True)


def test_what_is_no_run_is_one_line(run_cli, tmp_path):
    code, _, err = run_cli("compare", "/no/such/run", "--out", tmp_path / "comparison")
    assert (code, err.count("\n"), "/no/such/run" in err) == (2, 1, True)
    assert not (tmp_path / "comparison").exists()
