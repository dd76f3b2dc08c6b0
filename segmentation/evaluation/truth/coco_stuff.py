"""COCO-Stuff: class maps of 182 fine classes, or of the 27 coarse ones of the literature on unsupervised segmentation.

A label is the official id less one. Eleven of the 91 thing labels were given up by COCO and never occur.
"""

from pathlib import Path

from segmentation.evaluation.truth.data_files import files_in, first_existing, require_files
from segmentation.evaluation.truth.truth_maps import ClassList, SemanticTruth, label_maps

_THINGS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, street sign,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, hat, backpack,
umbrella, shoe, eye glasses, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball
glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup, fork, knife, spoon, bowl, banana, apple,
sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, mirror, dining table,
window, desk, toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink,
refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier, toothbrush, hair brush
"""
_STUFF = """
banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet, ceiling-other, ceiling-tile,
cloth, clothes, clouds, counter, cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other,
floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel, ground-other, hill,
house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud, napkin, net, paper, pavement, pillow, plant-other,
plastic, platform, playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other,
skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table, tent, textile-other, towel, tree,
vegetable, wall-brick, wall-concrete, wall-other, wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops,
window-blind, window-other, wood
"""
_COARSE = {  # labels, both ends included
    "electronic": "71-76",
    "appliance": "77-82",
    "food-things": "51-60",
    "furniture-things": "61-70",
    "indoor": "83-90",
    "kitchen": "43-50",
    "accessory": "25-32",
    "animal": "15-24",
    "outdoor": "9-14",
    "person": "0",
    "sports": "33-42",
    "vehicle": "1-8",
    "ceiling": "101-102",
    "floor": "100 113-117",
    "food-stuff": "120-121 152 169",
    "furniture-stuff": "97 106-107 109 111 122 129 132 155 160 164",
    "rawmaterial": "99 131 138 142",
    "textile": "91-92 103-104 108 130 136 140 151 166-167",
    "wall": "170-176",
    "window": "179-180",
    "building": "94-95 127 150 157 165",
    "ground": "110 124-125 135 139 143-144 146 148 153 158",
    "plant": "93 96 118 123 128 133 141 162 168",
    "sky": "105 156",
    "solid": "126 134 149 159 161 181",
    "structural": "98 112 137 145 163",
    "water": "119 147 154 177-178",
}
_THING_GROUPS = 12  # they come first


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _labels(text: str) -> list[int]:
    ends = [[int(end) for end in part.split("-")] for part in text.split()]
    return [label for part in ends for label in range(part[0], part[-1] + 1)]


FINE_CLASSES = ClassList(
    (*_names(_THINGS), *_names(_STUFF)), (True,) * 91 + (False,) * 91, {label: label for label in range(182)}
)
"""All 182."""

COARSE_CLASSES = ClassList(
    tuple(_COARSE),
    tuple(place < _THING_GROUPS for place in range(len(_COARSE))),
    {label: place for place, text in enumerate(_COARSE.values()) for label in _labels(text)},
)
"""COCOStuff-27: 12 groups of things and 15 of stuff, with the 182 labels in each."""


def read_semantic(root: Path, split: str, *, coarse: bool) -> SemanticTruth:
    """Finds the class maps of a split, in 27 coarse classes or in 182 fine ones."""
    name = f"{split}2017"
    parents = [root / "stuffthingmaps", root / "stuffthingmaps_trainval2017", root / "annotations"]
    folder = first_existing(root, [parent / name for parent in parents])
    files = files_in(root, folder, "*.png")
    require_files(root, *(folder / f"{photo.stem}.png" for photo in sorted((root / name).glob("*.jpg"))))
    classes = COARSE_CLASSES if coarse else FINE_CLASSES
    return label_maps(classes, {f"{file.stem}.jpg": file for file in files})
