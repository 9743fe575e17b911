"""What a detector or segmenter is trained from: its settings, its backbone, and the folder that it is trained in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from experiments.architectures.find import WEIGHTS_SUFFIX, find_architecture
from experiments.config.config_file import ConfigKind, apply_setting, load_document
from experiments.config.sections import dump_settings
from experiments.runs.run_folder import RunFolder, differences
from nas.downstream.backbone import trained_file
from nas.downstream.recipe import DenseRecipe
from nas.fidelity import NetworkSpec
from nas.files.atomic_write import write_text
from nas.files.lock import FileLock
from nas.models.build import Buildable, description_from_json
from nas.models.checkpoint import load_checkpoint
from nas.training.run import STATE_FILE, read_result

ARCHITECTURE_FILE, LOCK_FILE = "architecture.json", ".lock"
_NO_CLASSIFIERS = ("detector.safetensors", "segmenter.safetensors")
"""Files of weights in folders that have an architecture too."""

Document = dict[str, dict[str, Any]]


class DenseConfig(Protocol):
    """A valid configuration."""

    def to_document(self) -> Document:
        """Returns plain data with every setting written out."""
        ...


@dataclass(frozen=True, slots=True)
class DenseOptions:
    """Options of the command line; None leaves a setting as the configuration has it.

    Attributes:
        backbone: an architecture, see `experiments.architectures.find.find_architecture`, or a trained classifier: a
            checkpoint, or a folder of `nas train` or `nas export`. None takes that of the folder.
        scratch: whether a trained classifier gives its architecture and the network around it only, not its weights.
        data: the folder of the pictures.
        out: the folder; None means ``runs/<name of the configuration>``.
        seed: of the training.
        workers: processes that train together.
        address: of a running Ray cluster.
        settings: texts of the form ``section.key=value``; they come last.
    """

    backbone: str | None = None
    scratch: bool = False
    data: Path | None = None
    out: Path | None = None
    seed: int | None = None
    workers: int | None = None
    address: str | None = None
    settings: tuple[str, ...] = ()


def resolve_dense(
    source: str, options: DenseOptions, kind: ConfigKind, folder: RunFolder
) -> tuple[Document, Buildable]:
    """The configuration with the options of the command line, and the architecture of the backbone.

    Args:
        source: a YAML file, or the name of a configuration that comes with this package.
        options: what differs from it.
        kind: of configuration; its first section holds ``seed`` and ``start``.
        folder: of the training, which knows the backbone and where the pictures lie if they are not named again.

    Raises:
        ValueError: if they are not valid, or no backbone is named.
    """
    document = load_document(source, kind)
    stored = folder.stored_document() or {}
    for (section, key), value in _changes(options, kind.sections[0]).items():
        if value is not None:
            document[section][key] = value
    for setting in options.settings:
        apply_setting(document, setting)
    architecture = _find_backbone(options, document, kind.sections[0], folder)
    if document["data"].get("root") is None:
        document["data"]["root"] = stored.get("data", {}).get("root")
    if document["data"]["root"] is None:
        raise ValueError("the folder of the pictures must be named with --data")
    return document, architecture


def check_dense(recipe: DenseRecipe, network: NetworkSpec, num_workers: int) -> None:
    """Raises ValueError if workers cannot share a batch out evenly, or the network does not take colour pictures."""
    if recipe.batch_size % num_workers:
        raise ValueError(
            f"recipe.batch_size must be divisible by the number of workers, {num_workers}, got {recipe.batch_size}"
        )
    if network.in_channels != 3:
        raise ValueError(f"network.in_channels must be 3, pictures being in colour, got {network.in_channels}")


@contextmanager
def open_dense(
    path: Path, config: DenseConfig, architecture: Buildable, parse: Callable[[Mapping[str, Any]], DenseConfig]
) -> Iterator[None]:
    """Makes the folder of a training or checks that it holds this one, and keeps other processes out of it.

    Args:
        path: of the folder.
        config: of the training.
        architecture: of its backbone.
        parse: validates a stored configuration.

    Raises:
        ValueError: if it holds another training.
        RuntimeError: if another process uses it.
    """
    folder = RunFolder(path)
    folder.stored_document()  # a folder with other things in it stays as it is
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / LOCK_FILE):
        _check_same(folder, config, architecture, parse)
        if read_result(path) is None:
            if not (path / STATE_FILE).exists():  # what a checkpoint was made with stays as it is
                folder.write_config(config.to_document())
                write_text(path / ARCHITECTURE_FILE, json.dumps(architecture.to_json(), indent=2) + "\n")
            folder.write_environment()
        yield


def find_weights(text: str) -> Path | None:
    """The file of weights that a person has named; None if it is an architecture without any."""
    path = Path(text)
    if path.is_file():
        return path if path.suffix == WEIGHTS_SUFFIX else None
    if path.is_dir():
        with suppress(ValueError):
            return trained_file(path)
    return None


def _changes(options: DenseOptions, first: str) -> dict[tuple[str, str], Any]:
    return {
        ("data", "root"): None if options.data is None else str(options.data.resolve()),
        (first, "seed"): options.seed,
        ("workers", "num_workers"): options.workers,
        ("workers", "address"): options.address,
    }


def _find_backbone(options: DenseOptions, document: Document, first: str, folder: RunFolder) -> Buildable:
    """The architecture of the backbone; a trained one sets where its weights are and the network around it."""
    name = options.backbone or document[first].get("start")
    if name is None:
        return _stored_backbone(document, first, folder)
    weights = find_weights(name)
    if weights is None:
        if not options.scratch and any((Path(name) / file).is_file() for file in _NO_CLASSIFIERS):
            raise ValueError(
                f"{name} holds a detector or segmenter, and a backbone starts from a classifier; --scratch takes the "
                "architecture only"
            )
        return find_architecture(name).architecture
    network = load_checkpoint(weights).network
    document["network"] = dump_settings(network.spec)
    if not options.scratch:
        document[first]["start"] = str(weights.resolve())
    return network.architecture


def _stored_backbone(document: Document, first: str, folder: RunFolder) -> Buildable:
    known = folder.path / ARCHITECTURE_FILE
    stored = folder.stored_document()
    if stored is None or not known.is_file():
        raise ValueError("the backbone must be named with --backbone: an architecture, or a trained classifier")
    document["network"] = stored.get("network", document["network"])
    document[first]["start"] = stored.get(first, {}).get("start")
    return description_from_json(json.loads(known.read_text(encoding="utf-8")))


def _check_same(
    folder: RunFolder,
    config: DenseConfig,
    architecture: Buildable,
    parse: Callable[[Mapping[str, Any]], DenseConfig],
) -> None:
    stored = folder.stored_document()
    if stored is None:
        return
    try:
        former = parse(stored).to_document()
    except ValueError as error:
        raise ValueError(f"{folder.config}: {error}") from None
    different = differences(former, config.to_document())
    path = folder.path / ARCHITECTURE_FILE
    if path.is_file():
        known = description_from_json(json.loads(path.read_text(encoding="utf-8"))).fingerprint
        if known != architecture.fingerprint:
            different.insert(0, f"the backbone {known[:12]} in the folder, {architecture.fingerprint[:12]} asked for")
    if different:
        raise ValueError(
            f"{folder.path} holds a training with other settings ({'; '.join(different)}); choose another --out"
        )
