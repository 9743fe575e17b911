"""Networks in Python: building, training, loading and exporting them."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from experiments.architectures.export import export_architecture
from experiments.architectures.find import ArchitectureSource, NetworkOptions, find_architecture, network_spec
from experiments.architectures.trained import find_trained
from nas.data.data_set import DataSet
from nas.fidelity import NetworkSpec, TrainRecipe
from nas.models.build import AnyNetwork, build
from nas.models.checkpoint import save_checkpoint
from nas.models.reference.descriptions import Buildable
from nas.training.evaluation import accuracy
from nas.training.loop import train as train_in_place


@dataclass(frozen=True, slots=True)
class _Labels:
    """Of a network that was trained elsewhere: names of its classes and the normalization of its images."""

    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def build_network(architecture: Buildable | str, spec: NetworkSpec | None = None, **settings: Any) -> AnyNetwork:  # noqa: ANN401 - those of a NetworkSpec
    """Builds the network of an architecture, with weights drawn from torch's global generator.

    Args:
        architecture: an architecture, or what a command accepts as one: ``nasnet-a``, a file, a run, ``RUN@2``.
        spec: the network around the cells; by default that of the run, or that of CIFAR-10.
        **settings: attributes of `NetworkSpec` that replace those of `spec`, such as ``num_classes=100``.

    Raises:
        ValueError: if the architecture or a setting is not valid.

    Example:
        >>> import nas
        >>> network = nas.build_network("nasnet-a", num_filters=8, num_repeats=1, num_classes=10)
        >>> network.spec.num_filters
        8
    """
    source = find_architecture(architecture) if isinstance(architecture, str) else None
    if source is not None:
        architecture, spec = source.architecture, spec or network_spec(source, NetworkOptions())
    known = [field.name for field in dataclasses.fields(NetworkSpec)]
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"a network has the settings {', '.join(known)}; got {unknown[0]}")
    return build(architecture, dataclasses.replace(spec or NetworkSpec(), **settings))  # type: ignore[arg-type]


def train(network: nn.Module, data: DataSet, recipe: TrainRecipe | None = None, *, seed: int = 0) -> float:
    """Trains a network in place and returns its accuracy on the validation images, between 0 and 1.

    Args:
        network: maps images (N, channels, height, width) to logits; any torch module, also one of your own.
        data: the images.
        recipe: how it is trained; by default `TrainRecipe`'s defaults.
        seed: of the order of batches and the augmentation.

    Raises:
        nas.training.loop.DivergedError: if the loss is not finite.

    Example:
        >>> import nas
        >>> data = nas.load_data(nas.DataSpec("digits", num_train=200, validation_fraction=0.5))
        >>> network = nas.build_network("nasnet-a", num_filters=4, num_repeats=1, image_size=8, in_channels=1)
        >>> 0 <= nas.train(network, data, nas.TrainRecipe(epochs=1, flip=False)) <= 1
        True
    """
    recipe = recipe or TrainRecipe()
    train_in_place(network, data, recipe, seed=seed)
    return accuracy(network, data.validation, data, recipe)


def load(trained: str | Path) -> AnyNetwork:
    """Loads a trained network, in evaluation mode: a checkpoint, a run (its best), ``RUN@2``, a training, an export.

    Raises:
        ValueError: if there is no trained network.

    Example:
        >>> import nas
        >>> nas.load("runs/digits_ppo@1")  # doctest: +SKIP
    """
    return find_trained(str(trained)).checkpoint.network


def export(
    network: AnyNetwork | Buildable | str,
    out: str | Path,
    *,
    programs: Collection[str] = (),
    accuracy: float | None = None,
    class_names: Sequence[str] | None = None,
    normalization: tuple[Sequence[float], Sequence[float]] | None = None,
) -> list[Path]:
    """Writes a folder with the network as code that imports only torch, its weights and a drawing, as `nas export`.

    Args:
        network: a network of `build_network`, also one trained in a loop of your own; an architecture; or what the
            command accepts, such as ``runs/first@1``.
        out: the folder.
        programs: further formats of a trained network: ``onnx``, ``torch-export``, ``features``.
        accuracy: of a network: its validation accuracy, for the model card.
        class_names: of a network: names of its classes; by default their numbers.
        normalization: of a network: mean and standard deviation of each channel, for pixel values from 0 to 1, by which
            its training images were normalized; by default 0 and 1.

    Returns:
        The files written, ``model.py`` first.

    Raises:
        ValueError: if the network cannot be exported.

    Example:
        >>> import nas
        >>> files = nas.export(nas.build_network("nasnet-a", num_filters=8, num_repeats=1), "best")
        >>> files[0].name
        'model.py'
    """
    if isinstance(network, str):
        return export_architecture(find_architecture(network), Path(out), programs=programs)
    if not isinstance(network, nn.Module):
        return export_architecture(ArchitectureSource("architecture", network), Path(out), programs=programs)
    spec = network.spec
    names = tuple(map(str, range(spec.num_classes) if class_names is None else class_names))
    if len(names) != spec.num_classes:
        raise ValueError(f"class_names must be {spec.num_classes}, one for each class, got {len(names)}")
    mean, std = normalization or ((0.0,) * spec.in_channels, (1.0,) * spec.in_channels)
    labels: Any = _Labels(names, tuple(mean), tuple(std))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        save_checkpoint(path, network, data=labels, accuracy=accuracy)
        source = ArchitectureSource(Path(out).name, network.architecture, weights=path)
        return export_architecture(source, Path(out), programs=programs)
