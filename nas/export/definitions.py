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
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nas.export.plain_forms import PLAIN_FORMS

ALLOWED_PACKAGES = frozenset({"torch", *sys.stdlib_module_names})
"""Packages that exported source may import."""


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """An import of a name from another package.

    Attributes:
        module: module to import from.
        name: imported name; empty for the module itself.
        local: name under which it is used.
    """

    module: str
    name: str
    local: str


@dataclass(frozen=True, slots=True)
class _Definition:
    """A top-level function, class or constant: its source with preceding comments, and the names that it uses."""

    text: str
    uses: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Source:
    """A parsed module: its definitions in order, and its imports by local name."""

    definitions: dict[str, _Definition]
    imports: dict[str, Import]


@dataclass
class Definitions:
    """Collected definitions.

    Attributes:
        packages: top-level packages whose code is copied; names from others are imported.
        chosen: names to copy, by module.
        imports: names to import.
    """

    packages: frozenset[str]
    chosen: dict[str, set[str]] = field(default_factory=dict)
    imports: set[Import] = field(default_factory=set)

    @classmethod
    def of(cls, roots: Iterable[Any]) -> Definitions:
        """Collects functions and classes, and everything that they use.

        Raises:
            ValueError: if one is not at the top level of a module, or uses other packages than torch and the standard
                library.
        """
        roots = list(roots)
        gathered = cls(frozenset({"nas", *(root.__module__.partition(".")[0] for root in roots)}))
        for root in roots:
            check_top_level(root)
            gathered._visit(root.__module__, root.__name__)
        gathered._check_names()
        return gathered

    def sections(self) -> list[tuple[str, str]]:
        """Returns, for each module in order of dependence, its title and its chosen definitions as source."""
        found = []
        for module in self._ordered_modules():
            source = _take_apart(module)
            chosen = self.chosen[module]
            texts = dict.fromkeys(item.text for name, item in source.definitions.items() if name in chosen)
            title = (inspect.getdoc(importlib.import_module(module)) or module).splitlines()[0]
            found.append((title.partition(":")[0].rstrip("."), "\n\n\n".join(texts)))
        return found

    def import_lines(self, further: Iterable[Import] = ()) -> str:
        """Returns the import statements, standard library first, then torch."""
        needed = sorted({*self.imports, *further})
        named: dict[str, list[str]] = {}
        for item in needed:
            if item.name:
                named.setdefault(item.module, []).append(
                    item.name if item.name == item.local else f"{item.name} as {item.local}"
                )
        lines = [_plain_import(item) for item in needed if not item.name]
        lines += [f"from {module} import {', '.join(names)}" for module, names in named.items()]
        torch = [line for line in lines if line.split()[1].partition(".")[0] == "torch"]
        standard = [line for line in lines if line not in torch]
        return "\n\n".join("\n".join(group) for group in (standard, torch) if group)

    def _visit(self, module: str, name: str) -> None:
        if name in self.chosen.get(module, ()):
            return
        source = _take_apart(module)
        if name not in source.definitions:
            raise ValueError(f"{module}.{name} must be a function, class or constant at the top of its module")
        self.chosen.setdefault(module, set()).add(name)
        for used in sorted(source.definitions[name].uses):
            if used in source.definitions:
                self._visit(module, used)
            elif used in source.imports:
                self._visit_import(source.imports[used], f"{module}.{name}")

    def _visit_import(self, item: Import, user: str) -> None:
        package = item.module.partition(".")[0]
        if package in self.packages and item.name == item.local:
            self._visit(item.module, item.name)
        elif package in ALLOWED_PACKAGES:
            self.imports.add(item)
        else:
            raise ValueError(f"{user} must use only torch and the standard library to be exported, got {item.module}")

    def _check_names(self) -> None:
        """Checks that names are unique, since all definitions go into one module."""
        owners: dict[str, str] = {}
        for module, names in self.chosen.items():
            for name in names:
                if owners.setdefault(name, module) != module:
                    raise ValueError(f"{name} must be defined in one module only, got {owners[name]} and {module}")

    def _ordered_modules(self) -> list[str]:
        ordered: list[str] = []

        def add(module: str) -> None:
            if module in ordered:
                return
            for item in _take_apart(module).imports.values():
                if item.module in self.chosen and item.module != module:
                    add(item.module)
            ordered.append(module)

        for module in sorted(self.chosen):
            add(module)
        return ordered


def check_top_level(value: Any) -> None:  # noqa: ANN401 - a function or a class
    """Raises ValueError unless a function or class is defined at the top level of its module."""
    name, module = getattr(value, "__qualname__", repr(value)), getattr(value, "__module__", None)
    if not name.isidentifier() or getattr(sys.modules.get(module or ""), name, None) is not value:
        raise ValueError(f"builders must be defined at the top of a module to be exported, got {name:.100}")


@lru_cache(maxsize=64)
def _take_apart(module: str) -> _Source:
    lines = inspect.getsource(importlib.import_module(module)).splitlines()
    body = ast.parse("\n".join(lines)).body
    # From the end, so that replacements do not move the lines of classes still to be processed.
    for node in reversed(body):
        if isinstance(node, ast.ClassDef):
            _make_plain(module, node, lines)
    body = ast.parse("\n".join(lines)).body
    definitions: dict[str, _Definition] = {}
    imports: dict[str, Import] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.update({item.local: item for item in _imports(node)})
        for name in _defined_names(node):
            definitions[name] = _Definition(_text(node, following, lines), _used_names(node))
    return _Source(definitions, imports)


def _make_plain(module: str, node: ast.ClassDef, lines: list[str]) -> None:
    """Replaces methods by their plain forms, removing the preceding blank lines if the form is empty."""
    for method in reversed(node.body):
        if not isinstance(method, ast.FunctionDef) or (module, node.name, method.name) not in PLAIN_FORMS:
            continue
        plain = PLAIN_FORMS[module, node.name, method.name].splitlines()
        first = min([method.lineno, *(decorator.lineno for decorator in method.decorator_list)]) - 1
        while not plain and not lines[first - 1]:
            first -= 1
        lines[first : method.end_lineno] = plain


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
    """Returns the source of a definition, with preceding comments, decorators and a constant's docstring."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    last = node.end_lineno or node.lineno
    if isinstance(node, ast.Assign | ast.AnnAssign) and _is_docstring(following):
        last = following.end_lineno or last  # type: ignore[union-attr]
    return re.sub(r"[ \t]+# (noqa|type: ignore)[^\n]*", "", "\n".join(lines[first:last]))


def _is_docstring(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _plain_import(item: Import) -> str:
    return f"import {item.module}" if item.local == item.module else f"import {item.module} as {item.local}"
