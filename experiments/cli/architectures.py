"""The commands about one architecture: `nas draw`, `nas export`, `nas count` and `nas import-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli import options
from experiments.cli.output import print_json, print_result

app = typer.Typer()


@app.command(epilog="Example: nas draw nasnet-a --out cells.svg")
def draw(  # noqa: PLR0913 - one argument for each option
    arch: options.Arch,
    *,
    out: Annotated[Path, typer.Option(help="The figure: a name that ends in .svg, .png or .pdf.")],
    preset: options.Preset = None,
    stack: options.Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    parameters: options.Parameters = None,
    multiply_adds: options.MultiplyAdds = None,
) -> None:
    """Draw the cells of an architecture, with the size of the network if its options are given."""
    from experiments.architectures.count import describe_network
    from experiments.architectures.draw import draw_architecture
    from experiments.architectures.find import NetworkOptions, find_architecture

    source = find_architecture(arch)
    network = NetworkOptions(preset, stack, image_size, classes, parameters, multiply_adds)
    title = f"{source.name}: {describe_network(source, network)}" if network.given else source.name
    draw_architecture(source.cells, out, title=title)
    typer.echo(str(out))


@app.command(epilog="Example: nas export runs/digits_ppo@2 --out second_best")
def export(  # noqa: PLR0913 - one argument for each option
    arch: options.Arch,
    *,
    out: Annotated[Path, options.folder("Folder for model.py, architecture.json, weights.safetensors, cells.svg.")],
    preset: options.Preset = None,
    stack: options.Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    parameters: options.Parameters = None,
    multiply_adds: options.MultiplyAdds = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Also as ONNX, if trained (extra: onnx).")] = False,
    torch_export: Annotated[
        bool, typer.Option("--torch-export", help="Also as a torch.export program, if trained.")
    ] = False,
    features: Annotated[
        bool, typer.Option("--features", help="Also the feature maps of its stages as a program, for detectors.")
    ] = False,
    normalize: Annotated[
        bool,
        typer.Option("--normalize", help="Let these programs normalize the images, of values 0 to 1, themselves."),
    ] = False,
    front: Annotated[
        bool, typer.Option("--front", help="Export every member of the front of a run, each to a folder of its own.")
    ] = False,
    objectives: options.Objectives = None,
) -> None:
    """Export an architecture as code that needs only torch, with its weights if it is trained."""
    from experiments.architectures.count import count_architecture, network_line
    from experiments.architectures.export import export_architecture
    from experiments.architectures.find import NetworkOptions, find_architecture

    network = NetworkOptions(preset, stack, image_size, classes, parameters, multiply_adds)
    asked = {"onnx": onnx, "torch-export": torch_export, "features": features}
    programs = [name for name, wanted in asked.items() if wanted]
    if front:
        from experiments.architectures.export_front import export_front

        names = options.split(objectives)
        files = export_front(Path(arch), out, network, names=names, programs=programs, normalize=normalize)
        typer.echo(f"{out}: " + ", ".join(path.name for path in files))
        return
    if objectives is not None:
        raise ValueError("--objectives is for --front")
    source = find_architecture(arch)
    files = export_architecture(source, out, network, programs=programs, normalize=normalize)
    typer.echo(f"{out}: " + ", ".join(path.name for path in files))
    if network.given:
        typer.echo(network_line(count_architecture(source, network)))
    if source.outcome is not None and (source.weights is None or network.given):
        why = "the options describe another network than the trained one" if network.given else "the run kept none"
        typer.echo(f"without weights: {why}", err=True)


@app.command(epilog="Example: nas count nasnet-a --preset imagenet-large")
def count(  # noqa: PLR0913 - one argument for each option
    arch: options.Arch,
    *,
    preset: options.Preset = None,
    stack: options.Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    parameters: options.Parameters = None,
    multiply_adds: options.MultiplyAdds = None,
    as_json: options.Json = False,
) -> None:
    """Count parameters, multiply-adds and activations, with the published figures where known."""
    from experiments.architectures.count import count_architecture, print_count
    from experiments.architectures.find import NetworkOptions, find_architecture

    network = NetworkOptions(preset, stack, image_size, classes, parameters, multiply_adds)
    value = count_architecture(find_architecture(arch), network)
    print_result(value, print_count, as_json=as_json)


@app.command(epilog="Example: nas score nasnet-a pnasnet-5 --preset cifar10 --scores naswot,synflow")
def score(  # noqa: PLR0913 - one argument for each option
    archs: Annotated[list[str], typer.Argument(metavar="ARCH...", help="Architectures, as for nas count.")],
    *,
    scores: Annotated[str | None, typer.Option(help="Comma-separated names; default all.")] = None,
    data: Annotated[Path | None, options.folder("Folder of images; default Gaussian noise.")] = None,
    batch: Annotated[int, typer.Option(help="Number of images.")] = 64,
    seed: options.Seed = None,
    preset: options.Preset = None,
    stack: options.Stack = None,
    image_size: options.Size = None,
    classes: options.Classes = None,
    as_json: options.Json = False,
) -> None:
    """Score architectures without training them: naswot, synflow, jacobian_covariance, grad_norm, snip, zen, size."""
    from rich.console import Console

    from experiments.architectures.find import NetworkOptions
    from experiments.architectures.score import ScoreOptions, print_scores, score_architectures
    from nas.scores.table import ALL_SCORES

    names = ALL_SCORES if scores is None else tuple(part.strip() for part in scores.split(","))
    value = score_architectures(
        archs, NetworkOptions(preset, stack, image_size, classes), ScoreOptions(names, data, batch, seed or 0)
    )
    if as_json:
        print_json([each.to_json() for each in value])
    else:
        print_scores(value, Console())


@app.command("import-weights", epilog="Example: nas import-weights nasnetalarge --accuracy 0.827 --out nasnet_large")
def import_timm_weights(
    source: Annotated[
        str, typer.Argument(help="A file of weights, safetensors or torch's; or nasnetalarge or pnasnet5large.")
    ],
    *,
    arch: Annotated[
        str | None, typer.Option(help="Reference network of the file; default timm's NASNet-A or PNASNet-5.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Text file of class names, one a line.")] = None,
    out: Annotated[Path, options.folder("Folder for model.py, weights.safetensors and the other files of nas export.")],
    accuracy: Annotated[
        float | None, typer.Option(help="Published with the weights, between 0 and 1; stored with them.")
    ] = None,
) -> None:
    """Import weights of NASNet-A, PNASNet-5 or a reference network, published by timm, torchvision or IBN-Net."""
    from experiments.architectures.import_weights import import_weights

    files = import_weights(source, out, accuracy=accuracy, arch=arch, classes=classes)
    typer.echo(f"{out}: " + ", ".join(path.name for path in files))
