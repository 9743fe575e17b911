"""A network as a program without Python classes: a `torch.export` program, or ONNX for other runtimes.

Both take batches of any size, of images of the network's own size. Each is run and compared with the network before it
is called done.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType

import torch
from torch import Tensor, nn

from nas.export.model_source import bare_spec
from nas.models.network import Network, build_network

BATCH_SIZES = (1, 7)
TOLERANCE = 1e-4
"""Greatest difference of logits, relative to the greatest of them."""


def write_program(network: Network, path: Path) -> None:
    """Writes a ``torch.export`` program, to be read with ``torch.export.load``.

    Args:
        network: trained; its auxiliary head and drop path are left out.
        path: of the file, customarily ``.pt2``.

    Raises:
        RuntimeError: if the program's logits differ from the network's.
    """
    bare = bare_network(network)
    program = torch.export.export(bare, (_images(bare, 2),), dynamic_shapes=_DYNAMIC)
    _compare(bare, program.module(), path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)


class FeaturePyramid(nn.Module):
    """The outputs of a network's stages, from the finest map to the coarsest, as detectors take them.

    Args:
        network: in evaluation mode.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps images (N, C, H, W) to one map (N, channels, H / stride, W / stride) for each stage."""
        return tuple(self.network.features(images))


def write_features(network: Network, path: Path) -> None:
    """Writes a ``torch.export`` program that gives the outputs of the stages in place of the logits.

    Args:
        network: trained; its auxiliary head and drop path are left out.
        path: of the file, customarily ``.pt2``.

    Raises:
        RuntimeError: if the program's maps differ from the network's.
    """
    pyramid = FeaturePyramid(bare_network(network)).eval()
    program = torch.export.export(pyramid, (_images(pyramid.network, 2),), dynamic_shapes=_DYNAMIC)
    maps = program.module()
    for level in range(pyramid.network.spec.num_stages):
        _compare(pyramid.network, _level(maps, level), path, expected=_level(pyramid, level))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, path)


def _level(maps: Callable[[Tensor], tuple[Tensor, ...]], number: int) -> Callable[[Tensor], Tensor]:
    return lambda images: maps(images)[number]


def write_onnx(network: Network, path: Path) -> None:
    """Writes an ONNX model with input ``images`` and output ``logits``. Needs onnx, onnxscript and onnxruntime.

    Args:
        network: trained; its auxiliary head and drop path are left out.
        path: of the file, customarily ``.onnx``.

    Raises:
        RuntimeError: if a package is missing, or the model's logits differ from the network's.
    """
    runtime = _import_onnx()
    bare = bare_network(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():  # of the converter, about itself
        warnings.simplefilter("ignore")
        torch.onnx.export(
            bare,
            (_images(bare, 2),),
            path,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=_DYNAMIC,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(None, {"images": images.numpy()})
        return torch.from_numpy(logits)

    _compare(bare, run, path)


PROGRAMS: Mapping[str, tuple[str, Callable[[Network, Path], None]]] = MappingProxyType(
    {
        "torch-export": ("model.pt2", write_program),
        "onnx": ("model.onnx", write_onnx),
        "features": ("features.pt2", write_features),
    }
)
"""By name of the format: the file, and what writes it."""

_DYNAMIC = {"images": {0: torch.export.Dim("batch")}}


def _import_onnx() -> ModuleType:
    """Returns the runtime; the converter imports the other packages by itself, but says less when they are missing."""
    try:
        return [import_module(name) for name in ("onnx", "onnxscript", "onnxruntime")][-1]
    except ImportError as error:
        raise RuntimeError(f"ONNX needs the packages onnx, onnxscript and onnxruntime, got no {error.name}") from None


def bare_network(network: Network) -> Network:
    """A copy in evaluation mode on the CPU, without what serves training only."""
    with torch.random.fork_rng([]):  # the initial weights are drawn and then replaced
        bare = build_network(network.architecture, bare_spec(network.spec))
    state = network.state_dict()
    bare.load_state_dict({name: state[name].detach().cpu() for name in bare.state_dict()})
    return bare.eval()


def _images(network: Network, num_images: int) -> Tensor:
    spec = network.spec
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_images, spec.in_channels, spec.image_size, spec.image_size, generator=generator)


@torch.no_grad()
def _compare(
    network: Network,
    program: Callable[[Tensor], Tensor],
    path: Path,
    *,
    expected: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Runs both on the same images; `expected` takes the place of the network where not its logits are compared."""
    what = "logits" if expected is None else "maps"
    for num_images in BATCH_SIZES:
        images = _images(network, num_images)
        wanted, came = (expected or network)(images), program(images)
        difference = float((came - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"the {what} of {path.name} must agree with the network's within {TOLERANCE}, got {difference:.2g}"
            )
