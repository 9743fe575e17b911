"""The commands `nas robustness` and `nas divergence`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Json, folder
from experiments.cli.output import print_result

app = typer.Typer()

_Networks = Annotated[
    list[str], typer.Argument(metavar="CHECKPOINT|RUN@k", help="Files of weights, runs (their best trial) or RUN@3.")
]
_Out = Annotated[Path, folder("Folder for figures and JSON.")]
_Data = Annotated[str | None, typer.Option(help="Folder of the images, or digits; default those of the run.")]
_Images = Annotated[int | None, typer.Option(min=2, help="Maximum number of test images.")]
_Pictures = Annotated[Path | None, folder("Folder of reference images for the shift style.")]


@app.command(epilog="Example: nas robustness runs/bn@1 runs/ibn@1 --shifts add_all,add_red --severity 3 --out robust")
def robustness(  # noqa: PLR0913 - one argument for each option
    networks: _Networks,
    *,
    out: _Out,
    data: _Data = None,
    shifts: Annotated[
        str | None, typer.Option(help="Comma-separated names; default all, or those of the run's test.")
    ] = None,
    severity: Annotated[str, typer.Option(help="1 to 5: one, a range such as 1-5, or a list such as 1,3,5.")] = "1-5",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shifts.")] = 0,
    images: _Images = None,
    pictures: _Pictures = None,
    as_json: Json = False,
) -> None:
    """Evaluate networks on test images under distribution shift."""
    from experiments.robustness.run import RobustnessOptions, run_robustness
    from experiments.robustness.table import print_robustness

    options = RobustnessOptions(data, split_names(shifts), parse_severities(severity), seed, images, pictures)
    print_result(run_robustness(networks, out, options), print_robustness, as_json=as_json)


@app.command(epilog="Example: nas divergence runs/bn@1 runs/ibn@1 --shift add_red --out divergence")
def divergence(  # noqa: PLR0913 - one argument for each option
    networks: _Networks,
    *,
    shift: Annotated[str, typer.Option(help="The distribution shift.")],
    out: _Out = Path("divergence"),
    data: _Data = None,
    severity: Annotated[int, typer.Option(min=1, max=5, help="Severity of the shift.")] = 3,
    classes: Annotated[str | None, typer.Option(help="Two comma-separated names; default all pairs.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shift.")] = 0,
    images: _Images = None,
    pictures: _Pictures = None,
    as_json: Json = False,
) -> None:
    """Measure, layer by layer, how much appearance and content change the features."""
    from experiments.robustness.divergence import DivergenceOptions, run_divergence
    from experiments.robustness.table import print_divergence

    options = DivergenceOptions(shift, data, severity, split_names(classes), seed, images, pictures)
    print_result(run_divergence(networks, out, options), print_divergence, as_json=as_json)


def split_names(text: str | None) -> tuple[str, ...]:
    """The comma-separated names in a text, none without a text; ValueError if the text holds no name."""
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        raise ValueError(f"names must be one or more, separated by commas, got {text!r:.40}")
    return names


def parse_severities(text: str) -> tuple[int, ...]:
    """The severities that a text such as ``3``, ``1-5`` or ``1,3,5`` means, ascending; ValueError for other texts."""
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        bounds = (low, high if dash else low)
        if not all(bound in {"1", "2", "3", "4", "5"} for bound in bounds) or bounds[0] > bounds[1]:
            raise ValueError(
                f"a severity must be 1 to 5, a range such as 1-5 or a list such as 1,3,5, got {text!r:.40}"
            )
        found.update(range(int(bounds[0]), int(bounds[1]) + 1))
    return tuple(sorted(found))
