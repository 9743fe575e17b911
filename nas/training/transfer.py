"""Transfer learning: training starts from the weights of a checkpoint trained on other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nas.fidelity import NetworkSpec
from nas.models.build import AnyNetwork
from nas.models.checkpoint import Checkpoint
from nas.models.classifier_norm import SAME_STATISTICS
from nas.models.reference.descriptions import Buildable
from nas.models.reference.wrapped import WrappedNetwork

CLASSIFIERS = ("classifier.", "fc.")
AUXILIARIES = ("auxiliary_head.", "network.AuxLogits.")
AUXILIARY_CLASSIFIERS = ("auxiliary_head.classifier.", "network.AuxLogits.fc.")
_COUNTER = ".num_batches_tracked"
_MOST_NAMES = 4
FREE_SETTINGS = ("num_classes", "image_size", "auxiliary", "drop_path", "dropout")
"""Settings that may differ from those of the checkpoint, since the weights of the cells do not depend on them."""


def transfer_spec(checkpoint: Checkpoint, spec: NetworkSpec) -> NetworkSpec:
    """Returns the checkpoint's network settings, with `FREE_SETTINGS` as in `spec`.

    The norm too is that of `spec` if it has the statistics of the checkpoint's. Raises ValueError if it cannot have its
    weights.
    """
    theirs = checkpoint.network.spec
    norm = theirs.norm
    if theirs.norm in SAME_STATISTICS and spec.norm in SAME_STATISTICS:
        norm = spec.norm
    elif spec.norm not in {NetworkSpec().norm, theirs.norm}:
        raise ValueError(f"network.norm must be {theirs.norm}, that of the checkpoint, got {spec.norm}")
    return replace(theirs, norm=norm, **{name: getattr(spec, name) for name in FREE_SETTINGS})


def check_same_architecture(checkpoint: Checkpoint, architecture: Buildable, *, name: str) -> None:
    """Raises ValueError if the checkpoint has another architecture; the message names the checkpoint."""
    theirs = checkpoint.network.architecture.fingerprint
    if theirs != architecture.fingerprint:
        raise ValueError(
            f"{name} must hold weights of the architecture that is trained, {architecture.fingerprint[:12]}, "
            f"got those of {theirs[:12]}"
        )


def transfer_weights(network: AnyNetwork, checkpoint: Checkpoint, class_names: Sequence[str]) -> tuple[str, ...]:
    """Copies a checkpoint's weights to a network, in place, except `weights_anew`, whose names are returned."""
    own, given = network.state_dict(), checkpoint.network.state_dict()
    anew = weights_anew(network, checkpoint, class_names)
    network.load_state_dict({name: own[name] if name in anew else given.get(name, own[name]) for name in own})
    return anew


def weights_anew(network: AnyNetwork, checkpoint: Checkpoint, class_names: Sequence[str]) -> tuple[str, ...]:
    """Names the weights that a checkpoint of the same architecture and stack does not have for a network.

    These are the classifier's (also the auxiliary head's) if the classes differ, and others of the auxiliary head that
    do not fit. Raises ValueError if other weights differ. The network may be on the meta device.
    """
    own, given = network.state_dict(), checkpoint.network.state_dict()
    unfit = {
        name
        for name, weight in own.items()
        if not name.endswith(_COUNTER) and (name not in given or given[name].shape != weight.shape)
    }
    differ = checkpoint.class_names != tuple(class_names)
    classifiers = (f"{network.classifier}.",) if isinstance(network, WrappedNetwork) else CLASSIFIERS
    anew = [name for name in own if differ and name.startswith(classifiers)]
    anew += [
        name
        for name in own
        if name.startswith(AUXILIARIES) and (name in unfit or (anew and name.startswith(AUXILIARY_CLASSIFIERS)))
    ]
    if wrong := unfit - set(anew):
        name = min(wrong)
        came = tuple(given[name].shape) if name in given else "nothing"
        raise ValueError(f"the checkpoint must have weights {name} of shape {tuple(own[name].shape)}, got {came}")
    return tuple(anew)


def describe_transfer(network: AnyNetwork, checkpoint: Checkpoint, class_names: Sequence[str]) -> str:
    """Describes in one line what `transfer_weights` would copy."""
    anew = weights_anew(network, checkpoint, class_names)
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    taken = sum(size for name, size in sizes.items() if name not in anew)
    new = f"; new are {', '.join(anew[:_MOST_NAMES])}" if anew else ""
    more = f" and {len(anew) - _MOST_NAMES} more" if len(anew) > _MOST_NAMES else ""
    return f"{taken:,} of {sum(sizes.values()):,} parameters are taken over{new}{more}"
