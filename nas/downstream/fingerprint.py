"""Fingerprints of trainings: a training resumes from a checkpoint with an equal one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nas.architecture import fingerprint_json
from nas.downstream.backbone import trained_file
from nas.downstream.recipe import RUN_SETTINGS, DenseRecipe


def training_fingerprint(parts: Mapping[str, Any], recipe: DenseRecipe, start: str | None) -> str:
    """Returns 32 hexadecimal digits that are equal for trainings that compute the same.

    Where the images lie, where the weights to start from lie, and `nas.downstream.recipe.RUN_SETTINGS` make no
    difference.

    Args:
        parts: plain data of the network and the images.
        recipe: of the training.
        start: see `nas.downstream.backbone.start_backbone`.
    """
    settings = {name: value for name, value in plain(recipe).items() if name not in RUN_SETTINGS}
    return fingerprint_json({**parts, "recipe": settings, "start": None if start is None else weights_digest(start)})


def plain(settings: object) -> Any:  # noqa: ANN401 - plain data
    """Returns a dataclass of settings as plain data."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def weights_digest(start: str) -> str:
    """Returns the SHA-256 of a file of weights, or of the one in a folder."""
    with trained_file(Path(start)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
