"""Gathering source: everything that is used, nothing else, in an order that runs."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from nas.export import definitions
from nas.export.definitions import PLAIN_FORMS, Definitions, Import
from nas.models.layers import Conv, FactorizedReduction
from nas.models.operations import separable_convolution

NUMBERS = itertools.count()


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a package of modules and imports its module ``main``."""

    def make(**modules: str) -> ModuleType:
        name = f"exported_package_{next(NUMBERS)}"
        folder = tmp_path / name
        folder.mkdir()
        for module, text in {"__init__": "", **modules}.items():
            (folder / f"{module}.py").write_text(textwrap.dedent(text).replace("PACKAGE", name))
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(f"{name}.main")

    return make


def text_of(gathered: Definitions) -> str:
    return "\n".join(text for _, text in gathered.sections())


def test_what_is_used_comes_along_and_nothing_else(make_package) -> None:
    main = make_package(
        main='''
            """Main things: and more."""
            from math import sqrt
            import torch.nn.functional as F
            from PACKAGE.other import scale, unused

            # The limit
            # of things.
            LIMIT: int = 3
            """What it is."""

            FORGOTTEN = 4

            def build(value):
                return scale(value) + inner(value)

            def inner(value):  # noqa: A001 - a reason
                return sqrt(value) * LIMIT

            def forgotten():
                return FORGOTTEN
        ''',
        other='''
            """Others."""
            import functools
            FACTOR, SECOND = 2, 3

            @functools.cache
            def scale(value):
                return value * FACTOR

            def unused():
                return SECOND
        ''',
    )
    gathered = Definitions.of([main.build])
    (first_title, first), (second_title, second) = gathered.sections()
    assert (first_title, second_title) == ("Others", "Main things")
    assert first == "FACTOR, SECOND = 2, 3\n\n\n@functools.cache\ndef scale(value):\n    return value * FACTOR"
    assert second.startswith('# The limit\n# of things.\nLIMIT: int = 3\n"""What it is."""\n\n\ndef build(value):')
    assert "def inner(value):\n    return" in second
    assert "forgotten" not in second
    assert gathered.import_lines() == "import functools\nfrom math import sqrt"


def test_constants_defined_together_stand_once(make_package) -> None:
    main = make_package(
        main="""
            FIRST, SECOND = 1, 2
            def build():
                return FIRST + SECOND
        """
    )
    assert text_of(Definitions.of([main.build])).count("FIRST, SECOND") == 1


def test_gathered_source_runs(make_package) -> None:
    main = make_package(
        main="""
            from PACKAGE.parts import Base
            class Derived(Base):
                number = 3
        """,
        parts="""
            class Base:
                def double(self):
                    return two() * self.number
            def two():
                return 2
        """,
    )
    text = text_of(Definitions.of([main.Derived]))
    assert [node.name for node in ast.parse(text).body] == ["Base", "two", "Derived"]


def test_names_bound_within_are_no_uses(make_package) -> None:
    main = make_package(
        main="""
            def size():
                return 1
            def build(size):
                return size
            def other():
                size = 2
                return size
        """
    )
    assert "def size" not in text_of(Definitions.of([main.build, main.other]))


def test_methods_stand_in_their_plain_form(make_package, monkeypatch: pytest.MonkeyPatch) -> None:
    main = make_package(
        main="""
            \"\"\"Layers: those of a test.\"\"\"
            import abc

            class Layer:
                \"\"\"A layer.\"\"\"

                @abc.abstractmethod
                def forward(self, x):
                    return fast(x)

                def keep(self):
                    return 1

                def drop(self):
                    return fast(2)

            def fast(x):
                return x
        """
    )
    plain = {
        main.Layer.forward: "    def forward(self, x):\n        return x + 0\n",
        main.Layer.drop: "",
    }
    monkeypatch.setattr(definitions, "PLAIN_FORMS", plain)
    gathered = Definitions.of([main.Layer])
    (section,) = gathered.sections()
    forward, keep = "    def forward(self, x):\n        return x + 0\n", "    def keep(self):\n        return 1"
    assert section == ("Layers", f'class Layer:\n    """A layer."""\n\n{forward}\n{keep}')
    assert gathered.import_lines() == ""


def test_imports_are_merged_and_sorted() -> None:
    gathered = Definitions.of([separable_convolution])
    further = [Import("torch", "optim", "optim"), Import("pathlib", "Path", "Path"), Import("math", "", "math")]
    lines = gathered.import_lines(further).splitlines()
    assert "from torch import Tensor, nn, optim" in lines
    assert "import torch.nn.functional as F" in lines
    assert lines.count("import math") == 1
    assert lines.index("from pathlib import Path") < lines.index("") < lines.index("import torch")


def test_real_classes_bring_their_helpers() -> None:
    text = text_of(Definitions.of([FactorizedReduction]))
    names = {node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    assert {"FactorizedReduction", "Conv", "same_padding"} <= names
    assert not {"Pool", "Unchanged", "Rectified"} & names


def test_decorators_and_private_helpers_stay(make_package) -> None:
    assert "class Conv" in text_of(Definitions.of([Conv]))
    main = make_package(
        main="""
            from dataclasses import dataclass
            @dataclass
            class Point:
                x: int = 0
        """
    )
    assert text_of(Definitions.of([main.Point])).startswith("@dataclass\nclass Point:")


def test_what_is_not_at_the_top_of_a_module_is_refused() -> None:
    def local() -> None:
        """Defined within a test."""

    for builder in (local, lambda site: site):
        with pytest.raises(ValueError, match="must be defined at the top of a module to be exported"):
            Definitions.of([builder])


def test_other_libraries_are_refused(make_package) -> None:
    main = make_package(
        main="""
            import numpy as np
            def build():
                return np.zeros(3)
        """
    )
    with pytest.raises(ValueError, match=r"main.build must use only torch and the standard library .* got numpy"):
        Definitions.of([main.build])


def test_two_definitions_of_one_name_are_refused(make_package) -> None:
    main = make_package(
        main="""
            from PACKAGE.other import build_other
            def part():
                return 1
            def build():
                return part() + build_other()
        """,
        other="""
            def part():
                return 2
            def build_other():
                return part()
        """,
    )
    with pytest.raises(ValueError, match="part must be defined in one module only"):
        Definitions.of([main.build])


def test_names_that_are_made_in_other_ways_are_refused(make_package) -> None:
    main = make_package(
        main="""
            from PACKAGE.other import made
            def build():
                return made
        """,
        other="""
            for made in range(3):
                pass
        """,
    )
    with pytest.raises(ValueError, match=r"other.made must be a function, class or constant"):
        Definitions.of([main.build])
    assert main.__name__ in sys.modules


@pytest.mark.parametrize("method", [method for method, plain in PLAIN_FORMS.items() if plain])
def test_a_plain_form_has_the_name_and_arguments_of_its_method(method) -> None:
    (node,) = ast.parse(textwrap.dedent(PLAIN_FORMS[method])).body
    assert isinstance(node, ast.FunctionDef)
    assert node.name == method.__name__
    assert [argument.arg for argument in node.args.args] == list(inspect.signature(method).parameters)


@pytest.mark.parametrize("method", PLAIN_FORMS)
def test_no_gradient_is_written_out(method) -> None:
    owner = getattr(importlib.import_module(method.__module__), method.__qualname__.partition(".")[0])
    gathered = Definitions.of([owner])
    assert "autograd" not in text_of(gathered) + gathered.import_lines()
    assert "backward" not in text_of(gathered)
