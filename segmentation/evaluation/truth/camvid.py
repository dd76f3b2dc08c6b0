"""CamVid with the eleven classes of the SegNet tutorial."""

from pathlib import Path

from segmentation.evaluation.truth.layout import listed, require
from segmentation.evaluation.truth.truth_maps import ClassList, LabelPng, SemanticTruth, label_table

LAYOUT = """\
  val/*.png          the photos
  valannot/*.png     class of each pixel, 0 to 10, 11 where there is none"""
_NAMES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "signsymbol", "fence", "car", "pedestrian", "bicyclist"),
)
CLASSES = ClassList(
    _NAMES, tuple(name in ("car", "pedestrian", "bicyclist") for name in _NAMES), dict(enumerate(range(11)))
)


def read_semantic(root: Path, split: str) -> SemanticTruth:
    """The classes of the pixels."""
    photos, folder = root / split, root / f"{split}annot"
    files = listed(root, LAYOUT, folder, "*.png")
    require(root, LAYOUT, *(folder / photo.name for photo in sorted(photos.glob("*.png"))))
    table = label_table(CLASSES)
    return SemanticTruth(CLASSES, [LabelPng(file.name, file, table) for file in files])
