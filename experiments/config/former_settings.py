"""Settings of earlier versions, so that their configurations and run folders stay readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FORMER_REDRAWS = ("num_redraws", "redraw_heat")


def without_former(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a document in which settings of earlier versions are replaced by those of today.

    PPO once drew repeated rollouts again by itself; now the wrapper ``fresh`` does.
    """
    controller = document.get("controller")
    if not isinstance(controller, Mapping) or not any(name in controller for name in _FORMER_REDRAWS):
        return dict(document)
    wrapper = "none" if controller.get("num_redraws", 10) == 0 else "fresh"
    kept = {name: value for name, value in controller.items() if name not in _FORMER_REDRAWS}
    return {"wrapper": {"name": wrapper}, **document, "controller": kept}
