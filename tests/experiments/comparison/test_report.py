from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from experiments.comparison.analysis import compare_strategies
from experiments.comparison.norm_usage import StageNorms
from experiments.comparison.report import report_page
from experiments.comparison.results import Difference, Settings
from experiments.comparison.run import compare_runs

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects ids, addresses and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.addresses, self.tags, self.words = [], [], [], set(), []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in {"src", "href", "xlink:href"}:
                self.addresses.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def comparison(write_run, tmp_path_factory):
    folders = [write_run(f"run-{name}-{seed}", name, seed) for name in ("random", "ppo") for seed in range(4)]
    return compare_runs(folders, tmp_path_factory.mktemp("compared"))


@pytest.fixture(scope="module")
def page(comparison):
    return report_page(comparison)


def test_page_is_one_file_without_network_or_scripts(page):
    parsed = Page(page)
    assert parsed.open == []
    assert all(address.startswith("#") for address in parsed.addresses)
    assert not parsed.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert not re.search(r"url\((?!#)|@import|\son\w+=", page)


def test_ids_of_all_figures_are_usable_together(page):
    parsed = Page(page)
    # Markers and paths that figures share are drawn alike; clip paths and figures are not, and must not be mixed up.
    clips = re.findall(r'<clipPath id="(\w+)"', page)
    assert len(set(clips)) == len(clips)
    assert {address.removeprefix("#") for address in parsed.addresses} <= set(parsed.ids)


def test_page_holds_every_part(page, comparison):
    parsed = Page(page)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Strategies",
        "Curves",
        "Tests",
        "Trials and time to a target",
        "Best architectures",
        "Trials, failures and cost",
        "Configuration",
        "Environment",
        "Methods",
    ]
    assert parsed.text.startswith("PPO and random search compared")
    for sentence in (*comparison.verdict, *comparison.notes):
        assert " ".join(sentence.split()) in parsed.text
    assert page.count("<svg ") == 5 + 2 + 2 * 2  # curves, tests, both cells of each
    for words in (
        "recipe.epochs",
        "search.seed",
        "hardware.num_cpus",
        comparison.strategies[0].best[0].fingerprint[:12],
    ):
        assert words in parsed.text


def test_numbers_of_the_page_are_those_of_the_comparison(page, comparison):
    parsed = Page(page)
    for each in comparison.strategies:
        value, low, high = (f"{100 * number:.2f}" for number in (each.final.value, each.final.low, each.final.high))
        assert f"{value} ({low} to {high})" in parsed.text
    for row in comparison.tests:
        assert f"{row.u:g}" in parsed.text


def test_page_suits_phones_print_and_dark_rooms(page):
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    for rule in ("@media print", "@media (max-width", "prefers-color-scheme: dark"):
        assert rule in page


def test_text_of_others_is_escaped(comparison):
    nasty = "<img src=x onerror=alert(1)>"
    strategies = [replace(each, name=f"ppo, {nasty}{place}") for place, each in enumerate(comparison.strategies)]
    first = strategies[0]
    best = replace(first.best[0], run=nasty, architecture={"ops": [nasty]}, fingerprint=nasty)
    strategies[0] = replace(first, best=(best,), trials=replace(first.trials, failed={nasty: 1}))
    changed = replace(
        comparison,
        strategies=tuple(strategies),
        verdict=(nasty,),
        notes=(nasty,),
        tests=(),
        targets=None,
        configuration=Settings({nasty: nasty, "data.name": nasty}, (Difference(nasty, {nasty: nasty}),)),
        environment=Settings({}, ()),
    )
    written = report_page(changed)
    assert "<img" not in written
    assert written.count("&lt;img") > 10
    assert Page(written).open == []


def test_page_of_plain_arrays_has_no_configuration_and_no_cells(make_strategy):
    page = report_page(compare_strategies([make_strategy("ppo", seeds=1, trials=12, test=True)]))
    assert "<h2>Configuration</h2>" not in page
    assert "<h2>Tests</h2>" not in page
    assert "Both cells" not in page
    assert "Test accuracy (%)" in Page(page).text


def test_architectures_that_are_not_made_of_cells_are_shown_as_they_are(make_strategy):
    comparison = compare_strategies([make_strategy("ppo", seeds=1, trials=12)])
    comparison = comparison.with_best(lambda best: replace(best, architecture={"edges": ["none", "skip"]}))
    assert "&quot;edges&quot;: [&quot;none&quot;, &quot;skip&quot;]" in report_page(comparison)


def test_shares_of_norms_are_tabled_for_strategies_that_chose_among_them(make_strategy):
    stages = (
        StageNorms(1, {"bn": 0.5, "in": 0.5}, {"in": 1.0}),
        StageNorms(2, {"bn": 1.0}, {"bn": 0.125, "gn": 0.875}),
    )
    comparison = compare_strategies([make_strategy(name, seeds=1, trials=12) for name in ("ppo", "random")])
    assert "Norms by stage" not in report_page(comparison)
    first, second = comparison.strategies
    page = report_page(replace(comparison, strategies=(replace(first, norms=stages), replace(second, norms=()))))
    section = page[page.index("Norms by stage") :].partition("</section>")[0]
    space = "\N{NO-BREAK SPACE}"
    shares = (f"50.00{space}%", f"12.50{space}%", f"0.00{space}%")
    for part in ("1 of 2", "2 of 2", "best 10", *shares, "PPO", ">in<", ">bn<"):
        assert part in section
    assert "Random search" not in section
    assert ">ibn_b<" not in section
