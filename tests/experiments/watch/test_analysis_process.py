from __future__ import annotations

import asyncio

from experiments.watch import analysis_process
from experiments.watch.analysis_process import AnalysisProcess

ECHO = """
import json, sys
for number, line in enumerate(sys.stdin):
    question = json.loads(line)
    if question["kind"] == "end":
        sys.exit()
    print(json.dumps({"result": [number, question]}), flush=True)
"""


def ask(monkeypatch, *questions):
    start = asyncio.create_subprocess_exec

    async def echo(program, *_arguments, **options):
        return await start(program, "-c", ECHO, **options)

    monkeypatch.setattr(analysis_process.asyncio, "create_subprocess_exec", echo)

    async def run():
        process = AnalysisProcess()
        try:
            return [await process.ask(kind, version=version, run=run) for kind, version, run in questions]
        finally:
            await process.close()

    return asyncio.run(run())


def test_a_question_is_asked_again_only_if_the_data_have_changed(monkeypatch):
    answers = ask(
        monkeypatch, ("comparison", 1, "a"), ("comparison", 1, "a"), ("comparison", 2, "a"), ("stages", 1, "b")
    )
    numbers = [answer["result"][0] for answer in answers]
    assert numbers == [0, 0, 1, 2]
    assert answers[3]["result"][1] == {"kind": "stages", "run": "b"}


def test_a_process_that_ends_is_an_error_and_the_next_question_starts_another(monkeypatch):
    ended, answer = ask(monkeypatch, ("end", 0, "a"), ("stages", 0, "a"))
    assert "has ended" in ended["error"]
    assert answer["result"][0] == 0
