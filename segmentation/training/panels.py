"""Draws what the teacher finds and what it predicts, for the log."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8

from segmentation.config.masks import KINDS
from segmentation.data.views import Sample
from segmentation.export.overlay import resized_overlay
from segmentation.export.picture_sheets import picture_grid
from segmentation.prediction.queries import predicted_masks, query_segments
from segmentation.teaching.teacher import Teacher

TITLES = ("photo", "OAP: instances", "OAP: semantic", "predicted: instances", "predicted: semantic")
_SHOWN = 15


@torch.no_grad()
def training_panel(teacher: Teacher, samples: Sequence[Sample]) -> UInt8[np.ndarray, "height width 3"]:
    """Draws photos, the best of the teacher's segments, and the best predicted ones, side by side.

    Args:
        teacher: teacher of the run.
        samples: samples whose global views are shown.
    """
    pixels = torch.stack([sample.global_view for sample in samples]).to(teacher.model.key_mean.device).float() / 255
    found = teacher.segments(pixels, teacher.model.tokens(pixels))
    predicted = predicted_masks(teacher.model, pixels, teacher.settings)
    masks = teacher.settings.masks
    rows = []
    for index, sample in enumerate(samples):
        photo = sample.global_view.permute(1, 2, 0).numpy()
        row = [resized_overlay(photo, np.zeros((0, 1, 1), dtype=bool))]
        for own in found[index].values():
            row.append(resized_overlay(photo, (own.masks[:_SHOWN] > 0.5).cpu().numpy()))
        segments = query_segments(
            predicted[index],
            pixels[index],
            max_masks=_SHOWN,
            max_overlap=masks.max_overlap,
            max_share=masks.max_share,
            refine=masks.refine,
        )
        for kind in KINDS:
            best = [segment.mask for segment in segments if segment.kind == kind]
            row.append(resized_overlay(photo, np.array(best, dtype=bool).reshape(-1, *photo.shape[:2])))
        rows.append(row)
    return picture_grid(rows, _titles(rows[0], list(found[0])))


def _titles(row: Sequence[object], kinds: Sequence[str]) -> Sequence[str]:
    return (
        TITLES if len(kinds) == 2 else [title for title in TITLES if not title.startswith("OAP") or kinds[0] in title]
    )
