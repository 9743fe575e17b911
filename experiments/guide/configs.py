"""`nas config` and `nas configs`: the configurations that ship, and one of them with every setting explained."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from experiments.config.documents import config_folder, find_config, load_document
from experiments.config.kinds import ConfigKind, kind_of
from experiments.config.parsing.yaml_file import read_yaml
from experiments.guide.settings import CONFIGS, section_class, settings_of

WIDTH = 110
FROM_IMAGES = ("num_classes", "in_channels", "image_size")
"""Settings of the network that are taken from the images where a configuration does not give them."""


@dataclass(frozen=True, slots=True)
class ShippedConfig:
    """A configuration that comes with this package: its name, the command that takes it, and what it is for."""

    name: str
    command: str
    purpose: str

    def to_json(self) -> dict[str, str]:
        """Returns plain data for JSON."""
        return asdict(self)


def shipped_configs() -> list[ShippedConfig]:
    """The configurations that come with this package, by command and name."""
    found = [
        ShippedConfig(path.stem, kind_of(read_yaml(path)).command, _purpose(path.read_text(encoding="utf-8")))
        for path in config_folder().glob("*.yaml")
    ]
    return sorted(found, key=lambda config: ([*CONFIGS].index(config.command), config.name))


def explained(source: str) -> str:
    """Returns a configuration, a name or a YAML file, as YAML with every setting explained.

    It is the same configuration; settings that are taken from the images stay comments. Raises ValueError if there is
    no such configuration, or it is not valid.
    """
    path = find_config(source, None)
    kind = kind_of(read_yaml(path))
    return explain(load_document(str(path), kind), kind, f"The configuration {source} of `nas {kind.command}`.")


def explain(document: Mapping[str, Any], kind: ConfigKind, heading: str) -> str:
    """Returns a document as YAML with every setting explained, under a heading."""
    complete = CONFIGS[kind.command].parse(document).to_document()
    lines = [f"# {heading}"]
    for section, values in complete.items():
        lines += ["", f"{section}:", *_section(kind, section, values, document.get(section) or {})]
    return "\n".join(lines) + "\n"


def _section(kind: ConfigKind, section: str, values: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    if section in kind.named:
        yield from _comment(f"Name of the {section}, see `nas plugins`.")
        yield f"  name: {_flow(values['name'])}"
    settings = settings_of(section_class(kind, section, values.get("name")))
    for setting in settings:
        text = f"{setting.name}: {_flow(values[setting.name])}"
        if section == "network" and setting.name in FROM_IMAGES and setting.name not in given:
            yield from _comment(f"{setting.line} Taken from the images where it is not given.")
            yield f"  # {text}"
        else:
            yield from _comment(setting.line)
            yield f"  {text}"
    if not settings and section not in kind.named:
        yield "  {}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  # ", subsequent_indent="  #   ", break_long_words=False)


def _flow(value: Any) -> str:  # noqa: ANN401 - plain data
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _purpose(text: str) -> str:
    """The first sentence of the comment at the top of a file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        lines.append(line.removeprefix("# "))
    return " ".join(lines).partition(". ")[0].rstrip(".")
