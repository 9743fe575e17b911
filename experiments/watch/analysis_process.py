"""Asks a process for what needs torch; see `experiments.watch.analysis`."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

MAX_ANSWER = 2**26
MAX_KEPT = 200


class AnalysisProcess:
    """Starts the process at the first question, asks one at a time, and keeps the last answers."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._kept: dict[str, Any] = {}

    async def ask(self, kind: str, *, version: object = None, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Returns the answer to a question, an object with ``result`` or ``error``.

        An earlier answer is returned again if arguments and `version`, which names the state of the data, are equal.
        """
        request = json.dumps({"kind": kind, **arguments})
        key = f"{request} {version}"
        async with self._lock:
            if key not in self._kept:
                answer = await self._ask(request)
                if "error" in answer:
                    return answer
                self._kept[key] = answer
                while len(self._kept) > MAX_KEPT:
                    del self._kept[next(iter(self._kept))]
            return dict(self._kept[key])

    async def _ask(self, request: str) -> dict[str, Any]:
        process = await self._running()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        try:
            process.stdin.write(request.encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
        except ConnectionError:
            line = b""
        if not line:
            await self.close()
            return {"error": "the process of the analysis has ended; try again"}
        return dict(json.loads(line))

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            command = (sys.executable, "-m", "experiments.watch.analysis")
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=MAX_ANSWER)
        return self._process

    async def close(self) -> None:
        """Ends the process, if there is one; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
