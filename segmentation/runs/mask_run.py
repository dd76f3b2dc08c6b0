"""A run of the pseudo-masker over photos."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.config.load import to_plain
from segmentation.data.photos import PhotoFile
from segmentation.export.coco_files import coco_annotations, write_coco
from segmentation.export.label_maps import write_label_maps
from segmentation.export.picture_sheets import write_mask_sheet
from segmentation.models.files import MODEL_FILE, model_folder
from segmentation.prediction.masker import PseudoMasker
from segmentation.runs.photo_run import PhotoRun
from segmentation.runs.run_folder import sha256
from segmentation.runs.run_plan import RunPlan
from segmentation.segments.segment import PhotoMasks


def encoder_source(encoder: str, weights: Path | None) -> dict[str, Any]:
    """Returns what identifies an encoder: its name, and name and hash of the file of its weights."""
    return {
        "encoder": encoder,
        "weights": weights.name if weights else None,
        "weights_sha256": sha256(weights) if weights else None,
    }


def model_source(model: Path) -> dict[str, Any]:
    """Returns what identifies a trained model: the name of its folder, and the hash of its weights."""
    folder = model_folder(model)
    return {"model": folder.resolve().name, "model_sha256": sha256(folder / MODEL_FILE)}


class MaskRun(PhotoRun[PhotoMasks]):
    """Makes pseudo-masks of many photos, in formats ``coco``, ``overlay``, ``html``, ``npz``.

    Args:
        plan: what to do.
        masker: makes the masks.
        source: what the run's folder records of the network beside the settings, see :func:`encoder_source` and
            :func:`model_source`.

    Raises:
        FileExistsError, ValueError: see the run folder.
    """

    description = "pseudo-masks by Online Agglomerative Pooling"
    made_in = "encode"

    def __init__(self, plan: RunPlan, masker: PseudoMasker, source: Mapping[str, Any]) -> None:
        self.masker = masker
        super().__init__(plan, {**source, **to_plain(asdict(masker.settings))}, masker.costs)

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
