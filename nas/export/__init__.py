"""Export of networks as plain PyTorch source, safetensors weights, torch.export programs and ONNX models."""

from nas.callable_module import make_callable

make_callable(__name__, "experiments.library.networks:export")
