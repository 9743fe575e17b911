from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas.ledger.writer import Ledger
from nas.trial import Failure, Outcome, Success

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"></script><script>document.title='hacked'</script>"
OUTCOMES = [
    Success(0, 0.5, 1000, 20_000, 2.0),
    Success(1, 0.75, 3000, 60_000, 4.0, metrics={"test_accuracy": 0.7}),
    Failure(2, "diverged", "the loss is not finite", 1.0),
    Success(3, 0.625, 2000, 40_000, 3.0, cached=True),
]


@pytest.fixture
def make_run(tmp_path, make_trial) -> Callable[..., Path]:
    """Writes a run folder: six trials asked for, of which 0 and 5 have one architecture, and these outcomes."""

    def make(name: str = "run", outcomes: list[Outcome] = OUTCOMES, **sections: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        document = {"controller": {"name": "random"}, "search": {"num_trials": 9, "seed": 0}, **sections}
        (folder / "config.yaml").write_text(yaml.safe_dump(document))
        with Ledger(folder / "ledger.jsonl") as ledger:
            ledger.append_asked([make_trial(number, number % 5) for number in range(6)])
            for outcome in outcomes:
                ledger.append_finished(outcome)
        return folder

    return make


@pytest.fixture
def hostile_run(make_run) -> Path:
    """A run with markup in every text: names of operations and norms, errors, settings, events, metrics."""
    outcomes = [Success(0, 0.5, metrics={HOSTILE: 1.0}), Failure(1, "error", HOSTILE)]
    folder = make_run("<b>run<script>", outcomes, controller={"name": HOSTILE, HOSTILE: HOSTILE})
    ledger = folder / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    for line in lines:
        if line["event"] == "asked":
            line["trial"]["fingerprint"] = HOSTILE + line["trial"]["fingerprint"]
            for cell in ("normal", "reduction"):
                for block in line["trial"]["architecture"][cell]["blocks"]:
                    block["left"][1], block["norm"] = HOSTILE, HOSTILE
    lines.append({"event": HOSTILE})
    ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
