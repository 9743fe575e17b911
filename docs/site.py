"""Hooks of the documentation site: pages that are generated, and links to files outside of this folder."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401 - mkdocs has no public type for it
    """Adds the generated pages, the changelog and the recorded results."""
    pages = {
        "reference/python.md": python_reference(),
        "reference/settings.md": settings_reference(),
        "reference/commands.md": commands_reference(),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "results.md": results_index(),
    }
    for path in sorted((ROOT / "results").iterdir()):
        if path.suffix == ".md":
            pages[f"results/{path.name}"] = path.read_text(encoding="utf-8")
        elif path.suffix in {".png", ".svg"}:
            files.append(File.generated(config, f"results/{path.name}", abs_src_path=str(path)))
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ANN401
    """Makes links to pages that moved into the site work; those to other files become plain text."""
    del config

    def replace(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if ":" in target:
            return match[0]
        resolved = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), target))
        if files.get_file_from_path(resolved) is not None:
            return match[0]
        outside = re.sub(r"^(\.\./)+", "", resolved).removeprefix("docs/")
        if files.get_file_from_path(outside) is None:
            return text
        return f"[{text}]({posixpath.relpath(outside, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"

    return LINK.sub(replace, markdown)


def python_reference() -> str:
    """Returns the page of all public names."""
    import nas

    parts = ["# Python reference\n\nAll names of `import nas`. Each is imported when it is first used.\n"]
    for name, target in nas._PUBLIC.items():  # noqa: SLF001 - the table is this project's own
        parts.append(f"## nas.{name}\n\n::: {target.replace(':', '.')}\n")
    return "\n".join(parts)


def settings_reference() -> str:
    """Returns the page of all settings of all kinds of configuration."""
    from experiments.guide.plugins import TABLES
    from experiments.guide.settings import CONFIGS, section_class, settings_of

    parts = ["# Settings\n\n`nas config NAME` shows a configuration with all its settings; `nas init` writes one.\n"]
    for command, each in CONFIGS.items():
        parts.append(f"## nas {command}\n")
        for section in each.kind.sections:
            names = TABLES[section] if section in each.kind.named and section in TABLES else (None,)
            for name in names:
                title = section if name is None else f"{section}: {name}"
                rows = settings_of(section_class(each.kind, section, name))
                parts.append(f"### {title} ({command})\n")
                parts += (
                    ["No settings.\n"] if not rows else ["| setting | meaning | default | allowed |\n|---|---|---|---|"]
                )
                parts += [
                    f"| `{row.name}` | {row.meaning.replace('|', '/')} | {_code(row.default)} | {row.allowed} |"
                    for row in rows
                ]
                parts.append("")
    return "\n".join(parts)


def commands_reference() -> str:
    """Returns the page of all commands with their options."""
    import typer

    from experiments.cli.main import app

    parts = ["# Commands\n"]

    def add(command: Any, path: str) -> None:  # noqa: ANN401 - typer's own copy of click
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            if hasattr(inner, "commands"):
                add(inner, f"{path} {name}")
                continue
            rows = []
            for parameter in inner.params:
                labels = ", ".join(f"`{each}`" for each in parameter.opts)
                rows.append(f"| {labels} | {(getattr(parameter, 'help', '') or '').replace('|', '/')} |")
            example = f"\n```\n{inner.epilog.removeprefix('Example: ')}\n```\n" if inner.epilog else ""
            text = f"## {path} {name}\n\n{inner.help}\n{example}\n| argument | meaning |\n|---|---|\n"
            parts.append(text + "\n".join(rows) + "\n")

    add(typer.main.get_command(app), "nas")
    return "\n".join(parts)


def results_index() -> str:
    """Returns the page that lists the recorded results."""
    lines = ["# Results\n\nMeasured numbers, each with its command, seeds, machine and date.\n"]
    for path in sorted((ROOT / "results").glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        lines.append(f"- [{title}](results/{path.name})")
    return "\n".join(lines) + "\n"


def _code(text: str | None) -> str:
    return "required" if text is None else f"`{text}`"
