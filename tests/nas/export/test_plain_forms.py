"""Plain forms stand for methods that are there, and name nothing that is not."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap

import pytest

from nas.export.definitions import Definitions
from nas.export.plain_forms import PLAIN_FORMS


@pytest.mark.parametrize("place", PLAIN_FORMS, ids=".".join)
def test_each_replaces_a_method_with_the_same_arguments(place: tuple[str, str, str]) -> None:
    module, owner, name = place
    method = vars(getattr(importlib.import_module(module), owner))[name]
    if PLAIN_FORMS[place]:
        (node,) = ast.parse(textwrap.dedent(PLAIN_FORMS[place])).body
        assert isinstance(node, ast.FunctionDef)
        assert node.name == name
        assert [argument.arg for argument in node.args.args] == list(inspect.signature(method).parameters)


@pytest.mark.parametrize("place", PLAIN_FORMS, ids=".".join)
def test_no_gradient_is_written_out(place: tuple[str, str, str]) -> None:
    gathered = Definitions.of([getattr(importlib.import_module(place[0]), place[1])])
    text = "".join(text for _, text in gathered.sections())
    assert "autograd" not in text + gathered.import_lines()
    assert "backward" not in text
