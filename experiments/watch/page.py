"""The HTML of the page: for a server, which serves its parts, and as one file with everything inside.

Both forbid code from elsewhere by a content security policy; the file allows its own by hashes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.resources
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

SCRIPTS = ("uplot.min.js", "data.js", "charts.js", "cells.js", "trial.js", "page.js")
STYLES = ("uplot.min.css", "page.css")
_ALWAYS = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"
SERVED_POLICY = f"{_ALWAYS}; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'"
_LINKS = '<link rel="stylesheet" href="page.css">'
_DATA = '<script type="application/octet-stream" id="data">{}</script>'


@cache
def bundle(names: Sequence[str]) -> str:
    """Returns files of the folder ``static`` as one text."""
    folder = importlib.resources.files("experiments.watch").joinpath("static")
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def served_page() -> str:
    """Returns the page that asks a server for its data."""
    return _page(head=_LINKS, foot='<script src="page.js"></script>')


def report_page(data: Any) -> str:  # noqa: ANN401 - plain data
    """Returns the page with its data inside, compressed."""
    script, style = bundle(SCRIPTS), bundle(STYLES)
    if "</script" in script.lower() or "</style" in style.lower():
        raise RuntimeError("a script or style of the page must not hold the tag that ends it")
    policy = f"{_ALWAYS}; script-src {_hash(script)}; style-src {_hash(style)}"
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{style}</style>'
    return _page(head=head, foot=f"{_DATA.format(packed)}<script>{script}</script>")


def _page(*, head: str, foot: str) -> str:
    return bundle(("page.html",)).replace("<!-- head -->", head).replace("<!-- foot -->", foot)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
