"""Compares networks with imported timm weights to timm's own, at the native image size and at another.

Weights are random. Scales and statistics of batch normalization are random values near those of real activations:
with others the signal vanishes, and any two images get the same logits.

Run it with::

    python benchmarks/timm_agreement.py [--sizes 331 256]
"""

from __future__ import annotations

import argparse

import timm
import torch
from torch import nn

from nas.models.imports.timm_cells import describe_timm, load_timm
from nas.models.network import build_network
from search_spaces.published import PUBLISHED

GOAL = 1e-4


def random_model(name: str, generator: torch.Generator) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.normal_(0, 0.2, generator=generator)
        norm.momentum = 1.0
    model.train()(torch.randn(4, 3, 128, 128, generator=generator))
    for norm in norms:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.add_(torch.randn(norm.num_features, generator=generator), alpha=0.1)
        norm.running_var.mul_(torch.rand(norm.num_features, generator=generator).add_(0.5))
    return model.eval()


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[331, 256])
    options = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    for name in ("nasnetalarge", "pnasnet5large"):
        theirs = random_model(name, generator)
        described = describe_timm(theirs.state_dict())
        ours = build_network(PUBLISHED[described.architecture], described.spec).eval()
        load_timm(ours, theirs.state_dict())
        for size in options.sizes:
            images = torch.randn(2, 3, size, size, generator=generator)
            expected = theirs(images)
            scale = expected.abs().max()
            difference = (ours(images) - expected).abs().max() / scale
            spread = (expected[0] - expected[1]).abs().max() / scale
            print(f"{name} at {size}: logits differ by {difference:.1e} of the largest (goal {GOAL:.0e}); ", end="")
            print(f"those of two images by {spread:.2f}", flush=True)


if __name__ == "__main__":
    main()
