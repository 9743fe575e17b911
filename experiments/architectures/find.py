"""Resolves the argument ARCH of the commands to an architecture.

It is a JSON file, the folder of a run (its best trial), ``RUN@3`` (its third best), ``RUN@front`` (the knee of its
front) or ``RUN@front3`` (the third on its front), the folder of a training, a checkpoint, an exported folder, the name
of a published architecture or of a reference network (also ``torchvision:NAME`` and ``timm:NAME``), or a cell of
NAS-Bench-201 such as ``|op~0|+|op~0|op~1|``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.config.kinds import kind_of
from experiments.config.named import stored_reward
from experiments.config.parsing.sections import validate_section
from experiments.config.parsing.unknown_names import unknown_name
from experiments.config.parsing.yaml_file import read_yaml
from experiments.runs.run_folder import RunFolder
from experiments.search.front import front_of
from nas.architecture import Architecture
from nas.descriptions import CellDescription
from nas.edge_cell import EdgeCell
from nas.export.folder import ARCHITECTURE_FILE, read_network
from nas.export.folder import NETWORK_FILE as SPEC_FILE
from nas.export.model_source import WEIGHTS_FILE
from nas.fidelity import MAX_CLASSES, MAX_IMAGE_SIZE, DataSpec, Fidelity, NetworkSpec
from nas.files.guarded_read import read_bytes
from nas.files.strict_json import parse_json
from nas.ledger.writer import read_ledger
from nas.models.checkpoint import load_checkpoint
from nas.models.edge_network import check_ops
from nas.models.network import check_names
from nas.models.presets import PRESETS, PUBLISHED_SIZES, parse_stack
from nas.models.reference.descriptions import Buildable, description_from_json
from nas.models.reference.library import check_library_network, library_spec
from nas.models.reference.names import IMAGENET_FORM, REFERENCE_NETWORKS, LibraryForm, ReferenceNetwork, library_name
from nas.models.scaling import Budget, parse_amount, widest
from nas.records import Record
from nas.training.run import NETWORK_FILE
from nas.trial import Success
from search_spaces.published import PUBLISHED

MAX_BYTES = 1_000_000
DEFAULT_PRESET = "cifar10"
EDGE_PRESET = "nasbench201"
"""Preset of cells with operations on edges."""
WEIGHTS_SUFFIX = ".safetensors"
_SOME_REFERENCES = ("resnet18", "resnet50", "resnet50-ibn-a")
"""Those of the many reference networks that errors list."""


@dataclass(frozen=True, slots=True)
class ArchitectureSource:
    """An architecture, named by an argument; with fidelity and outcome if it is a trial, and weights if trained."""

    name: str
    architecture: Buildable
    fidelity: Fidelity | None = None
    weights: Path | None = None
    outcome: Success | None = None

    @property
    def cells(self) -> CellDescription:
        """The architecture; raises ValueError if it has no cells."""
        if isinstance(self.architecture, ReferenceNetwork):
            raise ValueError(f"the architecture must have cells, got the reference network {self.name}")
        return self.architecture

    @property
    def blocks(self) -> Architecture:
        """The architecture; raises ValueError if it has no cells of blocks."""
        if not isinstance(self.architecture, Architecture):
            raise ValueError(
                f"the architecture must have cells of blocks, got {self.name}: reference networks and cells with "
                "operations on edges have no stack"
            )
        return self.architecture


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Options of the network around the cells, shared by all commands that build one; None keeps the default.

    Attributes:
        preset: a key of `nas.models.presets.PRESETS`.
        stack: in the papers' notation, ``6@768``: normal cells per stage, channels before the classifier.
        image_size: height and width of the images in pixels.
        classes: outputs of the classifier.
        parameters: parameter budget, e.g. ``5M``; the widest network that fits is used.
        multiply_adds: likewise, for one image, e.g. ``600M``.
    """

    preset: str | None = None
    stack: str | None = None
    image_size: int | None = None
    classes: int | None = None
    parameters: str | None = None
    multiply_adds: str | None = None

    @property
    def given(self) -> bool:
        """Whether any of them is given."""
        return self != NetworkOptions()

    @property
    def budget(self) -> Budget | None:
        """The budget; None without one. Raises ValueError if an amount is not valid."""
        amounts = [None if each is None else parse_amount(each) for each in (self.parameters, self.multiply_adds)]
        return None if amounts == [None, None] else Budget(*amounts)


def find_architecture(text: str) -> ArchitectureSource:
    """Resolves an argument to an architecture that can be built; raises ValueError if it names none."""
    if not text.strip():  # as a path it would be the current folder
        raise ValueError("an architecture must be named, got an empty text")
    source = ArchitectureSource(text, EdgeCell.from_arch(text)) if text.startswith("|") else _find(text)
    try:
        if isinstance(source.architecture, Architecture):
            check_names(source.architecture)
        elif isinstance(source.architecture, EdgeCell):
            check_ops(source.architecture)
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None
    return source


def _default_spec(source: ArchitectureSource) -> NetworkSpec:
    """The published form of what a name means, or the default preset."""
    if isinstance(source.architecture, ReferenceNetwork):
        form = source.architecture.form
        return library_spec(form) if isinstance(form, LibraryForm) else IMAGENET_FORM
    if source.name in PUBLISHED_SIZES:
        return PUBLISHED_SIZES[source.name].spec
    return PRESETS[EDGE_PRESET if isinstance(source.architecture, EdgeCell) else DEFAULT_PRESET]


def network_spec(source: ArchitectureSource, options: NetworkOptions) -> NetworkSpec:
    """Applies the options to the preset, the network of the run or the default; raises ValueError if not possible.

    The default is the published form of a named network (`nas.models.presets.PUBLISHED_SIZES`; for ImageNet if it is a
    reference network), ``cifar10`` for other cells of blocks, and ``nasbench201`` for cells of edges.
    """
    if options.preset is not None:
        spec = find_preset(options.preset)
    elif source.fidelity is not None:
        spec = source.fidelity.network
    else:
        spec = _default_spec(source)
    image_size = spec.image_size if options.image_size is None else options.image_size
    num_classes = spec.num_classes if options.classes is None else options.classes
    for name, value, least, most in (
        ("image-size", image_size, 8, MAX_IMAGE_SIZE),
        ("classes", num_classes, 2, MAX_CLASSES),
    ):
        if not least <= value <= most:
            raise ValueError(f"--{name} must be {least}..{most}, got {value}")
    return set_stack(replace(spec, image_size=image_size, num_classes=num_classes), source, options)


def find_preset(name: str) -> NetworkSpec:
    """Returns the network of a paper by its name; raises ValueError if the name is unknown."""
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS)
    return PRESETS[name]


def set_stack(spec: NetworkSpec, source: ArchitectureSource, options: NetworkOptions) -> NetworkSpec:
    """Sets the number of cells and the width by stack and budget; raises ValueError if no network matches."""
    if options.stack is not None:
        spec = parse_stack(options.stack, spec, source.blocks)
    return spec if options.budget is None else widest(source.blocks, spec, options.budget)[0]


def _find(text: str) -> ArchitectureSource:
    path = Path(text)
    if path.is_file():
        weights = path.suffix == WEIGHTS_SUFFIX
        return _from_weights(text, path) if weights else ArchitectureSource(text, read_architecture(path))
    if path.is_dir():
        return _from_folder(text, path, 1)
    if (named := _named(text)) is not None:
        return ArchitectureSource(text, named)
    if path.exists():
        raise ValueError(f"{text} must be a file or a folder")
    folder, at, rank = text.rpartition("@")
    if at and Path(folder).is_dir():
        return _from_run(text, Path(folder), rank)
    if at or path.suffix or len(path.parts) > 1:
        raise ValueError(f"there is no file or folder {folder if at else text}")
    what = "architecture (there is no file, no folder and no published network of this name)"
    runs = [str(each) for each in Path("runs").glob("*") if each.is_dir()]
    raise unknown_name(what, text, [*PUBLISHED, *REFERENCE_NETWORKS, *runs], listed=[*PUBLISHED, *_SOME_REFERENCES])


def _named(text: str) -> Buildable | None:
    """The published architecture or reference network of a name; None if it is no such name."""
    if (form := library_name(text)) is not None:
        check_library_network(form)
    return ReferenceNetwork(text) if form is not None or text in REFERENCE_NETWORKS else PUBLISHED.get(text)


def _from_weights(text: str, path: Path, data: DataSpec | None = None) -> ArchitectureSource:
    network = load_checkpoint(path).network
    fidelity = Fidelity(network.spec, data=data or DataSpec())
    return ArchitectureSource(text, network.architecture, fidelity, path)


def read_architecture(path: Path) -> Buildable:
    """Reads an architecture from a JSON file, for example one of `nas export`; raises ValueError if there is none."""
    content = read_bytes(path, max_bytes=MAX_BYTES)
    try:
        value = parse_json(content)
        if isinstance(value, dict) and "architecture" in value:
            value = value["architecture"]
        return description_from_json(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON: {error.msg} in line {error.lineno}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _from_folder(text: str, path: Path, rank: int) -> ArchitectureSource:
    folder = RunFolder(path)
    if not folder.ledger.exists():
        return _from_training(text, folder, rank)
    document = read_yaml(folder.config) if folder.config.exists() else None
    best = read_ledger(folder.ranking).best(rank, stored_reward(document))
    if not best:
        raise ValueError(f"{path} has no successful trial yet")
    if len(best) < rank:
        raise ValueError(f"{path} has {len(best)} different successful architectures, got @{rank}")
    return trial_source(text, folder, best[rank - 1])


def _from_run(text: str, path: Path, rank: str) -> ArchitectureSource:
    """What ``@k`` or ``@front`` behind the folder of a run names."""
    if rank.startswith("front"):
        return _from_front(text, RunFolder(path), rank.removeprefix("front"))
    if not (rank.isascii() and rank.isdecimal()) or int(rank[:9]) < 1:
        raise ValueError(f"in RUN@k, k must be a whole number from 1, got {rank!r:.40}")
    return _from_folder(text, path, int(rank[:9]))


def _from_front(text: str, folder: RunFolder, place: str) -> ArchitectureSource:
    found, records = front_of(folder)
    if not place:
        return trial_source(text, folder, records[found.knee])
    if not (place.isascii() and place.isdecimal()) or not 1 <= int(place[:9]) <= len(records):
        raise ValueError(f"in RUN@frontK, K must be a place on the front, 1..{len(records)}, got {place!r:.40}")
    return trial_source(text, folder, records[int(place[:9]) - 1])


def trial_source(text: str, folder: RunFolder, record: Record) -> ArchitectureSource:
    """The architecture of a trial of a run, named `text`; ValueError if no network can be built from it."""
    architecture, outcome = record.trial.architecture, record.outcome
    if not isinstance(architecture, Buildable) or not isinstance(outcome, Success):
        raise ValueError(f"{folder.path} must hold architectures from which a network can be built")
    weights = folder.trial_weights(record.trial.id)  # none after a search with shared weights
    return ArchitectureSource(
        text, architecture, record.trial.fidelity, weights if weights.is_file() else None, outcome
    )


def _from_training(text: str, folder: RunFolder, rank: int) -> ArchitectureSource:
    """The architecture of a training or of an export."""
    if rank > 1:
        raise ValueError(f"{folder.path} holds no search, so there is no @{rank} in it")
    if (folder.path / NETWORK_FILE).is_file():
        stored = folder.stored_document() or {}
        data = validate_section("data", stored.get("data") or {}, DataSpec)
        return _from_weights(text, folder.path / NETWORK_FILE, data)
    if (folder.path / WEIGHTS_FILE).is_file():
        return _from_weights(text, folder.path / WEIGHTS_FILE)
    if folder.config.exists():
        return _from_unfinished(text, folder)
    if (folder.path / ARCHITECTURE_FILE).is_file():
        described = folder.path / SPEC_FILE
        fidelity = Fidelity(read_network(described)) if described.is_file() else None
        return ArchitectureSource(text, read_architecture(folder.path / ARCHITECTURE_FILE), fidelity)
    raise ValueError(f"{folder.path} holds no run: there is no {folder.ledger.name} in it")


def _from_unfinished(text: str, folder: RunFolder) -> ArchitectureSource:
    """The network of a training that is not finished; ValueError for a run of another kind, which has none."""
    document, architecture = folder.document(), folder.stored_architecture()
    kind = kind_of(document)
    if kind.sections[0] != "training" or architecture is None:
        alone = "" if architecture is None else f"; its architecture alone is {folder.architecture}"
        raise ValueError(f"{folder.path} holds a run of `nas {kind.command}` without a classifier{alone}")
    spec = validate_section("network", document.get("network") or {}, NetworkSpec)
    return ArchitectureSource(text, architecture, Fidelity(spec))
