"""The page in headless Chromium: what a person sees and does."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from experiments.watch import report
from experiments.watch.payload import open_runs
from experiments.watch.report import write_report
from experiments.watch.server import make_app
from nas.ledger.writer import Ledger
from nas.rungs import RungReport
from nas.trial import Success

pytestmark = pytest.mark.browser
BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
HOSTILE = "<img src=x onerror=alert(1)>"
ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-extensions", "--window-size=1400,900"),
)
PATIENCE = 60.0
"""Seconds until a test gives up to wait for something that takes milliseconds on an idle machine."""


@pytest.fixture(scope="module")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the extra browser: selenium")
    if BINARY is None or DRIVER is None:
        pytest.skip("needs Chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BINARY
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """The browser at a desktop's width, with empty logs; at the end nothing was logged and nothing left loopback."""
    resize(chromium, 1400)
    chromium.get("about:blank")
    chromium.get_log("browser")
    chromium.get_log("performance")
    yield chromium
    assert chromium.get_log("browser") == []
    assert {url for url in requests(chromium) if not url.startswith(ALLOWED)} == set()


ALLOWED = ("http://127.0.0.1:", "file://", "data:", "about:", "blob:")


def requests(driver) -> set[str]:
    events = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return {each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"}


def resize(driver, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def wait(driver, condition: str) -> None:
    """Waits until an expression of JavaScript holds."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, PATIENCE, 0.1).until(lambda each: each.execute_script(f"return {condition}"), condition)


def text(driver) -> str:
    return driver.execute_script("return document.body.innerText")


@contextmanager
def serving(folders):
    """Serves the page from a thread; gives its address."""
    from aiohttp import web

    started, place = threading.Event(), {}

    async def serve():
        runner = web.AppRunner(make_app(open_runs(folders)), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        place.update(port=runner.addresses[0][1], loop=asyncio.get_running_loop(), end=asyncio.Event())
        started.set()
        await place["end"].wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait()
    try:
        yield f"http://127.0.0.1:{place['port']}/"
    finally:
        place["loop"].call_soon_threadsafe(place["end"].set)
        thread.join()


def test_trials_appear_without_reload_and_a_point_opens_its_trial(browser, make_run):
    folder = make_run()
    with serving([folder]) as url:
        browser.get(url)
        wait(browser, "STATE.runs[0]?.length === 4 && PARTS")
        browser.execute_script("window.same = true")
        assert "4 of 9" in text(browser)
        assert "the loss is not finite" in text(browser)
        with Ledger(folder / "ledger.jsonl") as ledger:
            ledger.append_finished(Success(5, 0.875, 1000, 20_000, 1.0))
            wait(browser, "STATE.runs[0].length === 5")
        wait(browser, "document.body.innerText.includes('68.75 %')")  # the mean of the last trials
        place = browser.execute_script(
            "const {plot} = PARTS.trials, box = plot.over.getBoundingClientRect();"
            "scrollTo(0, scrollY + box.top - 100); const moved = plot.over.getBoundingClientRect();"
            "return [moved.left + plot.valToPos(5, 'x') - 3, moved.top + plot.valToPos(87.5, 'y')]"
        )
        point(browser, place, "mouseMoved")
        wait(browser, "!tip().hidden")
        assert "trial 5 (trained)\naccuracy 87.50 %" in browser.execute_script("return tip().textContent")
        point(browser, place, "mousePressed")
        point(browser, place, "mouseReleased")
        wait(browser, "document.querySelectorAll('.cells svg').length === 2")
        assert browser.execute_script("return window.same") is True
        shown = text(browser)
        for part in ("Trial 5 of", "nas export", "Same architecture", "trial 0", "Nearest relatives"):
            assert part in shown


def test_a_trial_that_was_only_scored_has_no_accuracy(browser, make_run):
    folder = make_run(outcomes=[])
    scored, trained = Success(0, 0.0, 1000, 20_000, 2.0, metrics={"synflow": 9.0}), Success(1, 0.25)
    stopped = Success(2, 0.75)
    with Ledger(folder / "ledger.jsonl") as ledger:
        for epochs, outcome, goes_on in (
            (0, scored, False),
            (0, replace(scored, trial_id=1), True),
            (1, trained, True),
            (1, stopped, False),
        ):
            ledger.append_report(RungReport(epochs, outcome, goes_on))
        ledger.append_finished(replace(scored, stopped_after=0))
        ledger.append_finished(Success(1, 0.5))
        ledger.append_finished(replace(stopped, stopped_after=1))  # its accuracy is another quantity: not the incumbent
    with serving([folder]) as url:
        browser.get(url)
        wait(browser, "STATE.runs[0]?.length === 3 && PARTS")
        assert browser.execute_script("const run = STATE.runs[0]; return [run.ranking, run.incumbent]") == [
            [1, 2],
            [None, 0.5, 0.5],
        ]
        rungs = browser.execute_script("return [...PARTS.rungs.querySelectorAll('tbody tr')].map(row => row.innerText)")
        assert [row.split("\t")[1:] for row in rungs] == [
            ["0 (scores)", "2", "1", "1", "\u2013"],
            ["1", "2", "1", "1", "75.00 %"],
        ]
        browser.get(f"{url}#trial/0/0")
        wait(browser, "document.getElementById('trial')?.textContent.startsWith('Trial 0')")
        for part in ("stopped after 0 epochs (scores)", "synflow", "0 (scores)", "Accuracy\t\u2013"):
            assert part in text(browser)


def point(driver, place, kind: str) -> None:
    pressed = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": place[0], "y": place[1], **pressed})


def test_hovering_a_state_shows_what_it_is_made_of(browser, make_run):
    with serving([make_run()]) as url:
        browser.get(f"{url}#trial/0/1")
        wait(browser, "document.querySelectorAll('.cells svg').length === 2")
        browser.execute_script("document.querySelector('.box.combine').dispatchEvent(new Event('mouseenter'))")
        assert browser.execute_script("return document.querySelectorAll('svg.lit').length") == 1
        on = browser.execute_script("return document.querySelectorAll('svg.lit .box.on').length")
        assert on == 5  # two inputs, two operations, their combination


def test_two_runs_are_shown_side_by_side_at_the_width_of_a_telephone(browser, make_run):
    resize(browser, 400)
    with serving([make_run(), make_run("other", controller={"name": "ppo"})]) as url:
        browser.get(url)
        wait(browser, "STATE.runs[1]?.length === 4 && PARTS")
        wait(browser, "document.documentElement.scrollWidth <= 400")  # charts take their width after the first drawing
        shown = text(browser)
        assert "controller.name" in shown
        assert "2 searches" in shown


def test_the_keyboard_walks_along_the_trials_and_opens_one(browser, make_run):
    from selenium.webdriver.common.keys import Keys

    with serving([make_run()]) as url:
        browser.get(url)
        wait(browser, "STATE.runs[0]?.length === 4 && PARTS")
        browser.execute_script("PARTS.trials.place.focus()")
        chart = browser.switch_to.active_element
        chart.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        assert "trial 1 (trained)" in browser.execute_script("return tip().textContent")
        chart.send_keys(Keys.ENTER)
        wait(browser, "document.getElementById('trial') !== null")
        assert "Trial 1 of" in text(browser)


def test_a_report_opens_from_disk_and_texts_stay_texts(browser, hostile_run, tmp_path, monkeypatch):
    nothing = {"strategies": [], "tests": [], "verdict": [HOSTILE], "notes": []}
    answers = {"comparison": lambda **_: nothing, "preferences": lambda **_: None, "stages": lambda **_: []}
    monkeypatch.setattr(report.analysis, "ANSWERS", answers)
    out = tmp_path / "report.html"
    write_report([hostile_run], out)
    browser.get(out.as_uri())
    wait(browser, "STATE.runs[0]?.length === 2 && PARTS")
    shown = text(browser)
    assert shown.count("<img src=x onerror=") >= 4
    browser.execute_script("location.hash = 'trial/0/0'")
    wait(browser, "document.getElementById('trial') !== null")
    assert "<img src=x" in text(browser)
    assert browser.execute_script("return document.querySelectorAll('img').length") == 0
    assert "hacked" not in browser.title


def test_hostile_names_stay_texts_on_the_served_page(browser, hostile_run):
    with serving([hostile_run]) as url:
        browser.get(url)
        wait(browser, "STATE.runs[0]?.length === 2 && PARTS")
        assert text(browser).count("<img src=x onerror=") >= 4
        assert browser.execute_script("return document.querySelectorAll('img').length") == 0
        assert "hacked" not in browser.title
