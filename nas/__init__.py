"""Cell-based neural architecture search: the public names of the project.

A name is imported when it is first used, so ``import nas`` loads neither torch nor Ray. Some names live in the packages
above this one; the table below names them as text, so that the modules of `nas` itself depend on nothing above.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

_PUBLIC = {
    # searching
    "run_search": "experiments.library.run_search:run_search",
    "load_run": "experiments.library.run:load_run",
    "compare": "experiments.library.run:compare",
    "Run": "experiments.library.run:Run",
    "Found": "experiments.library.run:Found",
    "plug_in": "nas.plugins:plug_in",
    # networks
    "build_network": "experiments.library.networks:build_network",
    "train": "experiments.library.networks:train",
    "load": "experiments.library.networks:load",
    "export": "experiments.library.networks:export",
    "draw": "experiments.library.drawing:draw",
    "Drawing": "experiments.library.drawing:Drawing",
    "OPERATIONS": "nas.models.operations:OPERATIONS",
    "Operation": "nas.models.operations:Operation",
    "EdgeLayers": "nas.models.operations:EdgeLayers",
    "NORMALIZATIONS": "nas.models.normalization:NORMALIZATIONS",
    "Normalization": "nas.models.normalization:Normalization",
    # data
    "data_set": "experiments.library.data:data_set",
    "load_data": "nas.data.load:load_data",
    "DataSet": "nas.data.data_set:DataSet",
    "Split": "nas.data.data_set:Split",
    # architectures and search spaces
    "Architecture": "nas.architecture:Architecture",
    "Cell": "nas.architecture:Cell",
    "Block": "nas.architecture:Block",
    "Edge": "nas.architecture:Edge",
    "PlainDescription": "nas.plain:PlainDescription",
    "Choice": "nas.decisions:Choice",
    "Rollout": "nas.decisions:Rollout",
    "CellSpace": "search_spaces.cell_space:CellSpace",
    "NASNET": "search_spaces.nasnet:NASNET",
    "TINY": "search_spaces.tiny:TINY",
    "EdgeSpace": "search_spaces.nasbench201:EdgeSpace",
    "NASBENCH201": "search_spaces.nasbench201:NASBENCH201",
    "PUBLISHED": "search_spaces.published:PUBLISHED",
    # controllers
    "PPO": "controllers.ppo:PPO",
    "PPOSettings": "controllers.ppo:PPOSettings",
    "Reinforce": "controllers.reinforce:Reinforce",
    "ReinforceSettings": "controllers.reinforce:ReinforceSettings",
    "RegularizedEvolution": "controllers.regularized_evolution:RegularizedEvolution",
    "EvolutionSettings": "controllers.regularized_evolution:EvolutionSettings",
    "RandomSearch": "controllers.random_search:RandomSearch",
    "Fresh": "controllers.fresh:Fresh",
    "FreshSettings": "controllers.fresh:FreshSettings",
    "Surrogate": "controllers.surrogate:Surrogate",
    "SurrogateSettings": "controllers.surrogate:SurrogateSettings",
    # trials
    "Fidelity": "nas.fidelity:Fidelity",
    "NetworkSpec": "nas.fidelity:NetworkSpec",
    "TrainRecipe": "nas.recipe:TrainRecipe",
    "DataSpec": "nas.fidelity:DataSpec",
    "Trial": "nas.trial:Trial",
    "Success": "nas.trial:Success",
    "Failure": "nas.trial:Failure",
    "Accuracy": "nas.rewards:Accuracy",
    "CostedAccuracy": "nas.rewards:CostedAccuracy",
    "ShiftedAccuracy": "nas.rewards:ShiftedAccuracy",
    "Objectives": "nas.objectives:Objectives",
    "Metric": "nas.rewards:Metric",
    "train_and_validate": "workers.evaluators.train_and_validate:train_and_validate",
    "zero_cost": "workers.evaluators.zero_cost:zero_cost",
    "ZeroCostSettings": "workers.evaluators.zero_cost:ZeroCostSettings",
    # the loop
    "search": "nas.search:search",
    "SearchPlan": "nas.search:SearchPlan",
    "Ledger": "nas.ledger.writer:Ledger",
    "SerialPool": "workers.pools.serial_pool:SerialPool",
    "RayPool": "workers.pools.ray_pool:RayPool",
    "CachingPool": "workers.pools.caching_pool:CachingPool",
    "connect": "workers.cluster.connection:connect",
}
__all__ = list(_PUBLIC)

_PARTS = {"search_spaces": "nasnet.py", "controllers": "ppo.py", "workers": "errors.py", "experiments": "configs"}
"""The other packages of this project, each with a file in it that tells it from a foreign one of the same name."""


def _check_packages() -> None:
    """Raises ImportError if a module or package of the user hides one of this project."""
    for name, part in _PARTS.items():
        try:
            spec = importlib.util.find_spec(name)
        except ValueError:  # a module without a specification
            continue
        if spec is None:
            continue
        folders = list(spec.submodule_search_locations or ())
        if not any((Path(folder) / part).exists() for folder in folders):
            found = spec.origin or next(iter(folders), "")
            raise ImportError(
                f"nas-engine needs its own package {name!r}, but `import {name}` finds {found}: rename that file or "
                "folder, or run Python from another folder"
            )


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "__version__":
        from importlib.metadata import version

        return version("nas-engine")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nas' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    if f"nas.{name}" not in sys.modules:  # else the module of that name, which is callable, takes its place
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})


_check_packages()
