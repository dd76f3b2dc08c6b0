"""A run of a trained segmentor over a list of photos."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from segmentation.data.photos import PhotoFile
from segmentation.export.coco_files import (
    cluster_categories,
    coco_annotations,
    segments_info,
    write_coco,
    write_panoptic,
    write_panoptic_map,
)
from segmentation.export.contact_sheets import write_cluster_names, write_contact_sheets
from segmentation.export.label_maps import write_semantic_map
from segmentation.export.picture_sheets import write_prediction_sheet
from segmentation.prediction.panoptic import Prediction
from segmentation.prediction.segmentor import Segmentor
from segmentation.runs.photo_run import PhotoRun, RunPlan

FORMATS = ("coco", "panoptic", "semantic", "overlay", "html", "clusters")


class PredictRun(PhotoRun[Prediction]):
    """Predictions of many photos.

    Args:
        segmentor: makes them.
        plan: of the run; its formats are some of ``coco``, ``panoptic``, ``semantic``, ``overlay``, ``html``,
            ``clusters``.
        console: for progress and the summary.
    """

    description = "predictions of a segmentor trained without labels"
    made_in = "network"

    def __init__(self, segmentor: Segmentor, plan: RunPlan, console: Console) -> None:
        super().__init__(plan, segmentor.costs, console)
        self.segmentor = segmentor

    def find(self, photos: list[NDArray[np.uint8]]) -> list[Prediction]:
        """What is in them."""
        return self.segmentor.predict_photos(photos)

    def info(self) -> dict[str, Any]:
        """There are no levels, so there are no thresholds either."""
        return {**super().info(), "thresholds": []}

    def write_photo(self, file: PhotoFile, photo: NDArray[np.uint8], found: Prediction) -> dict[str, Any]:
        """Writes overlay, panoptic map and semantic map."""
        name = f"{file.stem}.png"
        if "overlay" in self.formats:
            write_prediction_sheet(self.folder.path / "overlays" / name, photo, found)
        if "panoptic" in self.formats:
            write_panoptic_map(self.folder.path / "panoptic" / name, found.panoptic)
        if "semantic" in self.formats:
            write_semantic_map(self.folder.path / "semantic" / name, found.semantic)
        panoptic = segments_info(found.panoptic, self.segmentor.clusters.number)
        return {"annotations": coco_annotations(found), "panoptic": {"file_name": name, "segments_info": panoptic}}

    def write_results(self, names: list[str]) -> None:
        """Writes the COCO files, the page, and what clusters are named by."""
        path, info, clusters = self.folder.path, self.info(), self.segmentor.clusters
        categories = cluster_categories(clusters)
        if "coco" in self.formats:
            write_coco(path / "instances.json", info, lambda: self.folder.records(names), categories)
        if "panoptic" in self.formats:
            write_panoptic(path / "panoptic.json", info, lambda: self.folder.records(names), clusters)
        if "html" in self.formats:
            self.write_page(names, categories=categories)
        if "clusters" in self.formats:
            self._write_clusters(names)

    def _write_clusters(self, names: list[str]) -> None:
        path, clusters = self.folder.path, self.segmentor.clusters
        write_contact_sheets(path / "clusters", lambda: self.folder.records(names), self.read, clusters)
        found = {entry["category_id"] - 1 for record in self.folder.records(names) for entry in record["annotations"]}
        try:
            write_cluster_names(path / "clusters.json", found, clusters.mapping)
        except ValueError as error:
            self.console.print(f"left clusters.json as it is: {error}", markup=False, soft_wrap=True)
