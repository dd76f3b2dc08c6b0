"""A run of the pseudo-masker over a list of photos."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from segmentation.data.photos import PhotoFile
from segmentation.export.coco_files import coco_annotations, write_coco
from segmentation.export.label_maps import write_label_maps
from segmentation.export.picture_sheets import write_mask_sheet
from segmentation.prediction.masker import PseudoMasker
from segmentation.runs.photo_run import PhotoRun, RunPlan
from segmentation.segments.segment import PhotoMasks

FORMATS = ("coco", "overlay", "html", "npz")


class MaskRun(PhotoRun[PhotoMasks]):
    """Pseudo-masks of many photos.

    Args:
        masker: makes them.
        plan: of the run; its formats are some of ``coco``, ``overlay``, ``html``, ``npz``.
        console: for progress and the summary.
    """

    description = "pseudo-masks by Online Agglomerative Pooling"
    made_in = "encode"

    def __init__(self, masker: PseudoMasker, plan: RunPlan, console: Console) -> None:
        super().__init__(plan, masker.costs, console)
        self.masker = masker

    def find(self, photos: list[NDArray[np.uint8]]) -> list[PhotoMasks]:
        """Their pseudo-masks."""
        return self.masker(photos)

    def write_photo(self, file: PhotoFile, photo: NDArray[np.uint8], found: PhotoMasks) -> dict[str, Any]:
        """Writes overlay and label maps."""
        if "overlay" in self.formats:
            write_mask_sheet(self.folder.path / "overlays" / f"{file.stem}.png", photo, found)
        if "npz" in self.formats:
            write_label_maps(self.folder.path / "labels" / f"{file.stem}.npz", found)
        return {"annotations": coco_annotations(found)}

    def write_results(self, names: list[str]) -> None:
        """Writes the COCO file and the page."""
        if "coco" in self.formats:
            write_coco(self.folder.path / "instances.json", self.info(), lambda: self.folder.records(names))
        if "html" in self.formats:
            self.write_page(names)
