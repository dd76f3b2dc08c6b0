"""A run of the pseudo-masker over photos."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.config import MaskSettings
from segmentation.config.load import to_plain
from segmentation.data.photos import PhotoFile
from segmentation.export.coco_files import coco_annotations, write_coco
from segmentation.export.label_maps import write_label_maps
from segmentation.export.picture_sheets import write_mask_sheet
from segmentation.prediction.masker import PseudoMasker
from segmentation.runs.photo_run import PhotoRun
from segmentation.runs.run_folder import sha256
from segmentation.runs.run_plan import RunPlan
from segmentation.segments.segment import PhotoMasks


class MaskRun(PhotoRun[PhotoMasks]):
    """Makes pseudo-masks of many photos, in formats ``coco``, ``overlay``, ``html``, ``npz``.

    Args:
        plan: what to do.
        settings: how masks are made.
        encoder: vision transformer, by timm's name.
        weights: file of its weights; ``None`` for those of timm's hub.

    Raises:
        FileExistsError, TypeError, ValueError: see the masker and the run folder.
    """

    description = "pseudo-masks by Online Agglomerative Pooling"
    made_in = "encode"

    def __init__(self, plan: RunPlan, settings: MaskSettings, encoder: str, weights: Path | None) -> None:
        self.masker = PseudoMasker(encoder, weights, settings=settings, device=plan.device, dtype=plan.dtype)
        recorded = {
            "encoder": encoder,
            "weights": weights.name if weights else None,
            "weights_sha256": sha256(weights) if weights else None,
            **to_plain(asdict(settings)),
        }
        super().__init__(plan, recorded, self.masker.costs)

    def predict(self, photos: list[NDArray[np.uint8]]) -> list[PhotoMasks]:
        """Makes the pseudo-masks of a batch of photos."""
        return self.masker(photos)

    def write_photo(self, file: PhotoFile, photo: NDArray[np.uint8], masks: PhotoMasks) -> dict[str, Any]:
        """Writes overlay and label maps, and returns the annotations."""
        if "overlay" in self.formats:
            write_mask_sheet(self.folder.path / "overlays" / f"{file.stem}.png", photo, masks)
        if "npz" in self.formats:
            write_label_maps(self.folder.path / "labels" / f"{file.stem}.npz", masks)
        return {"annotations": coco_annotations(masks)}

    def write_results(self, names: list[str]) -> None:
        """Writes the COCO file and the page."""
        if "coco" in self.formats:
            write_coco(self.folder.path / "instances.json", self.info(), lambda: self.folder.records(names))
        if "html" in self.formats:
            self.write_page(names)
