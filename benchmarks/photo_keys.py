"""Photos with ground truth, and their keys at every size, of every block, as they are asked for."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
import numpy as np
import torch
from torch import Tensor

from segmentation import MaskSettings, PseudoMasker, TokenEncoder, load_preset
from segmentation.data.decode import read_photo
from segmentation.data.model_input import token_grid
from segmentation.data.photos import find_photos
from segmentation.evaluation.metrics.instance import InstanceScores, evaluate_instances
from segmentation.segments.score import Cues

_PATH = click.Path(exists=True, path_type=Path)
_OPTIONS = (
    click.option("--photos", "folder", required=True, type=_PATH, help="Folder of photos."),
    click.option("--ground-truth", required=True, type=_PATH, help="Their objects, in COCO's format."),
    click.option("--encoder", required=True, help="Vision transformer, by timm's name."),
    click.option("--weights", type=_PATH, help="Its weights."),
    click.option("--limit", type=click.IntRange(1), help="Only the first photos."),
)


def photo_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options of what is segmented to a command: photos, their objects, an encoder."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """Its name."""


SomeNamed = TypeVar("SomeNamed", bound=Named)


def chosen(every: Iterable[SomeNamed], names: tuple[str, ...]) -> Iterator[SomeNamed]:
    """Yields those whose name contains one of ``names``, all of them if there are none."""
    for each in every:
        if not names or any(name in each.name for name in names):
            yield each


@dataclass
class Photos:
    """Photos with their keys and the milliseconds per photo that these took, for each way to encode them.

    Attributes:
        names: file names.
        arrays: the photos, sRGB.
        encoder: encoder that gives the keys of its last block.
        weights: file of its weights.
        device: where it runs.
        keys: keys and milliseconds by size, number of blocks, and whether the mirrored photo is encoded too.
    """

    names: list[str]
    arrays: list[np.ndarray]
    encoder: TokenEncoder
    weights: Path | None
    device: torch.device
    keys: dict[tuple[int, int, bool], tuple[list[Tensor], float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, folder: Path, encoder: str, weights: Path | None, device: torch.device, limit: int | None = None
    ) -> "Photos":
        """Reads the first photos of a folder."""
        files = list(find_photos([folder]))[:limit]
        try:
            model = TokenEncoder(encoder, weights)
        except (ValueError, OSError) as error:
            raise click.UsageError(str(error)) from error
        return cls([file.name for file in files], [read_photo(file.path) for file in files], model, weights, device)

    def encoded(self, settings: MaskSettings) -> tuple[list[Tensor], float]:
        """Returns the keys that settings ask for, and the milliseconds per photo that they took."""
        way = settings.size, settings.blocks, settings.mirror
        if way not in self.keys:
            masker = self.masker(settings)
            keys = [masker.encode([photo])[0] for photo in self.arrays]
            self.keys[way] = keys, 1000 * masker.costs.seconds["encode"] / len(keys)
        return self.keys[way]

    def last_keys(self, size: int) -> list[Tensor]:
        """Returns the keys of the last block at a size: the tokens that methods are compared on."""
        return self.encoded(replace(load_preset("photos"), size=size, blocks=1, mirror=False))[0]

    def masker(self, settings: MaskSettings, score: Callable[[Cues], Tensor] | None = None) -> PseudoMasker:
        """Makes a masker of these settings."""
        encoder = self.encoder
        if settings.blocks > 1:
            encoder = TokenEncoder(encoder.name, self.weights, blocks=settings.blocks)
        return PseudoMasker(encoder, settings=settings, device=self.device, score=score)

    def grids(self, size: int) -> list[tuple[int, int]]:
        """Returns rows and columns of the tokens of each photo."""
        patch = self.encoder.patch_size
        return [token_grid(array.shape[0], array.shape[1], size, patch) for array in self.arrays]


def scores_of(annotations: list[list[dict[str, Any]]], photos: Photos, ground_truth: Path) -> InstanceScores:
    """Returns COCO's class-agnostic scores of the masks of each photo, with AR at 300 as well.

    The ground truth of other photos is left out, so that some of a folder's photos are scored as they are among all.
    """
    images = [
        {"id": place, "file_name": name, "width": array.shape[1], "height": array.shape[0]}
        for place, (name, array) in enumerate(zip(photos.names, photos.arrays, strict=True), start=1)
    ]
    flat = [{**each, "image_id": place} for place, own in enumerate(annotations, start=1) for each in own]
    numbered = [{**each, "id": number} for number, each in enumerate(flat, start=1)]
    return evaluate_instances(
        truth_of(photos.names, ground_truth),
        {"images": images, "annotations": numbered},
        class_agnostic=True,
        max_dets=(300,),
    )


def truth_of(names: Sequence[str], ground_truth: Path) -> dict[str, Any]:
    """Reads the part of a COCO file that is about photos of these names."""
    whole, wanted = json.loads(ground_truth.read_bytes()), set(names)
    images = [image for image in whole["images"] if image["file_name"] in wanted]
    ids = {image["id"] for image in images}
    annotations = [each for each in whole["annotations"] if each["image_id"] in ids]
    return {**whole, "images": images, "annotations": annotations}


def scored(annotations: list[list[dict[str, Any]]], photos: Photos, ground_truth: Path) -> dict[str, Any]:
    """Returns the scores of the masks of each photo as a row, and the number of masks."""
    scores = scores_of(annotations, photos, ground_truth)
    return {
        **{name: scores.mask[name] for name in ("AP", "AP50", "AP75", "AR10", "AR100", "AR300", "APS", "APM", "APL")},
        "best_overlap": scores.best_overlap,
        "masks": sum(map(len, annotations)) / len(annotations),
    }
