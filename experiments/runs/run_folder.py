"""The folder of a run, and what ties it to its configuration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from experiments.config.config import Config
from experiments.config.former_settings import without_former
from experiments.config.kinds import SEARCH, ConfigKind, Document, kind_of
from experiments.config.parsing.secrets import has_secrets, masked
from experiments.config.parsing.sections import flatten
from experiments.config.parsing.yaml_file import read_yaml
from experiments.runs.data_record import read_data_record, write_data_record
from experiments.runs.environment import describe_environment
from nas.data.report import DataReport
from nas.fidelity import complete_stored_data
from nas.files.atomic_write import remove_unfinished, write_text
from nas.files.guarded_read import read_json, read_json_object
from nas.files.lock import FileLock
from nas.files.storage import make_folder
from nas.ledger.writer import read_ledger
from nas.models.reference.descriptions import Buildable, description_from_json


class RunFolder:
    """The files of a run.

    Attributes:
        path: The folder; it need not exist.
        config: The resolved configuration, with every setting written out.
        environment: Versions, git commit and hardware, of the start and of every continuation elsewhere.
        architecture: The architecture that is trained in the folder.
        origin: What else the results depend on, such as digests of weights.
        ledger: All trials that were asked for and their outcomes.
        weights: The folder with the weights of the best trials.
        shared_weights: The weights that trials share, if they do.
        latencies: The latencies that were measured, one file for each network.
        progress: The folder in which running trials tell how far they are; there while a search runs.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.architecture = path / "architecture.json"
        self.origin = path / "origin.json"
        self.ledger = path / "ledger.jsonl"
        self.weights = path / "weights"
        self.states = path / "states"
        self.shared_weights = path / "shared.safetensors"
        self.progress = path / "progress"
        self.latencies = path / "latencies"

    def trial_weights(self, trial_id: int) -> Path:
        """The file with the weights of one trial; it need not exist."""
        return self.weights / f"trial-{trial_id}.safetensors"

    def trial_state(self, trial_id: int) -> Path:
        """The file with the state of a trial that pauses at a rung; it need not exist."""
        return self.states / f"trial-{trial_id}.safetensors"

    def draws(self, num_trials: int) -> Path:
        """The ledger of the architectures drawn after so many trials with shared weights; it need not exist."""
        return self.path / f"draws-{num_trials}.jsonl"

    @property
    def ranking(self) -> Path:
        """The ledger whose outcomes rank architectures: the last draws with shared weights if any, else `ledger`.

        Draws without a success, as of a search that was killed when they began, do not count.
        """
        numbers = (path.stem.removeprefix("draws-") for path in self.path.glob("draws-*.jsonl"))
        drawn = sorted((int(number) for number in numbers if number.isascii() and number.isdecimal()), reverse=True)
        return next((path for path in map(self.draws, drawn) if read_ledger(path).best(1)), self.ledger)

    def lock(self) -> FileLock:
        """Keeps other processes out of the folder while it is entered; the folder must exist."""
        return FileLock(self.path / ".lock")

    def is_bound(self, kind: ConfigKind) -> bool:
        """Whether anything was measured: from then on the folder is bound to its configuration."""
        found = [self.path / name for name in kind.evidence if (self.path / name).exists()]
        return self.is_finished(kind) or any(path.is_dir() or path.stat().st_size > 0 for path in found)

    def is_finished(self, kind: ConfigKind) -> bool:
        """Whether the folder holds a result that is never added to."""
        return kind.result is not None and (self.path / kind.result).is_file()

    def stored_document(self) -> dict[str, Any] | None:
        """The resolved configuration as plain data, or None if there is no run; ValueError if it cannot be used.

        Settings that were introduced after the run have the values that describe it.
        """
        if self.config.exists():
            document = without_former(read_yaml(self.config))
            if isinstance(data := document.get("data"), Mapping):
                document["data"] = complete_stored_data(data)
            return document
        if self.ledger.exists() and self.ledger.stat().st_size > 0:
            raise ValueError(f"{self.path} holds a ledger but no config.yaml: it is not a complete run folder")
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path} must be a folder")
        return None

    def document(self) -> dict[str, Any]:
        """The resolved configuration as plain data; ValueError if there is no such folder, or it holds no run."""
        if not self.path.is_dir():
            raise ValueError(
                f"{self.path} must be a folder" if self.path.exists() else f"there is no folder {self.path}"
            )
        document = self.stored_document()
        if document is None:
            raise ValueError(f"{self.path} holds no run: there is no {self.config.name} in it")
        return document

    def search_document(self) -> dict[str, Any]:
        """Like `document`; ValueError also if the run is no search."""
        document = self.document()
        if (kind := kind_of(document)) is not SEARCH:
            raise ValueError(f"{self.path} holds a run of `nas {kind.command}`; it must be one of `nas search`")
        return document

    def stored_architecture(self) -> Buildable | None:
        """The architecture that is trained in the folder, or None; ValueError if it cannot be read."""
        if not self.architecture.is_file():
            return None

        try:
            return description_from_json(read_json(self.architecture))
        except ValueError as error:
            raise ValueError(f"{self.architecture} does not describe an architecture: {error}") from None

    def write_config(self, document: Mapping[str, Any]) -> None:
        """Writes the resolved configuration, for this user only if it holds secrets; StorageError if it cannot."""
        text = yaml.safe_dump(dict(document), sort_keys=False, default_flow_style=None, width=120)
        write_text(self.config, text, mode=0o600 if has_secrets(document) else 0o666)

    def write_environment(self) -> None:
        """Records the environment: of the first start, then of each continuation where it differs."""
        now = describe_environment()
        value = read_object(self.environment)
        continued = value.get("continued", [])
        last = [value, *continued][-1]
        if {key: last.get(key) for key in now} != now:
            value = {**value, "continued": [*continued, now]} if value else now
            write_text(self.environment, json.dumps(value, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Binding:
    """A run folder and everything that its results depend on.

    Attributes:
        architecture: What is trained in the folder, if it is one.
        origin: What else counts, as plain data.
        data: The images; None if they have not been read.
        accept_data: Whether a run is resumed although its images have changed.
    """

    folder: RunFolder
    config: Config
    architecture: Buildable | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)
    data: DataReport | None = None
    accept_data: bool = False

    def check(self) -> None:
        """Raises ValueError if the folder holds another run, or one on other images; the message shows what differs."""
        folder, kind = self.folder, self.config.kind
        stored = folder.stored_document()
        if stored is None:
            return
        if (other := kind_of(stored)) is not kind:
            raise ValueError(f"{folder.path} holds a run of `nas {other.command}`; choose another --out")
        if not folder.is_bound(kind):
            return
        try:
            former = type(self.config).parse(stored).to_document()
            different = [*self._differences(), *differences(kind, former, self.config.to_document())]
        except ValueError as error:
            raise ValueError(f"{folder.config}: {error}") from None
        if different:
            raise ValueError(
                f"{folder.path} holds a run with another configuration ({'; '.join(different)}); choose another --out"
            )
        self._check_data()

    def notices(self) -> Iterator[str]:
        """Says that the images of the run in the folder are unknown, or have changed."""
        if self.data is None or not self.folder.is_bound(self.config.kind):
            return
        former = read_data_record(self.folder.path)
        if former is None:
            finished = self.folder.is_finished(self.config.kind)
            recorded = "" if finished else "; they are recorded from now on"
            yield f"note: the run in {self.folder.path} did not record its images, so changes are not noticed{recorded}"
        elif changed := former.identity.differences(self.data.complete):
            yield f"note: the images have changed, which is accepted and recorded: {'; '.join(changed)}"

    def write(self) -> None:
        """Writes configuration, architecture, origin, data and environment; RuntimeError if they cannot be written."""
        folder = self.folder
        folder.write_config(self.config.to_document())
        if self.architecture is not None:
            write_text(folder.architecture, json.dumps(self.architecture.to_json(), indent=2) + "\n")
        if self.origin:
            write_text(folder.origin, json.dumps(dict(self.origin), indent=2) + "\n")
        self.write_data()
        folder.write_environment()

    def write_data(self) -> None:
        """Records the images; RuntimeError if that cannot be written."""
        if self.data is not None:
            former = read_data_record(self.folder.path) if self.folder.is_bound(self.config.kind) else None
            write_data_record(self.folder.path, self.data, former)

    @contextmanager
    def hold(self) -> Iterator[tuple[str, ...]]:
        """Creates the folder or checks that it holds this run, and keeps other processes out of it.

        Yields `notices`.

        Raises:
            ValueError: If it holds another run.
            RuntimeError: If another process uses it, or it cannot be written. A finished run may be in a folder that
                cannot be written.
        """
        self.check()  # a folder of another run stays as it is
        if self.folder.is_finished(self.config.kind) and not os.access(self.folder.path, os.W_OK):
            yield tuple(self.notices())
            return
        make_folder(self.folder.path)
        with self.folder.lock():
            remove_unfinished(self.folder.path)
            self.check()
            notices = tuple(self.notices())
            if not self.folder.is_finished(self.config.kind):
                self.write()
            yield notices

    def _check_data(self) -> None:
        if self.data is None or self.accept_data:
            return
        former = read_data_record(self.folder.path)
        if former is not None and (changed := former.identity.differences(self.data.complete)):
            raise ValueError(
                f"{self.folder.path} holds a run on other images ({'; '.join(changed)}); choose another --out, or "
                "resume with --accept-data"
            )

    def _differences(self) -> Iterator[str]:
        known, asked = self.folder.stored_architecture(), self.architecture
        if asked is not None and known is not None and known.fingerprint != asked.fingerprint:
            yield f"architecture: {known.fingerprint[:12]} in the folder, {asked.fingerprint[:12]} requested"
        stored = read_object(self.folder.origin)
        yield from (
            f"{name}: {_shown(stored[name])} in the folder, {_shown(value)} requested"
            for name, value in self.origin.items()
            if name in stored and stored[name] != value
        )


def differences(kind: ConfigKind, stored: Document, asked: Document) -> list[str]:
    """The settings that keep a run from being resumed with another configuration, one text for each."""
    old, new = dict(flatten(stored)), dict(flatten(asked))
    shown_old, shown_new = dict(flatten(masked(stored))), dict(flatten(masked(asked)))
    return [
        f"{key}: {_shown(shown_old[key]) if key in old else 'nothing'} in the folder, "
        f"{_shown(shown_new[key]) if key in new else 'nothing'} requested"
        for key in sorted({*old, *new})
        if not kind.may_differ(key) and old.get(key) != new.get(key)
    ]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is none that can be read."""
    try:
        return read_json_object(path)
    except (OSError, ValueError):
        return {}


def _shown(value: Any) -> str:  # noqa: ANN401 - plain data
    return json.dumps(value)[:200]
