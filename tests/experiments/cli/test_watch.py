from __future__ import annotations


def test_the_commands_pass_their_arguments(run_cli, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr("experiments.watch.server.watch_runs", lambda *arguments: called.append(arguments[:3]))
    monkeypatch.setattr("experiments.watch.report.write_report", lambda *arguments: called.append(arguments))
    assert run_cli("watch", tmp_path, "--port", "0", "--host", "0.0.0.0")[0] == 0  # noqa: S104
    assert run_cli("report", tmp_path, tmp_path / "b", "--out", "page.html") == (0, "page.html\n", "")
    assert [str(each) for each in called[0][0]] == [str(tmp_path)]
    assert called[0][1:] == ("0.0.0.0", 0)  # noqa: S104
    assert [len(called[1][0]), str(called[1][1])] == [2, "page.html"]


def test_bad_input_is_one_line(run_cli, tmp_path):
    for command in (("watch", tmp_path), ("report", tmp_path, "--out", tmp_path / "page.html")):
        code, _, err = run_cli(*command)
        assert (code, err) == (2, f"error: {tmp_path} holds no run: there is no config.yaml in it\n")
    code, _, err = run_cli("watch", tmp_path, "--port", "70000")
    assert (code, err.count("\n"), "--port" in err) == (2, 1, True)
