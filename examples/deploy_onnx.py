"""Deploys a trained network with ONNX: exports it, runs it with ONNX Runtime, and measures its latency.

    python examples/deploy_onnx.py runs/minimal@1 --out deployed

Needs `pip install 'nas-engine[onnx]'`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime

import nas


def main(arguments: list[str] | None = None) -> float:
    """Exports and runs the network; returns the milliseconds that a batch takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", help="a trained network: a run, RUN@2, a training or a checkpoint")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("deployed"))
    options = parser.parse_args(arguments)
    nas.export(options.network, options.out, programs=["onnx"])
    session = onnxruntime.InferenceSession(options.out / "model.onnx", providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    shape = (options.batch, *images.shape[1:])
    pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    started = time.perf_counter()
    (logits,) = session.run(None, {images.name: pixels})
    milliseconds = 1000 * (time.perf_counter() - started)
    print(f"{options.out / 'model.onnx'}: {shape} to {logits.shape} in {milliseconds:.1f} ms")
    return milliseconds


if __name__ == "__main__":
    main()
