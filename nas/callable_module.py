"""Modules that may be called: `nas.search` and `nas.export` are modules, and the public functions of these names."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def make_callable(name: str, function: str) -> None:
    """Lets a module be called as the function that ``module:name`` says, which is imported when it is called."""
    module, _, attribute = function.partition(":")

    class CallableModule(ModuleType):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
            return getattr(importlib.import_module(module), attribute)(*args, **kwargs)

    sys.modules[name].__class__ = CallableModule
