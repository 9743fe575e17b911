"""Exports a network as a `torch.export` program or as an ONNX model for other runtimes.

Both accept any batch size and images of the network's size. Each is run and compared with the network before the export
counts as successful.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, cast

import torch
from torch import Tensor, nn

from nas.export.feeding import Feeding, Normalized
from nas.export.model_source import bare_spec
from nas.files.atomic_write import write_bytes
from nas.files.storage import make_folder
from nas.models.build import AnyNetwork, build
from nas.models.reference.wrapped import WrappedNetwork

BATCH_SIZES = (1, 7)
TOLERANCE = 1e-4
"""Maximum difference of outputs, relative to their maximum."""


METADATA_FILE = "nas-engine.json"
"""Name of the extra file of a ``torch.export`` program that holds its metadata as a JSON object."""


def write_program(network: AnyNetwork, path: Path, feeding: Feeding | None = None, *, normalize: bool = False) -> None:
    """Writes a ``torch.export`` program of a network, without parts used in training only, usually to a ``.pt2`` file.

    Args:
        network: the network.
        path: the file; its folder is created if missing.
        feeding: written as metadata, see `METADATA_FILE`.
        normalize: whether the program normalizes the images itself, as `feeding` says.

    Raises:
        RuntimeError: if the program's logits differ from the network's.
        StorageError: if the file cannot be written.
    """
    bare = bare_network(network)
    _write(_fed(bare, feeding, normalize=normalize), bare, path, feeding, what=f"the logits of {path.name}")


class FeaturePyramid(nn.Module):
    """Returns the outputs of a network's stages, from the finest map to the coarsest, as detectors read them."""

    def __init__(self, network: AnyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps images (N, C, H, W) to one map (N, channels, H / stride, W / stride) for each stage."""
        return tuple(self.network.features(images))


def write_features(network: AnyNetwork, path: Path, feeding: Feeding | None = None, *, normalize: bool = False) -> None:
    """Like `write_program`, but the program returns the outputs of the stages instead of the logits."""
    bare = bare_network(network)
    if isinstance(bare, WrappedNetwork):
        bare.find_levels()  # not while it is traced
    module = _fed(FeaturePyramid(bare).eval(), feeding, normalize=normalize)
    _write(module, bare, path, feeding, what=f"the maps of {path.name}")


def _fed(module: nn.Module, feeding: Feeding | None, *, normalize: bool) -> nn.Module:
    if not normalize:
        return module
    if feeding is None:
        raise ValueError("a program that normalizes needs the mean and standard deviation of a trained network")
    return Normalized(module, feeding).eval()


def _write(module: nn.Module, network: AnyNetwork, path: Path, feeding: Feeding | None, *, what: str) -> None:
    program = torch.export.export(module, (_images(network, 2),), dynamic_shapes=_DYNAMIC)
    _compare(program.module(), module, network, what)
    metadata = {} if feeding is None else feeding.to_metadata(inside=isinstance(module, Normalized))
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA_FILE: json.dumps(metadata)})
    make_folder(path.parent)
    write_bytes(path, buffer.getvalue())


def onnx_bytes(module: nn.Module, images: Tensor) -> bytes:
    """Converts a module in evaluation mode to an ONNX model for images of this shape, from ``images`` to ``logits``."""
    _import_onnx()
    return bytes(_onnx_model(module, images, dynamic=None).SerializeToString())


def _onnx_model(module: nn.Module, images: Tensor, *, dynamic: dict[str, Any] | None) -> Any:  # noqa: ANN401
    with warnings.catch_warnings():  # the converter warns about itself
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, (images,), dynamic_shapes=dynamic)
        names: dict[str, Any] = {"input_names": ["images"], "output_names": ["logits"]}
        program = torch.onnx.export(exported, (images,), **names, dynamo=True, verbose=False)
    return cast("torch.onnx.ONNXProgram", program).model_proto  # None without dynamo only


def write_onnx(network: AnyNetwork, path: Path, feeding: Feeding | None = None, *, normalize: bool = False) -> None:
    """Writes an ONNX model of a network, without parts used in training only, from ``images`` to ``logits``.

    The arguments are those of `write_program`; the metadata are properties of the model.

    Raises:
        RuntimeError: if onnx, onnxscript or onnxruntime is missing, or the model's logits differ from the network's.
        StorageError: if the file cannot be written.
    """
    runtime = _import_onnx()
    bare = bare_network(network)
    module = _fed(bare, feeding, normalize=normalize)
    model = _onnx_model(module, _images(bare, 2), dynamic=_DYNAMIC)
    for name, value in ({} if feeding is None else feeding.to_metadata(inside=normalize)).items():
        model.metadata_props.add(key=name, value=value)
    content = model.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(None, {"images": images.numpy()})
        return torch.from_numpy(logits)

    _compare(run, module, bare, f"the logits of {path.name}")
    make_folder(path.parent)
    write_bytes(path, content)


PROGRAMS: Mapping[str, tuple[str, Callable[..., None]]] = MappingProxyType(
    {
        "torch-export": ("model.pt2", write_program),
        "onnx": ("model.onnx", write_onnx),
        "features": ("features.pt2", write_features),
    }
)
"""For each format, its file name and the function that writes it."""

_DYNAMIC = {"images": {0: torch.export.Dim("batch")}}


def _import_onnx() -> ModuleType:
    """Returns the runtime; importing all packages here gives a clearer error than the converter does."""
    try:
        return [import_module(name) for name in ("onnx", "onnxscript", "onnxruntime")][-1]
    except ImportError as error:
        raise RuntimeError(f"ONNX needs the packages onnx, onnxscript and onnxruntime, got no {error.name}") from None


def bare_network(network: AnyNetwork) -> AnyNetwork:
    """Returns a copy in evaluation mode on the CPU, without parts used in training only."""
    with torch.random.fork_rng([]):  # the initial weights are drawn but not used
        bare = build(network.architecture, bare_spec(network.spec))
    state = network.state_dict()
    bare.load_state_dict({name: state[name].detach().cpu() for name in bare.state_dict()})
    return bare.eval()


def _images(network: AnyNetwork, num_images: int) -> Tensor:
    spec = network.spec
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_images, spec.in_channels, spec.image_size, spec.image_size, generator=generator)


@torch.no_grad()
def _compare(program: Callable[..., Any], expected: Callable[..., Any], network: AnyNetwork, what: str) -> None:
    """Compares the outputs, a tensor or a tuple of tensors, for images that the network takes."""
    for num_images in BATCH_SIZES:
        images = _images(network, num_images)
        outputs = (output if isinstance(output, tuple) else (output,) for output in (program(images), expected(images)))
        for came, wanted in zip(*outputs, strict=True):
            difference = float((came - wanted).abs().max() / wanted.abs().max().clamp(min=1.0))
            if not difference <= TOLERANCE:
                raise RuntimeError(f"{what} must agree with the network's within {TOLERANCE}, got {difference:.2g}")
