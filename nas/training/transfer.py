"""Starting from the weights of a network that was trained on other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nas.checkpoint import Checkpoint
from nas.fidelity import NetworkSpec
from nas.models.build import AnyNetwork, Buildable

CLASSIFIERS = ("classifier.", "fc.")
AUXILIARY = "auxiliary_head."
FREE_SETTINGS = ("num_classes", "image_size", "auxiliary", "drop_path", "dropout")
"""Settings of a network that may differ from those of the checkpoint: the cells have the same weights with any."""


def transfer_spec(checkpoint: Checkpoint, spec: NetworkSpec) -> NetworkSpec:
    """The network of a checkpoint, for other images: classes, image size and what serves training as in `spec`."""
    return replace(checkpoint.network.spec, **{name: getattr(spec, name) for name in FREE_SETTINGS})


def check_same_architecture(checkpoint: Checkpoint, architecture: Buildable, *, name: str) -> None:
    """Raises ValueError, which names the checkpoint, if its network is of another architecture."""
    theirs = checkpoint.network.architecture.fingerprint
    if theirs != architecture.fingerprint:
        raise ValueError(
            f"{name} must hold weights of the architecture that is trained, {architecture.fingerprint[:12]}, "
            f"got those of {theirs[:12]}"
        )


def transfer_weights(network: AnyNetwork, checkpoint: Checkpoint, class_names: Sequence[str]) -> tuple[str, ...]:
    """Gives a network the weights of a checkpoint; the classifier starts anew where the classes are others.

    Args:
        network: with its initial weights; changed in place.
        checkpoint: of a network of the same architecture and stack.
        class_names: that the network will tell apart.

    Returns:
        Names of the weights that start anew, those of the auxiliary head among them where they do not fit.

    Raises:
        ValueError: if other weights than these differ.
    """
    own = network.state_dict()
    given = checkpoint.network.state_dict()
    anew = [name for name in own if name.startswith(CLASSIFIERS)] if _differ(checkpoint, class_names) else []
    anew += [name for name in own if name.startswith(AUXILIARY) and not _fits(own, given, name, anew)]
    kept = {name for name in own if name not in anew}
    if wrong := sorted(name for name in kept if name not in given or given[name].shape != own[name].shape):
        name = wrong[0]
        came = tuple(given[name].shape) if name in given else "nothing"
        raise ValueError(f"the checkpoint must have weights {name} of shape {tuple(own[name].shape)}, got {came}")
    network.load_state_dict({name: given[name] if name in kept else own[name] for name in own})
    return tuple(anew)


def _differ(checkpoint: Checkpoint, class_names: Sequence[str]) -> bool:
    return checkpoint.class_names != tuple(class_names)


def _fits(own: dict[str, object], given: dict[str, object], name: str, anew: Sequence[str]) -> bool:
    """Whether the auxiliary head's weights can be taken over; its classifier goes with the classifier."""
    same = name in given and getattr(given[name], "shape", None) == getattr(own[name], "shape", None)
    return same and not (anew and name.startswith(f"{AUXILIARY}classifier."))
