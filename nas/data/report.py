"""What a reader of images uses, what it leaves out and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nas.data.identity import Identity, merge

MAX_EXAMPLES = 3
TEST_IMAGES = "test images"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Things left out for one reason: how many, and the names of some."""

    reason: str
    number: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        names = ", ".join(f"{name:.120}" for name in self.examples)
        return f"{self.number:,} {self.reason}" + (f" ({names}{', ...' * (self.number > len(self.examples))})")


class LeftOutTally:
    """Counts what is left out, by reason."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """Counts one thing."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        if len(examples := self._examples.setdefault(reason, [])) < MAX_EXAMPLES:
            examples.append(name)

    def result(self) -> tuple[LeftOut, ...]:
        """Returns the counts in the order in which the reasons came up."""
        return tuple(LeftOut(name, number, tuple(self._examples[name])) for name, number in self._counts.items())


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a reader of images uses and what it leaves out.

    Attributes:
        used: numbers by what they count, such as "training images".
        left_out: files and objects that are not used.
        notices: sentences on what a person should know about the images.
        identity: of the files for training and validation.
        tested: of the files for the final test; None without a test.
    """

    used: Mapping[str, int]
    left_out: tuple[LeftOut, ...] = ()
    notices: tuple[str, ...] = ()
    identity: Identity = field(default_factory=lambda: Identity({}))
    tested: Identity | None = None

    @property
    def complete(self) -> Identity:
        """Identity of all files, those of the test too."""
        return self.identity if self.tested is None else merge((self.identity, self.tested))

    @property
    def counts(self) -> dict[str, Any]:
        """Returns the counts and notices as plain data for JSON, with the fingerprint of the images."""
        left_out = [
            {"reason": each.reason, "number": each.number, "examples": [*each.examples]} for each in self.left_out
        ]
        return {
            "used": {**self.used},
            "left_out": left_out,
            "notices": [*self.notices],
            "fingerprint": self.complete.fingerprint,
        }

    def without_test(self) -> DataReport:
        """Returns the report of a run that uses no test images."""
        used = {name: number for name, number in self.used.items() if name != TEST_IMAGES}
        return replace(self, used=used, tested=None)

    def lines(self) -> Iterator[str]:
        """Formats the report as lines of text."""
        yield describe_counts(self.counts)
        yield from (f"note: {notice}" for notice in self.notices)


def describe_counts(counts: Mapping[str, Any]) -> str:
    """Formats `DataReport.counts` as one line: "data: 900 training images, ...; left out: ..."."""
    used = ", ".join(f"{number:,} {name}" for name, number in counts["used"].items())
    left_out = [LeftOut(each["reason"], each["number"], tuple(each["examples"])) for each in counts["left_out"]]
    return f"data: {used}; left out: {', '.join(map(str, left_out)) or 'nothing'}"


def join_left_out(parts: Iterable[tuple[str, Iterable[LeftOut]]]) -> tuple[LeftOut, ...]:
    """Joins what several folders leave out: (prefix of the names, what is left out) each."""
    tally: dict[str, LeftOut] = {}
    for prefix, every in parts:
        for each in every:
            known = tally.get(each.reason, LeftOut(each.reason, 0))
            examples = (*known.examples, *(f"{prefix}{name}" for name in each.examples))[:MAX_EXAMPLES]
            tally[each.reason] = LeftOut(each.reason, known.number + each.number, examples)
    return tuple(tally.values())
