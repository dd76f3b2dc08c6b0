"""Predicts instances, a semantic map and a panoptic map of photos with a trained model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphpool.checks import check_count
from segmentation.base.device import StageCosts, choose_device, choose_dtype
from segmentation.config.prediction import prediction_settings
from segmentation.config.training import TrainSettings
from segmentation.data.model_input import Photo, photo_arrays, resize_photo, token_grid
from segmentation.models.files import load_model
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.clusters import ClusterMapping, NamedClusters
from segmentation.prediction.panoptic import Prediction, panoptic_maps, semantic_map
from segmentation.prediction.queries import QueryMasks, predicted_masks, query_score, query_segments


class Segmentor:
    """Predicts with a trained model.

    The prediction for a photo does not depend on the other photos of the batch.

    Args:
        model: trained network.
        settings: settings of its training.
        device: ``"auto"`` (CUDA where there is one), or a torch device.
        dtype: precision of the network: ``"auto"`` (bfloat16 on CUDA, else float32), ``"float32"``,
            ``"bfloat16"`` or ``"float16"``.
        names: what clusters stand for, see :func:`~segmentation.prediction.clusters.read_mapping`. Clusters of
            one name are one, and their ``kind`` says whether they are things or stuff in the panoptic map.
        score: scores the queries of a photo.
        changes: settings that replace those that fit the model
            (:class:`~segmentation.config.prediction.PredictionSettings`), such as ``size=640``.

    Attributes:
        prediction: settings of the prediction.
        clusters: clusters of the model, with their names.
        costs: time and memory of each stage so far.

    Raises:
        TypeError, ValueError: an argument that does not fit.

    Example:
        >>> from segmentation.config import load_training
        >>> settings = load_training("scenes")
        >>> segmentor = Segmentor(UniversalModel(settings), settings, device="cpu", size=64)
        >>> found = segmentor.predict(np.zeros((48, 64, 3), dtype=np.uint8))
        >>> found.semantic.shape, found.panoptic.ids.shape
        ((48, 64), (48, 64))
    """

    def __init__(
        self,
        model: UniversalModel,
        settings: TrainSettings,
        *,
        device: str | torch.device = "auto",
        dtype: str = "auto",
        names: ClusterMapping | None = None,
        score: Callable[[QueryMasks], Tensor] = query_score,
        **changes: Any,
    ) -> None:
        self.prediction = prediction_settings(settings, **changes)
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        self.clusters = NamedClusters(settings.head.clusters, ClusterMapping({}) if names is None else names)
        self.score = score
        self.settings = replace(settings, masks=replace(settings.masks, snap=self.prediction.snap))
        self.model = model.to(self.device).eval()
        self.patch_size = self.model.encoder.patch_size
        check_count("size", self.prediction.size, self.patch_size)
        self.costs = StageCosts(self.device)
        self._same = torch.tensor(self.clusters.same, device=self.device)

    @classmethod
    def from_pretrained(
        cls, folder: str | PathLike[str], device: str | torch.device = "auto", dtype: str = "auto", **options: Any
    ) -> "Segmentor":
        """Loads the model that a training run left in a folder.

        Args:
            folder: with ``model.safetensors`` and ``config.yaml``.
            device, dtype, options: see :class:`Segmentor`.

        Raises:
            FileNotFoundError: one of the files is missing.
            ValueError: one of them is damaged, or they do not fit each other.
        """
        model, settings = load_model(Path(folder))
        return cls(model, settings, device=device, dtype=dtype, **options)

    def predict(self, image: Photo) -> Prediction:
        """Predicts one photo; see :meth:`predict_photos`."""
        return self.predict_photos([image])[0]

    @torch.inference_mode()
    def predict_photos(self, photos: Sequence[Photo]) -> list[Prediction]:
        """Predicts each photo.

        Args:
            photos: files, PIL images (as they are, not turned by EXIF), or RGB arrays ``[H, W, 3]`` uint8, of any
                sizes; all are one batch.

        Raises:
            TypeError: something else.
            PhotoError: a file that cannot be decoded.
        """
        with self.costs.stage("decode"):
            arrays = photo_arrays(photos)
        with self.costs.stage("network"):
            found = self._query(arrays)
        with self.costs.stage("masks"):
            return [self._prediction(photo, own) for photo, own in zip(arrays, found, strict=True)]

    def _query(self, photos: Sequence[NDArray[np.uint8]]) -> list[QueryMasks]:
        """Runs the network: on CUDA photos of one size together, on a CPU, where that is no faster, one by one."""
        grids = [token_grid(photo.shape[0], photo.shape[1], self.prediction.size, self.patch_size) for photo in photos]
        together = self.device.type != "cpu"
        batches = [[place for place, other in enumerate(grids) if other == grid] for grid in dict.fromkeys(grids)]
        found: dict[int, QueryMasks] = {}
        for members in batches if together else [[place] for place in range(len(photos))]:
            height, width = (self.patch_size * side for side in grids[members[0]])
            pixels = torch.stack([resize_photo(photos[place], height, width) for place in members])
            found.update(zip(members, self._forward(pixels.to(self.device)), strict=True))
        return [found[place] for place in range(len(photos))]

    def _forward(self, pixels: Tensor) -> list[QueryMasks]:
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            found = predicted_masks(self.model, pixels, self.settings)
        return [replace(each, clusters=self._same[each.clusters]) for each in found]

    def _prediction(self, photo: NDArray[np.uint8], found: QueryMasks) -> Prediction:
        pixels = torch.from_numpy(photo).to(self.device).permute(2, 0, 1).float().div_(255)
        settings = self.prediction
        segments = query_segments(
            found,
            pixels,
            score=self.score,
            max_masks=settings.max_masks,
            max_overlap=settings.max_overlap,
            max_share=settings.max_share,
            refine=settings.refine,
            clean=settings.clean,
        )
        [panoptic] = panoptic_maps(
            found,
            pixels,
            confidences=[settings.confidence],
            overlap=settings.overlap,
            stuff_area=settings.stuff_area,
            refine=settings.refine,
            is_thing=self.clusters.is_thing,
        )
        semantic = semantic_map(found, pixels, threshold=settings.semantic_threshold, refine=settings.refine)
        return Prediction(photo.shape[0], photo.shape[1], tuple(segments), semantic, panoptic)
