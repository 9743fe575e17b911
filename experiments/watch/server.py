"""`nas watch`: serves the page of runs that may be in progress, from their ledgers, without a lock.

Nothing can be changed through it. On loopback it answers requests to loopback names only, so that no page from
elsewhere can read it by a name of its own; on another address it demands a token.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware
from rich.console import Console

from experiments.runs.printing import say
from experiments.watch.analysis_process import AnalysisProcess
from experiments.watch.page import SCRIPTS, SERVED_POLICY, STYLES, bundle, served_page
from experiments.watch.payload import WatchedRun, describe, open_runs
from experiments.watch.trial import trial_details

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

READ_EVERY = 0.25
"""Seconds between two looks at the ledgers, however many pages are open."""
COOKIE = "nas_watch"
HEADERS = {
    "Content-Security-Policy": SERVED_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def watch_runs(folders: Sequence[Path], host: str, port: int, console: Console) -> None:
    """Serves the page of run folders until Ctrl-C.

    Raises:
        ValueError: If a folder holds no search or is given twice.
        RuntimeError: If the address cannot be used.
    """
    runs = open_runs(folders)
    if not host.strip():  # to a socket it would mean all addresses
        raise ValueError("--host must be an address or a name, such as 127.0.0.1, got nothing")
    try:
        asyncio.run(_serve(runs, host, port, console))
    except KeyboardInterrupt:
        return


async def _serve(runs: Sequence[WatchedRun], host: str, port: int, console: Console) -> None:
    token = None if is_loopback(host) else secrets.token_urlsafe(16)
    runner = web.AppRunner(make_app(runs, token), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise RuntimeError(
                f"port {port} of {host} cannot be used ({error.strerror}); choose another --port or --host"
            ) from None
        say(console, f"watching {len(runs)} run{'s' * (len(runs) != 1)}; press Ctrl-C to stop")
        say(console, address(host, runner.addresses[0][1], token))
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def address(host: str, port: int, token: str | None) -> str:
    """The address to open in a browser."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + ("" if token is None else f"?token={token}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_app(runs: Sequence[WatchedRun], token: str | None = None) -> web.Application:
    """Makes the application; with a token, every request must have it as ``?token=`` or as the cookie set then."""
    site = _Site(runs)
    app = web.Application(middlewares=[_guard(token)])
    app.router.add_get("/", site.page)
    app.router.add_get("/page.js", site.script)
    app.router.add_get("/page.css", site.style)
    app.router.add_get("/runs", site.runs)
    app.router.add_get("/data", site.data)
    app.router.add_get(r"/trial/{run:\d{1,4}}/{trial:\d{1,9}}", site.trial)
    app.router.add_get(r"/stages/{run:\d{1,4}}/{trial:\d{1,9}}", site.stages)
    app.router.add_get(r"/preferences/{run:\d{1,4}}", site.preferences)
    app.router.add_get("/comparison", site.comparison)
    app.on_cleanup.append(site.close)
    return app


def _guard(token: str | None) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _may_read(request, token):
            raise web.HTTPForbidden(text="open the address that nas watch has printed\n", headers=HEADERS)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        response.headers.update(HEADERS)
        if token is not None and "token" in request.query:
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
        return response

    return guard


def _may_read(request: web.Request, token: str | None) -> bool:
    if token is None:
        name = (request.url.host or "").strip("[]")
        return is_loopback(name)
    given = request.query.get("token") or request.cookies.get(COOKIE) or ""
    return hmac.compare_digest(given.encode(), token.encode())


class _Site:
    """Answers the requests of pages."""

    def __init__(self, runs: Sequence[WatchedRun]) -> None:
        self._runs = runs
        self._analysis = AnalysisProcess()
        self._lock = asyncio.Lock()
        self._read_at = -READ_EVERY

    async def page(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=served_page(), content_type="text/html")

    async def script(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=bundle(SCRIPTS), content_type="text/javascript")

    async def style(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=bundle(STYLES), content_type="text/css")

    async def runs(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(describe(self._runs))

    async def data(self, request: web.Request) -> web.StreamResponse:
        """What is new to a page; ``since`` has generation.rows.rungs of each run, divided by commas."""
        since = _since(request.query.get("since", ""), len(self._runs))
        await self._refresh()
        deltas = [run.delta(*known) for run, known in zip(self._runs, since, strict=True)]
        response = web.json_response({"now": round(time.time(), 1), "runs": deltas})
        response.enable_compression()
        return response

    async def trial(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self._details(request))

    async def stages(self, request: web.Request) -> web.StreamResponse:
        found = await self._details(request)
        asked = {"architecture": found["architecture"], "network": found["network"]}
        return web.json_response(await self._analysis.ask("stages", **asked))

    async def preferences(self, request: web.Request) -> web.StreamResponse:
        await self._refresh()
        run = self._run(request)
        version = run.follower.generation, run.follower.num_rows
        return web.json_response(await self._analysis.ask("preferences", version=version, run=run.name))

    async def comparison(self, _request: web.Request) -> web.StreamResponse:
        await self._refresh()
        version = [(run.follower.generation, run.follower.num_rows) for run in self._runs]
        asked = self._analysis.ask("comparison", version=version, runs=[run.name for run in self._runs])
        return web.json_response(await asked)

    async def close(self, _app: web.Application) -> None:
        await self._analysis.close()

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._read_at >= READ_EVERY or any(run.unread for run in self._runs):
                await asyncio.to_thread(self._read)
                self._read_at = time.monotonic()

    def _read(self) -> None:
        for run in self._runs:
            run.refresh()

    async def _details(self, request: web.Request) -> dict[str, object]:
        await self._refresh()
        follower, trial = self._run(request).follower, int(request.match_info["trial"])
        try:
            return await asyncio.to_thread(trial_details, follower, trial)
        except (KeyError, ValueError, OSError):
            raise web.HTTPNotFound(text="there is no such trial\n") from None

    def _run(self, request: web.Request) -> WatchedRun:
        number = int(request.match_info["run"])
        if number >= len(self._runs):
            raise web.HTTPNotFound(text="there is no such run\n")
        return self._runs[number]


def _since(text: str, num_runs: int) -> list[tuple[int, int, int]]:
    """What a page has of each run; nothing if the text is not of these runs."""
    try:
        known = [tuple(max(-1, int(number)) for number in part.split(".")) for part in text.split(",")]
    except ValueError:
        known = []
    if len(known) != num_runs or any(len(each) != 3 for each in known):
        return [(-1, 0, 0)] * num_runs
    return [(generation, max(0, rows), max(0, rungs)) for generation, rows, rungs in known]
