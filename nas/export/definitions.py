"""Collects the source of functions and classes with everything that they use from this project.

An exported model contains the code that built the network, restricted to the parts that this network uses, so nothing
has to be kept in sync manually.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import Any

from nas.models.layers import DepthwiseConv, FactorizedReduction

ALLOWED_PACKAGES = frozenset({"torch", *sys.stdlib_module_names})
"""Packages that exported source may import."""

PLAIN_FORMS: Mapping[Callable[..., Any], str] = MappingProxyType(
    {
        DepthwiseConv.forward: "",  # the inherited method does the same, with torch's own gradient
        FactorizedReduction.forward: '''\
    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, in_channels, H, W) to (N, out_channels, ceil(H / 2), ceil(W / 2))."""
        halves = [self.even(images[:, :, ::2, ::2])]
        if self.odd is not None:
            odd = F.pad(images[:, :, 1::2, 1::2], (0, images.shape[3] % 2, 0, images.shape[2] % 2))
            halves.append(self.odd(odd))
        return self.norm(torch.cat(halves, dim=1))
''',
    }
)
"""For methods optimized for training speed: the plain source of the same function; if empty, the method is left out."""


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """An import from another package: the module, a name (empty for the module itself), and the name for local use."""

    module: str
    name: str
    local: str


@dataclass(frozen=True, slots=True)
class _Definition:
    """A top-level function, class or constant: its source with preceding comments, and the names that it uses."""

    text: str
    uses: frozenset[str]


@dataclass
class Definitions:
    """Collected definitions.

    Attributes:
        packages: top-level packages whose code is copied; names from others are imported.
        chosen: names to copy, with their modules; names are unique, since all go into one module.
    """

    packages: frozenset[str]
    chosen: dict[str, str] = field(default_factory=dict)
    imports: set[Import] = field(default_factory=set)

    @classmethod
    def of(cls, roots: Iterable[Any]) -> Definitions:
        """Collects functions and classes, and everything that they use.

        Raises ValueError if one is not at the top of a module, or uses more than torch and the standard library.
        """
        roots = list(roots)
        gathered = cls(frozenset({"nas", *(root.__module__.partition(".")[0] for root in roots)}))
        for root in roots:
            check_top_level(root)
            gathered._visit(root.__module__, root.__name__)
        return gathered

    def sections(self) -> list[tuple[str, str]]:
        """Returns, for each module in order of dependence, its title and its chosen definitions as source."""
        found = []
        for module in self._ordered_modules():
            definitions, _ = _take_apart(module)
            texts = dict.fromkeys(item.text for name, item in definitions.items() if self.chosen.get(name) == module)
            title = (inspect.getdoc(importlib.import_module(module)) or module).splitlines()[0]
            found.append((title.partition(":")[0].rstrip("."), "\n\n\n".join(texts)))
        return found

    def import_lines(self, further: Iterable[Import] = ()) -> str:
        """Returns the import statements, standard library first, then torch."""
        needed = sorted({*self.imports, *further})
        lines = [f"import {_renamed(item.module, item.local)}" for item in needed if not item.name]
        for module, items in groupby((item for item in needed if item.name), key=lambda item: item.module):
            lines.append(f"from {module} import {', '.join(_renamed(item.name, item.local) for item in items)}")
        torch = [line for line in lines if line.split()[1].partition(".")[0] == "torch"]
        standard = [line for line in lines if line not in torch]
        return "\n\n".join("\n".join(group) for group in (standard, torch) if group)

    def _visit(self, module: str, name: str) -> None:
        if self.chosen.get(name) == module:
            return
        definitions, imports = _take_apart(module)
        if name not in definitions:
            raise ValueError(f"{module}.{name} must be a function, class or constant at the top of its module")
        if (owner := self.chosen.setdefault(name, module)) != module:
            raise ValueError(f"{name} must be defined in one module only, got {owner} and {module}")
        for used in sorted(definitions[name].uses):
            if used in definitions:
                self._visit(module, used)
            elif used in imports:
                self._visit_import(imports[used], f"{module}.{name}")

    def _visit_import(self, item: Import, user: str) -> None:
        package = item.module.partition(".")[0]
        if package in self.packages and item.name == item.local:
            self._visit(item.module, item.name)
        elif package in ALLOWED_PACKAGES:
            self.imports.add(item)
        else:
            raise ValueError(f"{user} must use only torch and the standard library to be exported, got {item.module}")

    def _ordered_modules(self) -> Iterable[str]:
        modules, ordered = set(self.chosen.values()), dict[str, None]()

        def add(module: str) -> None:
            if module in modules and module not in ordered:
                _, imports = _take_apart(module)
                for item in imports.values():
                    add(item.module)
                ordered[module] = None

        for module in sorted(modules):
            add(module)
        return ordered


def check_top_level(value: Any) -> None:  # noqa: ANN401 - a function or a class
    """Raises ValueError unless a function or class is defined at the top level of its module."""
    name, module = getattr(value, "__qualname__", repr(value)), getattr(value, "__module__", None)
    if not name.isidentifier() or getattr(sys.modules.get(module or ""), name, None) is not value:
        raise ValueError(f"builders must be defined at the top of a module to be exported, got {name:.100}")


@lru_cache(maxsize=64)
def _take_apart(module: str) -> tuple[dict[str, _Definition], dict[str, Import]]:
    """Returns the definitions of a module in order, and its imports by local name."""
    text = inspect.getsource(importlib.import_module(module))
    for method, plain in PLAIN_FORMS.items():
        text = text.replace(inspect.getsource(method) if plain else "\n" + inspect.getsource(method), plain)
    lines, body = text.splitlines(), ast.parse(text).body
    definitions: dict[str, _Definition] = {}
    imports: dict[str, Import] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.update({item.local: item for item in _imports(node)})
        for name in _defined_names(node):
            definitions[name] = _Definition(_text(node, following, lines), _used_names(node))
    return definitions, imports


def _imports(node: ast.Import | ast.ImportFrom) -> list[Import]:
    if isinstance(node, ast.Import):
        return [Import(alias.name, "", alias.asname or alias.name.partition(".")[0]) for alias in node.names]
    return [Import(node.module or "", alias.name, alias.asname or alias.name) for alias in node.names]


def _defined_names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return []


def _used_names(node: ast.stmt) -> frozenset[str]:
    """Returns the names that a definition reads but does not bind itself."""
    bound = {item.arg for item in ast.walk(node) if isinstance(item, ast.arg)}
    names = [item for item in ast.walk(node) if isinstance(item, ast.Name)]
    bound |= {item.id for item in names if isinstance(item.ctx, ast.Store)}
    return frozenset(item.id for item in names if isinstance(item.ctx, ast.Load)) - bound


def _text(node: ast.stmt, following: ast.stmt | None, lines: list[str]) -> str:
    """Returns the source with preceding comments, decorators and a constant's docstring."""
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]) - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    last = node.end_lineno or node.lineno
    if isinstance(node, ast.Assign | ast.AnnAssign):
        match following:
            case ast.Expr(value=ast.Constant(value=str()), end_lineno=int(end)):
                last = end
    return re.sub(r"[ \t]+# (noqa|type: ignore)[^\n]*", "", "\n".join(lines[first:last]))


def _renamed(name: str, local: str) -> str:
    return name if name == local else f"{name} as {local}"
