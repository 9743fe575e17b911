"""Objects from outside of this project, by names such as ``package.module:name``.

A configuration may name them wherever it names an entry of a table. Reading a configuration imports nothing: a module
is imported only if it was allowed, by `allow` (the option ``--import``), by an installed package that declares an entry
point of the group ``nas_engine``, or by `plug_in`, which takes the object itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

GROUP = "nas_engine"
"""Group of entry points whose modules may be named in configurations."""

DATA_PREFIX = "DataSet:"
"""Begins the names of data sets in memory."""

_T = TypeVar("_T")
_REFERENCE = re.compile(r"[A-Za-z_][\w.]{0,127}:[A-Za-z_][\w.]{0,127}", re.ASCII)
_modules: list[str] = []
_objects: dict[str, Any] = {}
_own: set[str] = set()


class Table(Mapping[str, _T], Generic[_T]):
    """Entries by name; names such as ``package.module:name`` find objects from outside, which it converts to entries.

    Iteration yields the names of its own entries only.

    Args:
        what: names the entries in messages, such as ``operation``.
        entries: its own entries.
        adapt: converts an object from outside to an entry; raises ValueError if the object does not fit.
    """

    def __init__(self, what: str, entries: Mapping[str, _T], adapt: Callable[[Any], _T]) -> None:
        self.what = what
        self._entries = dict(entries)
        self._adapt = adapt
        self._adapted: dict[str, tuple[Any, _T]] = {}

    def __getitem__(self, name: str) -> _T:
        """Returns an entry; KeyError if there is none, ValueError if a name from outside cannot be used."""
        if not is_reference(name):
            return self._entries[name]
        value = find(name)
        known = self._adapted.get(name)
        if known is None or known[0] is not value:
            try:
                known = value, self._adapt(value)
            except ValueError as error:
                raise ValueError(f"{self.what} {name}: {error}") from None
            self._adapted[name] = known
        return known[1]

    def __contains__(self, name: object) -> bool:
        """Whether there is such an entry; ValueError if a name from outside cannot be used."""
        if isinstance(name, str) and is_reference(name):
            return self[name] is not None
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def is_reference(name: object) -> bool:
    """Whether a name has the form ``package.module:name``."""
    return isinstance(name, str) and _REFERENCE.fullmatch(name) is not None


def plug_in(value: Any, name: str | None = None, *, on_workers: bool = True) -> str:  # noqa: ANN401 - any object
    """Makes a Python object usable wherever a configuration or a space names an entry of a table.

    Args:
        value: an operation, a norm, an evaluator, a reward, a space, a controller or a data set; see the guide.
        name: its name, ``module:name``; by default where it is defined. A later object of that name replaces it.
        on_workers: whether it is sent to Ray workers, too.

    Returns:
        The name.

    Example:
        >>> import nas
        >>> def gate(site):
        ...     return nas.OPERATIONS["conv_1x1"].build(site)
        >>> nas.plug_in(gate, "my:gate")
        'my:gate'
        >>> space = nas.CellSpace(ops=("identity", "my:gate"), num_blocks=2)
    """
    name = name_of(value) if name is None else name
    if not is_reference(name):
        raise ValueError(f"the name of a plug-in must have the form module:name, got {name!r:.100}")
    _objects[name] = value
    (_own.discard if on_workers else _own.add)(name)
    return name


def allow(text: str) -> str:
    """Imports a module, a package, or the file or folder of one, whose objects may then be named in configurations.

    Returns the name of the module. Raises ValueError if it cannot be imported.
    """
    path = Path(text)
    if path.suffix == ".py" or len(path.parts) > 1:
        if not path.exists():
            raise ValueError(f"there is no module {text} to import")
        folder, name = str(path.resolve().parent), path.stem
    else:
        folder, name = str(Path.cwd()), text
    if folder not in sys.path:
        sys.path.append(folder)
    _import(name)
    if name not in _modules:
        _modules.append(name)
    return name


def allowed_modules() -> tuple[str, ...]:
    """Modules whose objects may be named: those of `allow`, then those of entry points."""
    return (*_modules, *(name for name in _declared() if name not in _modules))


def find(name: str) -> Any:  # noqa: ANN401 - any object
    """Returns the object that a name refers to; raises ValueError if its module is not allowed or lacks it."""
    if name in _objects:
        return _objects[name]
    module, _, path = name.partition(":")
    if not any(module == each or module.startswith(f"{each}.") for each in allowed_modules()):
        if name.startswith(DATA_PREFIX):
            raise ValueError(f"{name} stands for images that were given in Python: name images with --data")
        raise ValueError(
            f"{name} is code from outside, which a configuration alone does not run: add --import {module} to the "
            "command, or in Python give the object itself"
        )
    try:
        return attrgetter(path)(_import(module))
    except AttributeError:
        raise ValueError(f"the module {module} has no {path}") from None


@dataclass(frozen=True, slots=True)
class Session:
    """What was plugged into a process, to be sent to its workers.

    When it is unpickled its folders are found by imports: what is unpickled after it may be code in them.

    Attributes:
        folders: where the modules were found; nodes that lack a folder get its modules from Ray.
        modules: the modules of `allow`.
        objects: the objects of `plug_in`, by name.
    """

    folders: tuple[str, ...]
    modules: tuple[str, ...]
    objects: Mapping[str, Any]

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (self.folders,), [self.folders, self.modules, dict(self.objects)]

    def restore(self) -> None:
        """Plugs everything into this process."""
        _modules.extend(name for name in self.modules if name not in _modules)
        _objects.update(self.objects)


def _arrive(folders: tuple[str, ...]) -> Session:
    """Begins to unpickle a session: what it holds may be code in its folders, so they come first."""
    sys.path.extend(folder for folder in folders if folder not in sys.path and Path(folder).is_dir())
    return Session(folders, (), {})


def session() -> Session:
    """Returns what is plugged into this process."""
    folders = tuple(dict.fromkeys(str(Path(path).parent) for path in sources()))
    return Session(folders, tuple(_modules), {name: value for name, value in _objects.items() if name not in _own})


def sources() -> list[str]:
    """Folders and files of the packages of `allow`, which nodes of a cluster need; installed packages are left out."""
    names = dict.fromkeys(name.partition(".")[0] for name in _modules)
    paths = [Path(spec.origin) for name in names if (spec := importlib.util.find_spec(name)) and spec.origin]
    found = [path.parent if path.name == "__init__.py" else path for path in paths]
    return [str(path) for path in found if "site-packages" not in path.parts]


def _import(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever foreign code raises
        raise ValueError(f"the module {name} cannot be imported: {type(error).__name__}: {error}") from None


@lru_cache(maxsize=1)
def _declared() -> tuple[str, ...]:
    from importlib.metadata import entry_points

    return tuple(dict.fromkeys(point.module for point in entry_points(group=GROUP)))


def name_of(value: Any) -> str:  # noqa: ANN401 - any object
    """Module and name of a function or class; those of the class of an instance."""
    value = getattr(value, "func", value)  # functools.partial
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}:{re.sub(r'[^A-Za-z0-9_.]', '', named.__qualname__.replace('<locals>.', ''))}"
