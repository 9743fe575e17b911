"""A ladder of recipes: tricks added to a plain recipe one at a time, as in Bag of Tricks (1812.01187)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from nas.fidelity import Fidelity

TRICKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "linear scaling": ("recipe.reference_batch",),
        "warm-up": ("recipe.warmup_epochs",),
        "zero gamma": ("recipe.zero_gamma",),
        "no bias decay": ("recipe.decay_biases",),
        "low precision": ("recipe.precision",),
        "gradient clipping": ("recipe.gradient_clip",),
        "RMSProp": ("recipe.optimizer", "recipe.rmsprop_decay", "recipe.rmsprop_epsilon"),
        "schedule": ("recipe.schedule", "recipe.decay_factor", "recipe.decay_every"),
        "crops and mirrors": ("recipe.crop_padding", "recipe.flip"),
        "random resized crop": ("recipe.min_crop_area",),
        "colour jitter": ("recipe.color_jitter",),
        "lighting": ("recipe.lighting",),
        "cutout": ("recipe.cutout",),
        "label smoothing": ("recipe.label_smoothing",),
        "auxiliary head": ("network.auxiliary",),
        "scheduled drop path": ("network.drop_path",),
        "distillation": ("recipe.distillation", "recipe.temperature"),
        "mixup": ("recipe.mixup",),
        "cutmix": ("recipe.cutmix",),
        "average of weights": ("recipe.ema_decay",),
    }
)
"""Settings of each trick, in the order of adding."""

_PLAIN_RECIPE = {
    "reference_batch": 0,
    "warmup_epochs": 0.0,
    "zero_gamma": False,
    "decay_biases": True,
    "precision": "float32",
    "gradient_clip": 0.0,
    "optimizer": "sgd",
    "crop_padding": 0,
    "flip": False,
    "min_crop_area": 0.0,
    "color_jitter": 0.0,
    "lighting": 0.0,
    "cutout": 0,
    "label_smoothing": 0.0,
    "distillation": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
    "ema_decay": 0.0,
    "schedule": "step",
    "decay_factor": 0.1,
}
_PLAIN_NETWORK = {"auxiliary": False, "drop_path": 0.0}


@dataclass(frozen=True, slots=True)
class Rung:
    """A recipe between the plain and the complete one: with the trick `name` and all previous ones."""

    name: str
    fidelity: Fidelity


def ladder(fidelity: Fidelity) -> list[Rung]:
    """Returns the plain recipe, then one recipe per trick that a fidelity uses, up to the fidelity itself.

    The plain recipe has no trick of `TRICKS`; its learning rate drops to a tenth at 1/4, 1/2 and 3/4 of the epochs, as
    at 30, 60 and 90 of 120 epochs in 1812.01187, section 2.1.
    """
    recipe = {**_PLAIN_RECIPE, "decay_every": fidelity.recipe.epochs / 4}
    if fidelity.recipe.precision == "auto":  # the default of the device is not a trick of the recipe
        recipe["precision"] = "auto"
    plain = _with(fidelity, recipe=recipe, network=_PLAIN_NETWORK)
    rungs = [Rung("plain", plain)]
    for name, settings in TRICKS.items():
        changes: dict[str, dict[str, Any]] = {"recipe": {}, "network": {}}
        for setting in settings:
            section, _, key = setting.partition(".")
            changes[section][key] = getattr(getattr(fidelity, section), key)
        added = _with(rungs[-1].fidelity, **changes)
        if added != rungs[-1].fidelity and _is_used(name, fidelity):
            rungs.append(Rung(f"+ {name}", added))
    return rungs


def _is_used(name: str, fidelity: Fidelity) -> bool:
    """Whether a trick is enabled; its constants may differ from the plain ones where it is disabled."""
    if name == "RMSProp":
        return fidelity.recipe.optimizer == "rmsprop"
    return name != "distillation" or fidelity.recipe.distillation > 0


def _with(fidelity: Fidelity, *, recipe: Mapping[str, Any], network: Mapping[str, Any]) -> Fidelity:
    return Fidelity(replace(fidelity.network, **network), replace(fidelity.recipe, **recipe), fidelity.data)
