"""Which photo of the ground truth a prediction is of."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from segmentation.base.wording import some_of
from segmentation.evaluation.truth.ground_truth import Photo, PhotoId, photo_rows


@dataclass(frozen=True)
class PhotoMatch:
    """Photos of the predictions and of the ground truth, brought together.

    Attributes:
        photo_of: photo of the ground truth by the ``image_id`` of the predictions.
        strangers: names of the photos of the predictions that are not in the ground truth.
        missing: names of the photos of the ground truth that are not in the predictions.
    """

    photo_of: dict[PhotoId, PhotoId]
    strangers: list[str]
    missing: list[str]


def match_photos(
    name: str, loaded: Mapping[str, Any] | None, first: Mapping[PhotoId, int], photos: Mapping[PhotoId, Photo]
) -> PhotoMatch:
    """Photos by their file name where the predictions have ``images``, else by ``image_id``.

    A file name is compared as a whole first; then by its last part, if only one photo of the predictions and one of the
    ground truth has that.

    Args:
        name: what the predictions are called in errors.
        loaded: what a COCO-format file has beside its annotations; ``None`` of a list of results.
        first: number of the first entry of each ``image_id`` that they have.
        photos: the photos of the ground truth by their id.

    Raises:
        ValueError: no photo in common, two photos of one name, or an annotation whose photo ``images`` does not have.
    """
    if loaded is not None and "images" in loaded:
        names = {row["id"]: row["file_name"] for row in photo_rows(name, loaded)}
        for key, number in first.items():
            if key not in names:
                raise ValueError(f"{name}: entry {number} is of photo {key!r}, which 'images' does not have")
        photo_of = _by_name(names, photos)
    else:
        names = {key: f"image_id {key}" for key in first}
        photo_of = {key: key for key in names if key in photos}
    if not photo_of:
        theirs = some_of(list(names.values())) or "no photo"
        ours = some_of([f"{photo.name} (image_id {key})" for key, photo in photos.items()])
        raise ValueError(f"no photo of {name} is in 'ground_truth': there {theirs}, here {ours}")
    matched = set(photo_of.values())
    return PhotoMatch(
        photo_of=photo_of,
        strangers=[name for key, name in names.items() if key not in photo_of],
        missing=[photo.name for key, photo in photos.items() if key not in matched],
    )


def _by_name(names: Mapping[PhotoId, str], photos: Mapping[PhotoId, Photo]) -> dict[PhotoId, PhotoId]:
    by_name = {photo.name: key for key, photo in photos.items()}
    by_base = {_base(photo.name): key for key, photo in photos.items()}
    shared = {
        base
        for of_side in (names.values(), by_name)
        for base, number in Counter(map(_base, of_side)).items()
        if number > 1
    }
    photo_of = {}
    for key, name in names.items():
        base = _base(name)
        if name in by_name:
            photo_of[key] = by_name[name]
        elif base in by_base and base not in shared:
            photo_of[key] = by_base[base]
    return photo_of


def _base(name: str) -> str:
    return PurePosixPath(name).name
