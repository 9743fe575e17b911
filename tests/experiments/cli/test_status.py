import json


def test_a_finished_run_has_a_status(run_cli, finished_run):
    code, out, _ = run_cli("search", finished_run.parent / "config.yaml", "--out", finished_run)
    assert (code, "is finished" in out) == (0, True)
    code, out, _ = run_cli("status", finished_run, "--json")
    assert (code, json.loads(out)["num_finished"]) == (0, 2)
    code, out, _ = run_cli("status", finished_run)
    assert "2 of 2 trials finished" in out


def test_what_is_no_run_is_one_line(run_cli):
    code, _, err = run_cli("status", "/no/such/run")
    assert (code, err) == (2, "error: there is no folder /no/such/run\n")
