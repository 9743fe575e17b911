"""The folder of a run: ``config.yaml``, ``environment.json``, ``ledger.jsonl`` and ``weights/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from experiments.config.sections import flatten
from experiments.config.yaml_file import read_yaml
from experiments.runs.environment import describe_environment
from nas.files.atomic_write import write_text
from nas.files.strict_json import parse_json

FREE_SETTINGS = frozenset(
    {
        "data.root",
        "data.cache_mib",
        "data.check_pictures",
        "search.num_trials",
        "workers.pool",
        "workers.address",
        "workers.dashboard",
        "workers.num_workers",
        "workers.min_workers",
        "workers.cpus",
        "workers.gpus",
        "workers.memory_gib",
        "workers.time_limit_seconds",
        "workers.max_retries",
        "workers.recycle_after",
        "workers.keep_weights",
    }
)
"""Settings that may change when a run is continued: where it runs and how far it goes, not what it measures."""
FREE_SECTIONS = ("workers.resources.", "workers.runtime_env.", "trackers.", "test.")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the parts of a run lie.

    Attributes:
        path: the folder; it need not exist.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration: every setting written out."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, git commit and hardware, of the start and of every continuation elsewhere."""
        return self.path / "environment.json"

    @property
    def ledger(self) -> Path:
        """All that was asked for and all that came of it."""
        return self.path / "ledger.jsonl"

    @property
    def weights(self) -> Path:
        """The folder with the weights of the best trials."""
        return self.path / "weights"

    @property
    def has_trials(self) -> bool:
        """Whether any trial was ever asked for: only then is the folder bound to its configuration."""
        return self.ledger.exists() and self.ledger.stat().st_size > 0

    def trial_weights(self, trial_id: int) -> Path:
        """The file with the weights of one trial; it need not exist."""
        return self.weights / f"trial-{trial_id}.safetensors"

    def stored_document(self) -> dict[str, Any] | None:
        """The resolved configuration as plain data, or None if the folder holds no run.

        Raises:
            ValueError: if the folder holds other files but no run, or its configuration cannot be read.
        """
        if self.config.exists():
            return read_yaml(self.config)
        if self.has_trials:
            raise ValueError(f"{self.path} holds a ledger but no config.yaml: it is not a complete run folder")
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} must be a folder")
        return None

    def write_config(self, document: Mapping[str, Any]) -> None:
        """Writes the resolved configuration; a crash leaves the old file or the new one, never half of one.

        Raises:
            RuntimeError: if it cannot be written.
        """
        text = yaml.safe_dump(dict(document), sort_keys=False, default_flow_style=None, width=120)
        write_text(self.config, text)

    def write_environment(self) -> None:
        """Records where the run goes on: the first time as it is, later as a continuation if it differs."""
        now = describe_environment()
        value = _read_environment(self.environment)
        if value is None:
            value = now
        else:
            earlier = [value, *value.get("continued", [])][-1]
            if {key: earlier.get(key) for key in now} == now:
                return
            value = {**value, "continued": [*value.get("continued", []), now]}
        write_text(self.environment, json.dumps(value, indent=2) + "\n")


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What keeps a run with one configuration from being continued with another, one text for each setting."""
    old, new = dict(flatten(stored)), dict(flatten(asked))
    return [
        f"{key}: {_show(old, key)} in the folder, {_show(new, key)} asked for"
        for key in sorted(old.keys() | new.keys())
        if not _is_free(key) and old.get(key) != new.get(key)
    ]


def _is_free(key: str) -> bool:
    return key in FREE_SETTINGS or key.startswith(FREE_SECTIONS)


def _show(values: Mapping[str, Any], key: str) -> str:
    return json.dumps(values[key])[:200] if key in values else "nothing"


def _read_environment(path: Path) -> dict[str, Any] | None:
    try:
        value = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
