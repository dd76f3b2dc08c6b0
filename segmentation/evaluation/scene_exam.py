"""Scores masks and clusters on generated scenes: instances, semantic regions, and both together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from pycocotools import mask as coco_mask
from torch import Tensor

from segmentation.config.masks import MaskSettings
from segmentation.evaluation.metrics.instance import evaluate_instances
from segmentation.evaluation.metrics.mapping import fit_mapping
from segmentation.evaluation.metrics.panoptic_quality import PanopticQuality
from segmentation.evaluation.metrics.segment_matching import PredictedSegment
from segmentation.evaluation.metrics.semantic_quality import confusion_matrix, semantic_scores
from segmentation.evaluation.truth.truth_maps import TruthSegment
from segmentation.prediction.clusters import ClusterMapping
from segmentation.prediction.panoptic import Panoptic, panoptic_maps, semantic_map
from segmentation.prediction.queries import QueryMasks, query_segments
from segmentation.scene_generator.scene import CATEGORIES, Scene, make_scene
from segmentation.segments.segment import Segment
from segmentation.teaching.teacher import Teacher

Finder = Callable[[Tensor], Sequence[QueryMasks]]  # takes photos [B, 3, side, side] in [0, 1]
_SEED = 10**9  # series of scenes that nothing is trained on
_FITTED, _SCORED = 48, 96
_BATCH = 8
_EPSILON = 1e-4  # keeps logits finite
_CONFIDENCES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
_OVERLAP, _STUFF_AREA = 0.5, 1 / 128  # Mask2Former's share of a mask, and its 4,096 pixels of a photo of COCO's size


@dataclass(frozen=True)
class SceneScores:
    """Scores in percent: class-agnostic AP, AP50 and AR100 of instances, mean IoU of semantic maps, and PQ."""

    AP: float
    AP50: float
    AR100: float
    mIoU: float
    PQ: float

    def row(self) -> list[float]:
        """Lists the scores in the order of the fields."""
        return list(asdict(self).values())


class SceneExam:
    """Held-out scenes that score any finder of masks.

    On 48 scenes clusters are mapped to classes (Hungarian assignment; leftover clusters to the class they share most
    pixels with) and the confidence of panoptic segments is chosen; 96 other scenes are scored.

    Args:
        settings: limits of the choice of masks.
        side: side of the scenes in pixels.
        clusters: number of clusters.
        device: device of the photos.
    """

    def __init__(self, settings: MaskSettings, side: int, clusters: int, device: torch.device) -> None:
        self.settings, self.clusters, self.device = settings, clusters, device
        scenes = [make_scene(index, seed=_SEED, size=side) for index in range(_FITTED + _SCORED)]
        self.fitted, self.scored = scenes[:_FITTED], scenes[_FITTED:]

    def scores(self, find: Finder) -> SceneScores:
        """Scores the masks and clusters that ``find`` returns for photos."""
        mapping, confidence = self._fit(find)
        table = np.zeros((len(CATEGORIES), len(CATEGORIES) + 1), dtype=np.int64)
        quality = _quality()
        instances: list[list[Segment]] = []
        for scene, photo, queries in self._predictions(find, self.scored):
            segments = self._segments(queries, photo)
            instances.append([segment for segment in segments if segment.kind == "instance"])
            labels = mapping.map_labels(semantic_map(queries, photo, refine=self.settings.refine))
            table += confusion_matrix(scene.semantic, labels, len(CATEGORIES), len(CATEGORIES))
            _add(quality, scene, self._panoptic_maps(queries, photo, [confidence], mapping)[0], mapping)
        masks = evaluate_instances(*_as_coco(self.scored, instances), class_agnostic=True).mask
        panoptic = quality.compute().all
        return SceneScores(
            AP=masks["AP"] or 0.0,
            AP50=masks["AP50"] or 0.0,
            AR100=masks["AR100"] or 0.0,
            mIoU=semantic_scores(table).mean_iou or 0.0,
            PQ=0.0 if panoptic is None else panoptic.pq,
        )

    def _fit(self, find: Finder) -> tuple[ClusterMapping, float]:
        counts = np.zeros((len(CATEGORIES), self.clusters + 1), dtype=np.int64)
        predictions = list(self._predictions(find, self.fitted))
        for scene, photo, queries in predictions:
            for segment in self._segments(queries, photo):
                counts[:, segment.cluster] += np.bincount(scene.semantic[segment.mask], minlength=len(CATEGORIES))
        names, is_thing = zip(*CATEGORIES, strict=True)
        mapping = fit_mapping(counts, "hungarian+argmax", names=names, is_thing=is_thing, fitted_on="48 other scenes")
        qualities = [_quality() for _ in _CONFIDENCES]
        for scene, photo, queries in predictions:
            for quality, merged in zip(
                qualities, self._panoptic_maps(queries, photo, _CONFIDENCES, mapping), strict=True
            ):
                _add(quality, scene, merged, mapping)
        panoptic = [quality.compute().all for quality in qualities]
        reached = [0.0 if own is None else own.pq for own in panoptic]
        return mapping, max(zip(reached, _CONFIDENCES, strict=True))[1]

    def _predictions(self, find: Finder, scenes: Sequence[Scene]) -> Iterator[tuple[Scene, Tensor, QueryMasks]]:
        for start in range(0, len(scenes), _BATCH):
            part = scenes[start : start + _BATCH]
            photos = torch.from_numpy(np.stack([scene.photo for scene in part])).to(self.device)
            pixels = photos.permute(0, 3, 1, 2).float() / 255
            yield from zip(part, pixels, find(pixels), strict=True)

    def _segments(self, queries: QueryMasks, photo: Tensor) -> list[Segment]:
        own = self.settings
        return query_segments(
            queries,
            photo,
            max_masks=own.max_masks,
            max_overlap=own.max_overlap,
            max_share=own.max_share,
            refine=own.refine,
        )

    def _panoptic_maps(
        self, queries: QueryMasks, photo: Tensor, confidences: Sequence[float], mapping: ClusterMapping
    ) -> list[Panoptic]:
        is_thing = {cluster: own.kind == "thing" for cluster, own in mapping.clusters.items() if own.kind is not None}
        return panoptic_maps(
            queries,
            photo,
            confidences=confidences,
            overlap=_OVERLAP,
            stuff_area=round(_STUFF_AREA * photo.shape[1] * photo.shape[2]),
            refine=self.settings.refine,
            is_thing=is_thing,
        )


def _quality() -> PanopticQuality:
    return PanopticQuality([(index, category.is_thing) for index, category in enumerate(CATEGORIES)])


def _add(quality: PanopticQuality, scene: Scene, found: Panoptic, mapping: ClusterMapping) -> None:
    """Adds a scene to the quality; all stuff of one class is one segment."""
    truth = [TruthSegment(segment.id, segment.category) for segment in scene.segments]
    ids = found.ids.copy()
    first_of: dict[int, int] = {}
    predicted = []
    for segment in found.segments:
        category = mapping.class_of(segment.cluster)
        if category is not None and not CATEGORIES[category].is_thing:
            if category in first_of:
                ids[found.ids == segment.id] = first_of[category]
                continue
            first_of[category] = segment.id
        predicted.append(PredictedSegment(segment.id, category))
    quality.update(scene.panoptic, truth, ids, predicted)


def _as_coco(
    scenes: Sequence[Scene], found: Sequence[Sequence[Segment]]
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Writes ground truth and predictions in COCO's format."""
    images: list[dict[str, object]] = []
    objects: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    for number, (scene, segments) in enumerate(zip(scenes, found, strict=True), start=1):
        height, width = scene.panoptic.shape
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for thing in scene.segments:
            if thing.is_thing:
                rle = coco_mask.encode(np.asfortranarray(scene.panoptic == thing.id, dtype=np.uint8))
                objects.append(
                    {
                        "id": len(objects) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "segmentation": rle,
                        "area": int(coco_mask.area(rle)),
                        "bbox": coco_mask.toBbox(rle).tolist(),
                        "iscrowd": 0,
                    }
                )
        results += [
            {"image_id": number, "category_id": 1, "segmentation": segment.rle, "score": segment.score}
            for segment in segments
        ]
    truth = {"images": images, "categories": [{"id": 1, "name": "thing"}], "annotations": objects}
    return truth, {"images": images, "annotations": results}


@torch.no_grad()
def pooled_masks(teacher: Teacher, pixels: Float[Tensor, "batch 3 side side"]) -> list[QueryMasks]:
    """Finds the teacher's segments by pooling, with the clusters of its head, in the form of query masks.

    Args:
        teacher: teacher of a training run.
        pixels: photos in [0, 1].
    """
    found = []
    for photo in teacher.segments(pixels, teacher.model.tokens(pixels)):
        kinds = list(photo.values())
        masks = torch.cat([segments.masks for segments in kinds]).clamp(_EPSILON, 1 - _EPSILON)
        features = teacher.features(torch.cat([segments.means for segments in kinds]))
        scores = torch.cat([segments.scores for segments in kinds])
        num_instance = len(photo["instance"].scores)
        found.append(QueryMasks(masks.logit(), scores, teacher.model.head(features).argmax(1), num_instance))
    return found
