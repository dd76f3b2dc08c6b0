"""Pictures of what the teacher finds and what it has learned."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8

from segmentation.data.views import Sample
from segmentation.export.panels import masks_over, panel
from segmentation.teaching.teacher import Teacher

TITLES = ("photo", "OAP: instances", "OAP: semantic", "predicted: instances", "predicted: semantic")
_SHOWN, _LIKELY = 15, 0.2


@torch.no_grad()
def training_panel(teacher: Teacher, samples: Sequence[Sample]) -> UInt8[np.ndarray, "height width 3"]:
    """Photos, the teacher's segments, and what its decoder predicts, side by side.

    Args:
        teacher: of the run.
        samples: whose global views are shown.
    """
    pixels = torch.stack([sample.whole for sample in samples]).to(teacher.key_mean.device).float() / 255
    found = teacher.segments(pixels, teacher.model.encoder.keys(pixels))
    layer = teacher.model(pixels).layers[-1]
    instance = teacher.settings.decoder.instance_queries
    rows = []
    for index, sample in enumerate(samples):
        photo = sample.whole.permute(1, 2, 0).numpy()
        row = [masks_over(photo, np.zeros((0, 1, 1), dtype=bool))]
        for own in found[index].values():
            row.append(masks_over(photo, (own.masks[:_SHOWN] > 0.5).cpu().numpy()))
        for part in (slice(0, instance), slice(instance, None)):
            objectness = layer.objectness[index, part].sigmoid()
            best = objectness.argsort(descending=True)[:_SHOWN]
            best = best[objectness[best] >= _LIKELY * float(objectness.max())]
            row.append(masks_over(photo, (layer.masks[index, part][best] > 0).cpu().numpy()))
        rows.append(row)
    return panel(rows, _titles(rows[0], list(found[0])))


def _titles(row: Sequence[object], kinds: Sequence[str]) -> Sequence[str]:
    return (
        TITLES if len(kinds) == 2 else [title for title in TITLES if not title.startswith("OAP") or kinds[0] in title]
    )
