"""Names and numbers as text, the same in terminals, figures and reports."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.comparison.statistics import CONFIDENCE, Interval

MEASURES: Mapping[str, str] = {
    "incumbent": "validation accuracy",
    "incumbent_test": "test accuracy",
    "hypervolume": "hypervolume",
}
AXIS_NAMES: Mapping[str, str] = {"worker_seconds": "Worker time", "elapsed_seconds": "Elapsed time"}
LABELS: Mapping[str, str] = {"ppo": "PPO", "random": "random search", "reinforce": "REINFORCE"}
"""Names of controllers where they differ from those of `experiments.config.search_config.CONTROLLERS`."""
CONFIDENCE_INTERVAL = f"{CONFIDENCE:.0%} interval "
NOTHING = "-"
_MINUS = "\N{MINUS SIGN}"
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def label(name: str) -> str:
    """Names a strategy in prose and figures: its controller's usual name, then its settings after commas."""
    first, *rest = name.replace(":", ", ").split(", ")
    return ", ".join((LABELS.get(first, first), *rest))


def capitalized(text: str) -> str:
    """Capitalizes the first letter and leaves the rest as it is."""
    return text[:1].upper() + text[1:]


def number(value: float, *, digits: int = 2, signed: bool = False) -> str:
    """Formats a number with a true minus sign, never as minus zero; a dash for NaN."""
    if math.isnan(value):
        return NOTHING
    return f"{round(value, digits) + 0.0:{'+' if signed else ''}.{digits}f}".replace("-", _MINUS)


def interval_text(
    interval: Interval, *, digits: int = 2, signed: bool = False, scale: float = 100.0, unit: str = "", prefix: str = ""
) -> str:
    """Formats ``value unit (prefix low to high)``, by default in percent; the value alone without bounds."""
    scaled = interval.map(lambda value: scale * value)
    value, low, high = (number(each, digits=digits, signed=signed) for each in (scaled.value, scaled.low, scaled.high))
    return f"{value}{unit} ({prefix}{low} to {high})" if interval.bounded else f"{value}{unit}"


def p_value(value: float) -> str:
    """Formats a p-value with its relation: ``= 0.041``, or ``< 10^-7`` for a small one."""
    if value < 1e-4:
        return f"< 10^{math.floor(math.log10(max(value, 1e-301))) + 1}"
    return f"= {value:.2g}" if value < 0.995 else "= 1"


def duration(seconds: float) -> str:
    """Formats a time in its natural unit."""
    size, unit = next((item for item in _UNITS if seconds >= 2 * item[0]), (1.0, "s"))
    return f"{seconds / size:,.{0 if seconds / size >= 100 else 1}f} {unit}"


def plural(count: int, noun: str) -> str:
    """Formats a count with its noun: ``1 seed``, ``2 seeds``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
