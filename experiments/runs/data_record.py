"""``data.json`` of a run folder: which images the run uses, and which it used before they changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas.data.identity import Identity
from nas.data.report import DataReport
from nas.files.atomic_write import write_text
from nas.files.strict_json import parse_json

DATA_FILE = "data.json"


@dataclass(frozen=True, slots=True)
class DataRecord:
    """What ``data.json`` holds.

    Attributes:
        identity: Of the images of the last session.
        changes: How the images had changed at each continuation with ``--accept-data``, a list of texts each.
        counts: What is used and left out, see `nas.data.report.DataReport.counts`.
    """

    identity: Identity
    changes: tuple[tuple[str, ...], ...] = ()
    counts: Mapping[str, Any] | None = None


def read_data_record(folder: Path) -> DataRecord | None:
    """Reads the record of a run folder; None if there is none, ValueError if it is damaged."""
    path = folder / DATA_FILE
    if not path.is_file():
        return None
    try:
        value = parse_json(path.read_bytes())
        changes = tuple(tuple(map(str, each)) for each in value["changes"])
        return DataRecord(Identity.from_json(value["identity"]), changes, value["counts"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error!s:.200}): delete it if the images have not changed, and they are recorded anew"
        ) from None


def write_data_record(folder: Path, report: DataReport, former: DataRecord | None) -> None:
    """Records the images of a session, and how they differ from the former ones."""
    identity = report.complete
    changed = [] if former is None else former.identity.differences(identity)
    changes = [*(() if former is None else former.changes), *([changed] if changed else [])]
    value = {"identity": identity.to_json(), "changes": changes, "counts": report.counts}
    text = json.dumps(value, indent=1) + "\n"
    path = folder / DATA_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
