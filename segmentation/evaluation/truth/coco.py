"""COCO 2017: instances, panoptic segments, and the label maps of COCO-Stuff."""

from functools import partial
from pathlib import Path

from segmentation.evaluation.truth.coco_panoptic import category_list, read_panoptic_truth, stuff_by_supercategory
from segmentation.evaluation.truth.coco_stuff import COARSE_CLASSES, FINE_CLASSES
from segmentation.evaluation.truth.ground_truth import GroundTruth, read_ground_truth
from segmentation.evaluation.truth.layout import first_there, listed, require
from segmentation.evaluation.truth.truth_maps import ClassList, LabelPng, PanopticTruth, SemanticTruth, label_table

LAYOUT = """\
  annotations/instances_val2017.json        instances
  annotations/panoptic_val2017.json         panoptic segments ...
  annotations/panoptic_val2017/*.png        ... and their maps
  val2017/*.jpg                             the photos (for --model)"""
STUFF_LAYOUT = """\
  stuffthingmaps/val2017/*.png              label maps: official id - 1, 255 where there is none
                                            (or stuffthingmaps_trainval2017/val2017/, or annotations/val2017/)
  val2017/*.jpg                             the photos (for --model; where they are there, each needs a map)"""


def read_instances(root: Path, split: str) -> GroundTruth:
    """The objects of ``instances_SPLIT2017.json``."""
    file = root / "annotations" / f"instances_{split}2017.json"
    require(root, LAYOUT, file)
    return read_ground_truth(file)


def read_panoptic(root: Path, split: str, *, supercategories: bool = False) -> PanopticTruth:
    """The segments of ``panoptic_SPLIT2017.json``: 80 classes of things and 53 of stuff.

    Args:
        root: the data set.
        split: such as ``val``.
        supercategories: stuff by its 15 supercategories, as U2Seg has it; segments that so become one class are one.
    """
    folder = root / "annotations"
    return read_panoptic_truth(
        folder / f"panoptic_{split}2017.json",
        first_there(root, LAYOUT, [folder / f"panoptic_{split}2017", root / f"panoptic_{split}2017"]),
        LAYOUT,
        root,
        stuff_by_supercategory if supercategories else category_list,
    )


def read_semantic(root: Path, split: str, *, supercategories: bool = False) -> SemanticTruth:
    """The classes of the panoptic segments, pixel by pixel."""
    panoptic = read_panoptic(root, split, supercategories=supercategories)
    return SemanticTruth(panoptic.classes, panoptic.photos)  # type: ignore[arg-type]


def read_stuff(root: Path, split: str, classes: ClassList) -> SemanticTruth:
    """The label maps of COCO-Stuff."""
    name = f"{split}2017"
    folders = [root / "stuffthingmaps" / name, root / "stuffthingmaps_trainval2017" / name, root / "annotations" / name]
    folder = first_there(root, STUFF_LAYOUT, folders)
    files = listed(root, STUFF_LAYOUT, folder, "*.png")
    photos = sorted((root / name).glob("*.jpg"))
    require(root, STUFF_LAYOUT, *(folder / f"{photo.stem}.png" for photo in photos))
    table = label_table(classes)
    return SemanticTruth(classes, [LabelPng(f"{file.stem}.jpg", file, table) for file in files])


read_stuff_27 = partial(read_stuff, classes=COARSE_CLASSES)
read_stuff_fine = partial(read_stuff, classes=FINE_CLASSES)
