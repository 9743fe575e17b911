"""Starting from the weights of a network that was trained on other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nas.fidelity import NetworkSpec
from nas.models.build import AnyNetwork, Buildable
from nas.models.checkpoint import Checkpoint

CLASSIFIERS = ("classifier.", "fc.")
AUXILIARY = "auxiliary_head."
_MOST_NAMES = 4
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
        Names of the weights that start anew, see `weights_anew`.

    Raises:
        ValueError: if other weights than these differ.
    """
    own, given = network.state_dict(), checkpoint.network.state_dict()
    anew = weights_anew(network, checkpoint, class_names)
    network.load_state_dict({name: own[name] if name in anew else given[name] for name in own})
    return anew


def weights_anew(network: AnyNetwork, checkpoint: Checkpoint, class_names: Sequence[str]) -> tuple[str, ...]:
    """Which weights of a network a checkpoint does not give.

    Args:
        network: may lie on the device ``meta``: only names and shapes count.
        checkpoint: of a network of the same architecture and stack.
        class_names: that the network will tell apart.

    Returns:
        Names of the weights that start anew: the classifier's where the classes are others, and those of the auxiliary
        head where they do not fit.

    Raises:
        ValueError: if other weights than these differ.
    """
    own, given = network.state_dict(), checkpoint.network.state_dict()
    anew = [name for name in own if name.startswith(CLASSIFIERS)] if _differ(checkpoint, class_names) else []
    anew += [name for name in own if name.startswith(AUXILIARY) and not _fits(own, given, name, anew)]
    kept = own.keys() - set(anew)
    if wrong := sorted(name for name in kept if name not in given or given[name].shape != own[name].shape):
        name = wrong[0]
        came = tuple(given[name].shape) if name in given else "nothing"
        raise ValueError(f"the checkpoint must have weights {name} of shape {tuple(own[name].shape)}, got {came}")
    return tuple(anew)


def describe_transfer(network: AnyNetwork, checkpoint: Checkpoint, class_names: Sequence[str]) -> str:
    """What `transfer_weights` would do, in a few words; takes the same."""
    anew = weights_anew(network, checkpoint, class_names)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    taken = sum(size for name, size in sizes.items() if name not in anew)
    new = f"; new are {', '.join(anew[:_MOST_NAMES])}" if anew else ""
    more = f" and {len(anew) - _MOST_NAMES} more" if len(anew) > _MOST_NAMES else ""
    return f"{taken:,} of {sum(sizes.values()):,} parameters are taken over{new}{more}"


def _differ(checkpoint: Checkpoint, class_names: Sequence[str]) -> bool:
    return checkpoint.class_names != tuple(class_names)


def _fits(own: dict[str, object], given: dict[str, object], name: str, anew: Sequence[str]) -> bool:
    """Whether the auxiliary head's weights can be taken over; its classifier goes with the classifier."""
    same = name in given and getattr(given[name], "shape", None) == getattr(own[name], "shape", None)
    return same and not (anew and name.startswith(f"{AUXILIARY}classifier."))
