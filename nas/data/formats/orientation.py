"""EXIF orientation: pictures as a viewer displays them, not as the camera stored them."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How the pixels of each orientation are turned to display them (EXIF 2.3, section 4.6.4); 1 is upright."""


def turn_upright(
    image: Image.Image, pixels: Image.Image | None = None, *, annotated: tuple[int, int] | None = None
) -> Image.Image:
    """Turns an image as its EXIF orientation says.

    Annotations are of the picture as displayed, as in detectron2, wherever its size allows it: only a picture that has
    the annotated size as stored, and not as displayed, stays as it is.

    Args:
        image: an opened image.
        pixels: the same image in another mode, which is turned in its place.
        annotated: width and height of the annotations, if any.
    """
    turn = _TURNS.get(_orientation(image))
    pixels = image if pixels is None else pixels
    if turn is None or is_annotated_as_stored(image, annotated):
        return pixels
    return pixels.transpose(turn)


def is_annotated_as_stored(image: Image.Image, annotated: tuple[int, int] | None) -> bool:
    """Whether an opened image has the annotated width and height as stored, and not as displayed."""
    return annotated is not None and image.size == annotated != displayed_size(image)


def displayed_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened image when it is displayed."""
    width, height = image.size
    return (height, width) if _orientation(image) > 4 else (width, height)


def read_size(path: Path, annotated: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    """Reads width and height from the header of a file, and whether they are those of the picture as stored.

    They are those of the picture as displayed unless only the stored one has the annotated size. Raises what Pillow
    raises for damaged files.
    """
    with Image.open(path) as image:
        as_stored = is_annotated_as_stored(image, annotated)
        return (image.size if as_stored else displayed_size(image)), as_stored


def _orientation(image: Image.Image) -> int:
    """Returns 1 to 8; 1 if there is none that can be read, and for TIFF, which Pillow turns by itself."""
    if image.format == "TIFF" or (image.format == "PNG" and not {"exif", "Raw profile type exif"} & {*image.info}):
        return 1
    try:
        return int(image.getexif().get(_TAG, 1))
    except Exception:  # Pillow raises several types for damaged metadata, which viewers ignore
        return 1
