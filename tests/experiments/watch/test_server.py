from __future__ import annotations

import asyncio
import io
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient, TestServer
from rich.console import Console

from experiments.watch import server
from experiments.watch.payload import open_runs
from experiments.watch.server import address, is_loopback, make_app, watch_runs
from nas.ledger.writer import Ledger
from nas.trial import Success


@asynccontextmanager
async def client(folders, token=None):
    async with TestClient(TestServer(make_app(open_runs(folders), token))) as found:
        yield found


def visit(folders, *paths, token=None, headers=None):
    """Status and body, JSON where it is, of each path."""

    async def run():
        answers = []
        async with client(folders, token) as found:
            for path in paths:
                response = await found.get(path, headers=headers)
                is_json = response.content_type == "application/json"
                answers.append((response.status, await (response.json() if is_json else response.text())))
        return answers

    return asyncio.run(run())


def test_the_page_and_its_parts_are_served_with_a_policy(make_run):
    async def run():
        async with client([make_run()]) as found:
            for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
                response = await found.get(path)
                assert (response.status, response.content_type) == (200, kind)
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "script-src 'self'" in policy
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"

    asyncio.run(run())


def test_data_are_what_a_page_lacks(make_run):
    folders = [make_run(), make_run("other")]
    (_, described), (_, full), (_, rest) = visit(folders, "/runs", "/data", "/data?since=0.4.0,0.3.0")
    assert described["runs"] == [str(folder) for folder in folders]
    assert [each["columns"]["trial"] for each in full["runs"]] == [[0, 1, 2, 3]] * 2
    assert [each["columns"]["trial"] for each in rest["runs"]] == [[], [3]]


@pytest.mark.parametrize("since", ["", "x", "0", "0.0", "0.1.2,3.4.5,6.7.8", "1.5.-7,nan", "%00"])
def test_a_page_that_asks_for_nonsense_starts_anew(make_run, since):
    ((status, answer),) = visit([make_run()], f"/data?since={since}")
    assert (status, answer["runs"][0]["start"], len(answer["runs"][0]["codes"])) == (200, 0, 4)


def test_a_trial_that_ends_is_there_at_the_next_question_while_the_ledger_is_locked(make_run, monkeypatch):
    monkeypatch.setattr(server, "READ_EVERY", 0.0)
    folder = make_run()

    async def run():
        async with client([folder]) as found:
            await found.get("/data")
            with Ledger(folder / "ledger.jsonl") as ledger:
                ledger.append_finished(Success(5, 0.875))
                response = await found.get("/data?since=0.4.0")
            return (await response.json())["runs"][0]

    delta = asyncio.run(run())
    assert (delta["columns"]["trial"], delta["columns"]["accuracy"]) == ([5], [0.875])


def test_many_pages_do_not_read_the_ledger_more_often(make_run, monkeypatch):
    folder, reads = make_run(), []

    async def run():
        async with client([folder]) as found:
            await found.get("/data")
            monkeypatch.setattr(server, "READ_EVERY", 1e9)
            monkeypatch.setattr("experiments.watch.payload.WatchedRun.refresh", lambda run: reads.append(run.name))
            await asyncio.gather(*(found.get("/data") for _ in range(5)))

    asyncio.run(run())
    assert reads == []


def test_a_trial_has_cells_and_what_is_not_there_is_not_found(make_run):
    folder = make_run()
    (status, details), *others = visit(
        [folder], "/trial/0/3", "/trial/0/77", "/trial/1/3", "/trial/0/-1", "/trial/0/.."
    )
    assert (status, len(details["cells"])) == (200, 2)
    assert [each for each, _ in others] == [404] * 4


def test_a_damaged_ledger_is_told_and_other_runs_go_on(make_run):
    damaged, sound = make_run(), make_run("sound")
    with (damaged / "ledger.jsonl").open("a") as file:
        file.write("nonsense\n")
    ((status, answer),) = visit([damaged, sound], "/data")
    assert status == 200
    assert "line 12: " in answer["runs"][0]["error"]
    assert answer["runs"][1]["error"] is None


def test_hostile_texts_are_json_only(hostile_run):
    answers = visit([hostile_run], "/", "/runs", "/data", "/trial/0/0")
    assert [status for status, _ in answers] == [200] * 4
    assert "onerror" not in answers[0][1]
    assert answers[3][1]["cells"] == []  # no architecture can have such names


def test_other_names_of_this_machine_are_refused(make_run):
    """A page from elsewhere whose name resolves to loopback must not read the runs."""
    folder = make_run()
    paths = ("/", "/data", "/page.js")
    assert [status for status, _ in visit([folder], *paths, headers={"Host": "attacker.example:8321"})] == [403] * 3
    for name in ("localhost:8321", "127.0.0.1", "[::1]:8321"):
        assert visit([folder], "/runs", headers={"Host": name})[0][0] == 200


def test_a_token_is_demanded_then_kept_as_a_cookie(make_run):
    folder = make_run()

    async def run():
        async with client([folder], "secret") as found:
            before = [(await found.get(path)).status for path in ("/", "/data", "/?token=wrong", "/page.js")]
            opened = await found.get("/?token=secret")
            cookie = opened.cookies[server.COOKIE]
            return before, opened.status, cookie["httponly"], cookie["samesite"], (await found.get("/data")).status

    assert asyncio.run(run()) == ([403] * 4, 200, True, "Strict", 200)


def test_nothing_can_be_changed(make_run):
    folder = make_run()

    async def run():
        async with client([folder]) as found:
            return [(await found.request(method, "/data")).status for method in ("POST", "PUT", "DELETE")]

    before = (folder / "ledger.jsonl").read_bytes()
    assert asyncio.run(run()) == [405] * 3
    assert (folder / "ledger.jsonl").read_bytes() == before
    assert {path.name for path in folder.iterdir()} <= {"config.yaml", "ledger.jsonl", "ledger.jsonl.lock"}


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)]
)
def test_loopback_is_known(host, expected):
    assert is_loopback(host) is expected


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "localhost.example.org"])  # noqa: S104
def test_other_addresses_are_known(host):
    assert is_loopback(host) is False


def test_addresses_can_be_opened():
    assert address("127.0.0.1", 8321, None) == "http://127.0.0.1:8321/"
    assert address("::1", 80, "abc") == "http://[::1]:80/?token=abc"


def test_a_port_in_use_is_told(make_run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {port} of 127.0.0.1 cannot be used"):
            watch_runs([make_run()], "127.0.0.1", port, Console(file=io.StringIO()))


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c_and_needs_no_torch(make_run):
    code = (
        "import sys\nfrom experiments.cli.main import main\ncode = main(sys.argv[1:])\n"
        "print('torch' in sys.modules)\nsys.exit(code)"
    )
    command = [sys.executable, "-uc", code, "watch", str(make_run()), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        url = re.fullmatch(r"(http://127\.0\.0\.1:\d+/)\n", process.stdout.readline())[1]
        with urllib.request.urlopen(url + "data", timeout=60) as response:  # noqa: S310 - loopback
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "False\n"
        assert process.wait(timeout=60) == 0
