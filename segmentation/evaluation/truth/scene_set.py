"""Generated scenes, as ``python -m segmentation.scenes`` writes them."""

from pathlib import Path

from segmentation.evaluation.truth.coco_panoptic import read_panoptic_truth
from segmentation.evaluation.truth.ground_truth import GroundTruth, read_ground_truth
from segmentation.evaluation.truth.layout import require
from segmentation.evaluation.truth.truth_maps import ClassList, LabelPng, PanopticTruth, SemanticTruth, label_table

LAYOUT = """\
  instances.json              the things
  panoptic.json, panoptic/    things and stuff
  semantic/*.png              class of each pixel
  photos/*.png                the photos"""


def read_instances(root: Path, split: str) -> GroundTruth:
    """The things."""
    require(root, LAYOUT, root / "instances.json")
    return read_ground_truth(root / "instances.json")


def read_semantic(root: Path, split: str) -> SemanticTruth:
    """The classes of the pixels."""
    panoptic = read_panoptic(root, split)
    files = [root / "semantic" / photo.name for photo in panoptic.photos]
    require(root, LAYOUT, *files)
    places = range(len(panoptic.classes))
    table = label_table(ClassList(panoptic.classes.names, panoptic.classes.is_thing, dict(enumerate(places))))
    return SemanticTruth(panoptic.classes, [LabelPng(file.name, file, table) for file in files])


def read_panoptic(root: Path, split: str) -> PanopticTruth:
    """Things and stuff. There is one split."""
    return read_panoptic_truth(root / "panoptic.json", root / "panoptic", LAYOUT, root)
