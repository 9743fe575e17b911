"""Export of networks as plain PyTorch source, safetensors weights, torch.export programs and ONNX models."""
