"""How well masks and clusters fit generated scenes: instances, semantic regions, and both together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
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
from segmentation.prediction.panoptic import Panoptic, panoptic_merges, semantic_map
from segmentation.prediction.queries import _FINITE, QueryMasks
from segmentation.prediction.query_segments import query_segments
from segmentation.scenes.scene import CATEGORIES, Scene, make_scene
from segmentation.segments.segment import Segment
from segmentation.teaching.teacher import Teacher

Find = Callable[[Tensor], Sequence[QueryMasks]]  # of photos [B, 3, side, side] in [0, 1]
_SEED = 10**9  # of scenes that nothing is trained on
_FITTED, _SCORED = 48, 96
_BATCH = 8
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
        """The scores in order."""
        return list(asdict(self).values())


class SceneExam:
    """Scenes that nothing is trained on.

    Clusters are mapped to classes (Hungarian first, those that are left to the class they share most pixels with), and
    the confidence of panoptic segments is chosen, on other scenes than those that are scored.

    Args:
        settings: which masks to keep.
        side: of the scenes in pixels.
        clusters: number of them.
        device: where to look at them.
    """

    def __init__(self, settings: MaskSettings, side: int, clusters: int, device: torch.device) -> None:
        self.settings, self.clusters, self.device = settings, clusters, device
        scenes = [make_scene(index, seed=_SEED, size=side) for index in range(_FITTED + _SCORED)]
        self.fitted, self.scored = scenes[:_FITTED], scenes[_FITTED:]

    def scores(self, find: Find) -> SceneScores:
        """The scores of masks and clusters.

        Args:
            find: them in photos.
        """
        mapping, confidence = self._fit(find)
        table = np.zeros((len(CATEGORIES), len(CATEGORIES) + 1), dtype=np.int64)
        quality = _quality()
        instances: list[list[Segment]] = []
        for scene, photo, found in self._looked_at(find, self.scored):
            segments = self._segments(found, photo)
            instances.append([segment for segment in segments if segment.kind == "instance"])
            labels = mapping.map_labels(semantic_map(found, photo, refine=self.settings.refine))
            table += confusion_matrix(scene.semantic, labels, len(CATEGORIES), len(CATEGORIES))
            _add(quality, scene, self._panoptics(found, photo, [confidence], mapping)[0], mapping)
        masks = evaluate_instances(*_as_coco(self.scored, instances), class_agnostic=True).mask
        panoptic = quality.compute().all
        return SceneScores(
            AP=masks["AP"] or 0.0,
            AP50=masks["AP50"] or 0.0,
            AR100=masks["AR100"] or 0.0,
            mIoU=semantic_scores(table).mean_iou or 0.0,
            PQ=0.0 if panoptic is None else panoptic.pq,
        )

    def _fit(self, find: Find) -> tuple[ClusterMapping, float]:
        counts = np.zeros((len(CATEGORIES), self.clusters + 1), dtype=np.int64)
        seen = list(self._looked_at(find, self.fitted))
        for scene, photo, found in seen:
            for segment in self._segments(found, photo):
                counts[:, segment.cluster] += np.bincount(scene.semantic[segment.mask], minlength=len(CATEGORIES))
        names, is_thing = zip(*CATEGORIES, strict=True)
        mapping = fit_mapping(counts, "hungarian+argmax", names=names, is_thing=is_thing, fitted_on="48 other scenes")
        qualities = [_quality() for _ in _CONFIDENCES]
        for scene, photo, found in seen:
            for quality, merged in zip(qualities, self._panoptics(found, photo, _CONFIDENCES, mapping), strict=True):
                _add(quality, scene, merged, mapping)
        panoptic = [quality.compute().all for quality in qualities]
        reached = [0.0 if own is None else own.pq for own in panoptic]
        return mapping, max(zip(reached, _CONFIDENCES, strict=True))[1]

    def _looked_at(self, find: Find, scenes: Sequence[Scene]) -> Iterator[tuple[Scene, Tensor, QueryMasks]]:
        for start in range(0, len(scenes), _BATCH):
            part = scenes[start : start + _BATCH]
            photos = torch.from_numpy(np.stack([scene.photo for scene in part])).to(self.device)
            pixels = photos.permute(0, 3, 1, 2).float() / 255
            yield from zip(part, pixels, find(pixels), strict=True)

    def _segments(self, found: QueryMasks, photo: Tensor) -> list[Segment]:
        own = self.settings
        return query_segments(
            found,
            photo,
            max_masks=own.max_masks,
            max_overlap=own.max_overlap,
            max_share=own.max_share,
            refine=own.refine,
        )

    def _panoptics(
        self, found: QueryMasks, photo: Tensor, confidences: Sequence[float], mapping: ClusterMapping
    ) -> list[Panoptic]:
        is_thing = {cluster: own.kind == "thing" for cluster, own in mapping.clusters.items() if own.kind is not None}
        return panoptic_merges(
            found,
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
    """Counts a scene; all stuff of one class is one segment."""
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
    """Ground truth and predictions."""
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
    """The segments that the teacher makes by pooling, with the clusters that its head gives them.

    Args:
        teacher: of a run.
        pixels: its views, in [0, 1].
    """
    found = []
    for photo in teacher.segments(pixels, teacher.model.encoder.keys(pixels)):
        kinds = list(photo.values())
        side = max(own.masks.size(-1) for own in kinds)  # a kind without segments has masks of another size
        masks = torch.cat([_sized(own.masks, side) for own in kinds]).clamp(_FINITE, 1 - _FINITE)
        clusters = teacher.model.head(teacher.features(torch.cat([own.means for own in kinds]))).argmax(1)
        scores = torch.cat([own.scores for own in kinds])
        found.append(QueryMasks(masks.logit(), scores, clusters, len(photo["instance"].scores)))
    return found


def _sized(masks: Tensor, side: int) -> Tensor:
    return F.interpolate(masks[None], (side, side))[0] if len(masks) else masks.new_zeros(0, side, side)
