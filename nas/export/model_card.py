"""Model card: the `README.md` of an exported network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from nas.data.report import describe_counts
from nas.edge_cell import EdgeCell
from nas.export.feeding import Feeding
from nas.export.model_source import bare_spec, plain_title
from nas.fidelity import NetworkSpec
from nas.models.complexity import measure
from nas.models.reference.descriptions import Buildable
from nas.models.reference.names import ReferenceNetwork
from nas.recipe import TrainRecipe

_ALWAYS_NAMED = ("batch_size", "learning_rate", "schedule", "optimizer", "weight_decay")
"""Settings of a recipe that the card lists even at their defaults."""
_MAX_NAMES = 20
_CARD = """\
# {title}

{what}

| | |
|---|---|
| images | {channels} x {size} x {size} |
| classes | {num_classes} |
| parameters | {num_parameters:,} |
| multiply-adds of an image | {num_multiply_adds:,} |
| validation accuracy | {accuracy} |
{measured}
{body}"""
_CELLS = "An image classifier made of cells as in {source}, exported by nas-engine as plain PyTorch."
_CELLS_BODY = """\
`model.py` contains the network as code and imports nothing but torch. `architecture.json` describes its cells.
{weights}

```python
import model

{use}
```

`forward_features(images)` returns the maps before pooling, of `num_features` channels, and `reset_classifier(n)`
replaces the classifier. `features(images)` returns the outputs of the stages; `FEATURE_CHANNELS` and `FEATURE_STRIDES`
are their channels and strides.
"""
_REFERENCE = "The image classifier {name}, a reference network of nas-engine."
_REFERENCE_BODY = """\
`architecture.json` names the network. {weights}

```python
import nas

{use}
```

Programs of the other formats (`.pt2`, `.onnx`), if there are any, need nothing of nas-engine.
"""


def model_card(
    architecture: Buildable,
    spec: NetworkSpec,
    *,
    name: str = "",
    trained: bool = False,
    accuracy: float | None = None,
    evaluation: Mapping[str, Any] | None = None,
    feeding: Feeding | None = None,
) -> str:
    """Generates the model card.

    The validation accuracy, from 0 to 1, is None if it was not measured; `nas.training.run` writes the evaluation.
    `feeding` says what a trained network must be given.
    """
    complexity = measure(architecture, bare_spec(spec))
    trained = trained or accuracy is not None
    is_reference = isinstance(architecture, ReferenceNetwork)
    return _CARD.format(
        what=_what(architecture),
        body=_reference_body(trained=trained) if is_reference else _cells_body(trained=trained),
        title=plain_title(name),
        channels=spec.in_channels,
        size=spec.image_size,
        num_classes=spec.num_classes,
        num_parameters=complexity.num_parameters,
        num_multiply_adds=complexity.num_multiply_adds,
        accuracy=f"{accuracy:.2%}" if accuracy is not None else "not recorded" if trained else "untrained",
        measured="".join(f"| {what} | {text} |\n" for what, text in (*_fed(feeding), *_measured(evaluation or {}))),
    )


def _what(architecture: Buildable) -> str:
    if isinstance(architecture, ReferenceNetwork):
        return _REFERENCE.format(name=architecture.name)
    return _CELLS.format(
        source="NAS-Bench-201 (2001.00326)" if isinstance(architecture, EdgeCell) else "NASNet (1707.07012)"
    )


def _cells_body(*, trained: bool) -> str:
    weights, use = "It has no weights yet.", "network = model.Network()\nlogits = network(images)"
    if trained:
        weights = "`weights.safetensors` contains its weights; `load()` reads them with the package safetensors."
        use = "network = model.load()\nlogits = network(model.normalize(images))  # images (N, C, H, W), values 0 to 1"
    return _CELLS_BODY.format(weights=weights, use=use)


def _reference_body(*, trained: bool) -> str:
    if not trained:
        return _REFERENCE_BODY.format(weights="It has no weights yet.", use='network = nas.build_network("FOLDER")')
    weights = "`weights.safetensors` is a checkpoint: its weights, normalization and class names."
    return _REFERENCE_BODY.format(weights=weights, use='network = nas.load("FOLDER")')


def _fed(feeding: Feeding | None) -> Iterator[tuple[str, str]]:
    """Yields what the network must be given, as pairs of name and text."""
    if feeding is None:
        return
    crop = f"center crop of {feeding.crop} x {feeding.crop} pixels"
    yield "input", f"shorter side resized to {feeding.resize} pixels, {crop}, values from 0 to 1, then normalized"
    for what, values in (("mean", feeding.mean), ("standard deviation", feeding.std)):
        yield f"{what} of the channels", ", ".join(f"{value:.6g}" for value in values)
    names, most = feeding.class_names, _MAX_NAMES
    more = f" and {len(names) - most} more, see CLASS_NAMES in model.py" if len(names) > most else ""
    yield "class names", ", ".join(plain_title(name) for name in names[:most]) + more


def _measured(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields the known facts about training and test, as pairs of name and text."""
    if (test := evaluation.get("test")) is not None:
        yield "test accuracy", f"{test['top1']:.2%} (top-5: {test['top5']:.2%}, {test['num_images']:,} images)"
    if "crop" in evaluation:
        resized = f"images resized to {evaluation['resize']} pixels, " if evaluation.get("resize") else ""
        yield "evaluated on", f"{resized}center crop of {evaluation['crop']} x {evaluation['crop']} pixels"
    if "data" in evaluation:
        further = ", fine-tuned from an earlier training run" if evaluation.get("fine_tuned") is True else ""
        number = int(evaluation.get("epochs", 0))
        yield "trained on", f"{plain_title(str(evaluation['data']))}, {number} epoch{'s' * (number != 1)}{further}"
    if (used := _images_used(evaluation.get("images"))) is not None:
        yield "images used", used
    if isinstance(recipe := evaluation.get("recipe"), Mapping):
        yield "recipe", _recipe(recipe)
    if isinstance(seconds := evaluation.get("seconds"), int | float):
        yield "training time", f"{seconds:,.0f} s on {plain_title(str(evaluation.get('device')))}"
    if "data" in evaluation:
        weights = {"ema": "the moving average of the weights", "raw": "the weights of the last epoch"}
        yield "weights", weights.get(str(evaluation.get("weights")), "weights")


def _images_used(counts: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Describes what was used and what was left out; None if it is unknown."""
    try:
        text = describe_counts(counts).removeprefix("data: ")
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return "".join(letter if letter.isprintable() and letter not in "|<>`[]" else "?" for letter in text)


def _recipe(recipe: Mapping[str, Any]) -> str:
    """Lists settings by the names that `nas train` uses, without those at their defaults."""
    return ", ".join(
        f"{name} {plain_title(str(recipe[name]))}"
        for name, default in asdict(TrainRecipe()).items()
        if name in recipe and name != "epochs" and (name in _ALWAYS_NAMED or recipe[name] != default)
    )
