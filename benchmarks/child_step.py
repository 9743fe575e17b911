"""Measures CPU time and memory of one training step, compared with plain implementations of the same networks.

Run: ``python benchmarks/child_step.py`` (``--quick`` runs small sizes).

Times are CPU time of one thread for forward, loss and backward, medians of interleaved rounds with equal weights.
Memory is the rise of the peak of a separate process above its value before the first step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from plain_network import PlainNetwork
from torch import Tensor, nn

from nas.architecture import Architecture
from nas.fidelity import NetworkSpec
from nas.models.complexity import measure
from nas.models.imports.timm_cells import describe_timm, load_timm
from nas.models.network import build_network
from nas.models.presets import PRESETS
from search_spaces.published import PUBLISHED

NASNET_A = PUBLISHED["nasnet-a"]
CHILD = NetworkSpec(num_filters=32, num_repeats=2)
Step = Callable[[], Tensor]


def step_of(network: nn.Module, images: Tensor, *, channels_last: bool) -> Step:
    """Runs forward, loss and backward; returns the logits."""
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=memory_format)
    images = images.to(memory_format=memory_format)
    labels = torch.arange(len(images)) % 10

    def step() -> Tensor:
        network.zero_grad()
        logits: Tensor = network(images)
        nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        return logits.detach()

    return step


def child_step(variant: str, *, batch_size: int = 64) -> Step:
    torch.manual_seed(0)
    ours = build_network(NASNET_A, CHILD)
    images = torch.randn(batch_size, 3, 32, 32)
    if variant == "ours":
        return step_of(ours, images, channels_last=True)
    plain = PlainNetwork(CHILD.num_filters, CHILD.num_repeats)
    plain.load_state_dict(ours.state_dict())
    return step_of(plain, images, channels_last=variant == "plain, channels last")


def large_step(variant: str, *, image_size: int = 331) -> Step:
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model("nasnetalarge")
    images = torch.randn(2, 3, image_size, image_size)
    if variant != "ours":
        return step_of(theirs, images, channels_last=variant == "timm, channels last")
    spec = replace(describe_timm(theirs.state_dict()).spec, drop_path=0.0, dropout=0.0)
    ours = build_network(NASNET_A, spec)
    load_timm(ours, theirs.state_dict())
    return step_of(ours, images, channels_last=True)


CONTESTS: dict[str, tuple[Callable[..., Step], tuple[str, ...]]] = {
    "child": (child_step, ("ours", "plain", "plain, channels last")),
    "large": (large_step, ("ours", "timm", "timm, channels last")),
}
GOALS = {
    ("child", "plain"): 0.45,
    ("large", "timm"): 0.6,
    ("large", "timm, channels last"): 0.9,
}


def cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def run_contest(contest: str, rounds: int, **size: int) -> None:
    build, variants = CONTESTS[contest]
    steps = {variant: build(variant, **size) for variant in variants}
    logits = {variant: step() for variant, step in steps.items()}
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, step in steps.items():
            seconds[variant].append(cpu_seconds(step))
    ours = statistics.median(seconds["ours"])
    for variant in variants:
        median, least = statistics.median(seconds[variant]), min(seconds[variant])
        difference = (logits[variant] - logits["ours"]).abs().max() / logits["ours"].abs().max()
        line = f"{contest:6} {variant:22} median {median:6.2f} s, minimum {least:6.2f} s"
        if variant != "ours":
            ratio = statistics.median(a / b for a, b in zip(seconds["ours"], seconds[variant], strict=True))
            line += f"; ours / this: {ours / median:.3f} of medians, {ratio:.3f} median of rounds"
            line += f"; logits differ by {difference:.0e}"
            if (contest, variant) in GOALS:
                line += f"; goal {GOALS[contest, variant]}"
        print(line, flush=True)


def report_profile(contest: str, variant: str, num_steps: int = 5) -> None:
    """Prints the time of each operation; only its fastest fifth counts, to exclude the load of other programs."""
    step = CONTESTS[contest][0](variant)
    step()
    microseconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(num_steps):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
            step()
        for event in profile.events():
            microseconds.setdefault((event.name, str(event.input_shapes)), []).append(event.self_cpu_time_total)
    totals: dict[str, float] = defaultdict(float)
    for (name, _), seen in microseconds.items():
        totals[name] += sorted(seen)[len(seen) // 5] * len(seen) / num_steps / 1000
    total = sum(totals.values())
    heaviest = sorted(totals.items(), key=lambda item: -item[1])[:12]
    print(f"{contest} {variant}: {total:.0f} ms")
    for name, milliseconds in heaviest:
        print(f"  {milliseconds:8.0f} ms {milliseconds / total:6.1%} {name}")


def report_memory(contest: str, variant: str) -> None:
    """Prints the rise of the peak memory during two steps; run in a separate process."""
    step = CONTESTS[contest][0](variant)
    before = _peak_mebibytes()
    for _ in range(2):
        step()
    print(json.dumps({"rise": _peak_mebibytes() - before, "peak": _peak_mebibytes()}))


def report_count() -> None:
    """Prints time and memory of counting the large network, including imports; run in a separate process."""
    seconds = cpu_seconds(lambda: measure(NASNET_A, PRESETS["imagenet-large"]))
    print(json.dumps({"seconds": seconds, "total_seconds": time.process_time(), "peak": _peak_mebibytes()}))


def _peak_mebibytes() -> float:
    """Returns the peak memory of this process; getrusage would include the peak of the parent process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def in_own_process(*arguments: str) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def report_building() -> None:
    text = json.dumps(NASNET_A.to_json())
    seconds = [cpu_seconds(lambda: build_network(Architecture.from_json(json.loads(text)), CHILD)) for _ in range(21)]
    print(f"network from JSON: median {1000 * statistics.median(seconds):.0f} ms; goal 50")
    count = in_own_process("--count")
    print(
        f"count of the large network: {count['seconds']:.1f} s ({count['total_seconds']:.1f} s with imports; goal 10), "
        f"peak {count['peak']:.0f} MiB (goal 1024)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="one round of small sizes, without memory")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", nargs=2, metavar=("CONTEST", "VARIANT"), help="such as: child ours, large timm")
    parser.add_argument("--memory", nargs=2, metavar=("CONTEST", "VARIANT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.count:
        report_count()
    elif options.profile:
        report_profile(*options.profile)
    elif options.memory:
        report_memory(*options.memory)
    elif options.quick:
        report_building()
        run_contest("child", 1, batch_size=4)
        run_contest("large", 1, image_size=96)
    else:
        report_building()
        for contest, (_, variants) in CONTESTS.items():
            run_contest(contest, options.rounds)
            for variant in variants:
                memory = in_own_process("--memory", contest, variant)
                print(f"{contest:6} {variant:22} peak rises by {memory['rise']:.0f} MiB to {memory['peak']:.0f} MiB")


if __name__ == "__main__":
    main()
