"""The options of commands that set what a configuration holds, so that errors name what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "data.root": "--data",
        "workers.num_workers": "--workers",
        "workers.address": "--address",
        "controller.name": "--controller",
        "search.num_trials": "--trials",
        "search.seed": "--seed",
        "training.seed": "--seed",
        "training.start": "--from",
        "training.teacher": "--teacher",
        "detection.seed": "--seed",
        "segmentation.seed": "--seed",
        "test.root": "--test-data",
        "ablation.num_seeds": "--seeds",
        "tournament.top": "--top",
        "tournament.random": "--random",
        "tournament.seed": "--seed",
        "tournament.grace_epochs": "--grace",
        "tournament.reduction_factor": "--reduction",
        "study.pretrained": "--pretrained",
        "study.num_seeds": "--seeds",
        "study.schedules": "--schedules",
        "study.fractions": "--fractions",
        "network.image_size": "--image-size",
        "network.num_classes": "--classes",
    }
)
"""Options by the dotted key of the setting."""


def named_option(place: str) -> str:
    """The option that sets a setting, for the end of an error: `` (option --trials)``; nothing if there is none."""
    return f" (option {OPTIONS[place]})" if place in OPTIONS else ""
