"""A run of a trained segmentor over photos."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from segmentation.models.files import MODEL_FILE
from segmentation.prediction.clusters import ClusterMapping
from segmentation.prediction.panoptic import Prediction
from segmentation.prediction.segmentor import Segmentor
from segmentation.runs.photo_run import PhotoRun
from segmentation.runs.run_folder import sha256
from segmentation.runs.run_plan import RunPlan


class PredictRun(PhotoRun[Prediction]):
    """Makes predictions of many photos with a trained model.

    Formats are ``coco``, ``panoptic``, ``semantic``, ``overlay``, ``html`` and ``clusters``.

    Args:
        plan: what to do.
        model: folder of the model.
        changes: settings that replace those of :func:`~segmentation.config.prediction.prediction_settings`.
        names: what clusters stand for; their numbers by default.
        recorded: what the run's folder records beside the name of the model; by default the hash of the weights and
            all settings of the prediction.

    Raises:
        FileNotFoundError, FileExistsError, TypeError, ValueError: see the segmentor and the run folder.
    """

    description = "predictions of a segmentor trained without labels"
    made_in = "network"

    def __init__(
        self,
        plan: RunPlan,
        model: Path,
        changes: Mapping[str, Any],
        names: ClusterMapping | None = None,
        recorded: Mapping[str, Any] | None = None,
    ) -> None:
        self.segmentor = Segmentor.from_pretrained(model, plan.device, plan.dtype, names=names, **changes)
        if recorded is None:
            recorded = {
                "model_sha256": sha256(model / MODEL_FILE),
                **asdict(self.segmentor.prediction),
                "names": {
                    str(cluster): [named.name, named.kind]
                    for cluster, named in sorted(self.segmentor.clusters.mapping.clusters.items())
                    if named.name != str(cluster) or named.kind
                },
            }
        super().__init__(plan, {"model": model.resolve().name, **recorded}, self.segmentor.costs)

    def predict(self, photos: list[NDArray[np.uint8]]) -> list[Prediction]:
        """Predicts a batch of photos."""
        return self.segmentor.predict_photos(photos)

    def info(self) -> dict[str, Any]:
        """Returns ``info`` of the COCO files, without thresholds as there are no levels."""
        return {**super().info(), "thresholds": []}

    def write_photo(self, file: PhotoFile, photo: NDArray[np.uint8], masks: Prediction) -> dict[str, Any]:
        """Writes overlay, panoptic map and semantic map, and returns annotations and panoptic segments."""
        name = f"{file.stem}.png"
        if "overlay" in self.formats:
            write_prediction_sheet(self.folder.path / "overlays" / name, photo, masks)
        if "panoptic" in self.formats:
            write_panoptic_map(self.folder.path / "panoptic" / name, masks.panoptic)
        if "semantic" in self.formats:
            write_semantic_map(self.folder.path / "semantic" / name, masks.semantic)
        panoptic = segments_info(masks.panoptic, self.segmentor.clusters.number)
        return {"annotations": coco_annotations(masks), "panoptic": {"file_name": name, "segments_info": panoptic}}

    def write_results(self, names: list[str]) -> None:
        """Writes the COCO files, the page, and the files that clusters are named with."""
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
