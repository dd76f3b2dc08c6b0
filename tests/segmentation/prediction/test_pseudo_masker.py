"""``PseudoMasker`` from Python: any photos, and the same masks whatever else is in the batch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from segmentation.config import MaskSettings, load_preset
from segmentation.data.decode import read_photo
from segmentation.data.formats import PhotoError
from segmentation.data.model_input import token_grid
from segmentation.models.encoder import TokenEncoder
from segmentation.prediction.masker import PseudoMasker
from segmentation.segments.segment import PhotoMasks

Pixels = NDArray[np.uint8]
SIZES = [(60, 90), (97, 41), (60, 90), (33, 200), (120, 120)]


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    torch.manual_seed(0)
    return TokenEncoder("vit_tiny_patch16_224", init="random")


@pytest.fixture(scope="module")
def masker(encoder: TokenEncoder) -> PseudoMasker:
    return PseudoMasker(encoder, settings=load_preset(size=96), device="cpu")


def scene(height: int, width: int, seed: int = 0) -> Pixels:
    """Boxes of one colour with a little noise."""
    rng = np.random.default_rng(seed)
    photo = np.empty((height, width, 3), dtype=np.uint8)
    photo[:] = rng.integers(0, 246, 3)
    for _ in range(6):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        bottom, right = top + int(rng.integers(1, height)), left + int(rng.integers(1, width))
        photo[top:bottom, left:right] = rng.integers(0, 246, 3)
    return photo + rng.integers(0, 10, photo.shape, dtype=np.uint8)


@pytest.fixture(scope="module")
def photos() -> list[Pixels]:
    return [scene(*size, seed) for seed, size in enumerate(SIZES)]


def check_same(found: PhotoMasks, expected: PhotoMasks) -> None:
    assert (found.height, found.width, found.levels) == (expected.height, expected.width, expected.levels)
    assert found.labels.keys() == expected.labels.keys()
    for kind, labels in expected.labels.items():
        np.testing.assert_array_equal(found.labels[kind], labels)
    assert len(found.segments) == len(expected.segments)
    for one, other in zip(found.segments, expected.segments, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert replace(one, score=0.0) == replace(other, score=0.0)


def check(found: PhotoMasks, photo: Pixels, settings: MaskSettings) -> None:
    """What holds for the masks of any photo."""
    height, width = photo.shape[:2]
    assert (found.height, found.width) == (height, width)
    assert found.levels == settings.levels
    assert list(found.labels) == (["instance", "semantic"] if settings.semantic else ["instance"])
    grid = token_grid(height, width, settings.size, 16)
    for labels in found.labels.values():
        assert labels.shape == (len(settings.levels), *grid)
        assert labels.dtype == np.int32
        for level in labels:
            assert np.unique(level).tolist() == list(range(level.max() + 1))
    assert [s.kind for s in found.segments] == sorted(s.kind for s in found.segments)
    for kind in found.labels:
        scores = [segment.score for segment in found.of_kind(kind)]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) <= settings.max_masks
    for segment in found.segments:
        assert 0 < segment.score <= 1
        assert segment.levels == tuple(sorted(set(segment.levels))) != ()
        assert set(segment.levels) <= set(range(len(settings.levels)))
        assert segment.rle["size"] == [height, width]
        mask = segment.mask
        assert segment.area == mask.sum() > 0
        rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
        top, left = int(rows[0]), int(columns[0])
        assert segment.box == (left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)
        if segment.parent is not None:
            parent = found.segments[segment.parent]
            assert parent.kind == segment.kind
            assert parent.area > segment.area


def inside_parents(found: PhotoMasks) -> list[float]:
    """Share of each instance segment that lies in its parent."""
    return [
        float(segment.mask[found.segments[segment.parent].mask].sum() / segment.area)
        for segment in found.of_kind("instance")
        if segment.parent is not None
    ]


def test_photos_alone_and_in_a_batch(masker: PseudoMasker, photos: list[Pixels]) -> None:
    together = masker(photos)
    assert sum(len(found.segments) for found in together) > 20
    for photo, found in zip(photos, together, strict=True):
        check_same(masker([photo])[0], found)
        check(found, photo, masker.settings)
    order = [3, 0, 4, 1]
    for index, found in zip(order, masker([photos[index] for index in order]), strict=True):
        check_same(found, together[index])


def test_files_pil_images_and_arrays(masker: PseudoMasker, photos: list[Pixels], tmp_path: Path) -> None:
    expected = masker(photos[:2])
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for photo, path in zip(photos, paths, strict=False):
        Image.fromarray(photo).save(path)
    opened = [Image.open(path) for path in paths]
    ways: list[list[Any]] = [
        list(paths),
        [str(path) for path in paths],
        [Image.fromarray(photo) for photo in photos[:2]],
        opened,
        [photos[0], paths[1]],
        [np.asfortranarray(photo) for photo in photos[:2]],
        [np.ascontiguousarray(photo[..., ::-1])[..., ::-1] for photo in photos[:2]],
        [np.asarray(image) for image in opened],  # read-only
    ]
    for way in ways:
        for found, wanted in zip(masker(way), expected, strict=True):
            check_same(found, wanted)


def test_pil_images_of_other_modes(masker: PseudoMasker, photos: list[Pixels]) -> None:
    grey = Image.fromarray(photos[0]).convert("L")
    check_same(masker([grey])[0], masker([np.repeat(np.asarray(grey)[..., None], 3, axis=2)])[0])
    palette = Image.fromarray(photos[0]).quantize(8)
    check_same(masker([palette])[0], masker([np.asarray(palette.convert("RGB"))])[0])


def test_photos_are_not_changed(masker: PseudoMasker, photos: list[Pixels]) -> None:
    before = [photo.copy() for photo in photos]
    masker(photos)
    for photo, same in zip(photos, before, strict=True):
        np.testing.assert_array_equal(photo, same)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (2, 3), (700, 9)])
def test_odd_sizes(masker: PseudoMasker, photos: list[Pixels], size: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    alone, _ = masker([photo, photos[0]])
    check(alone, photo, masker.settings)
    check_same(masker([photo])[0], alone)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_photos(masker: PseudoMasker, value: int) -> None:
    photo = np.full((50, 70, 3), value, dtype=np.uint8)
    check(masker([photo])[0], photo, masker.settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"refine": False},
        {"semantic": False},
        {"max_overlap": 1.0},
        {"max_overlap": 0.0},
        {"max_share": 0.0},
        {"max_share": 1.0},
        {"max_masks": 2},
        {"min_area": 1},
        {"min_area": 10_000},
        {"thresholds": [0.5]},
        {"thresholds": [0.5], "features": "vote", "center": "none"},
        {"ratios": [0.4, 0.1], "linkage": "single"},
        {"mirror": False},
    ],
    ids=str,
)
def test_settings_hold(encoder: TokenEncoder, photos: list[Pixels], changes: dict[str, Any]) -> None:
    settings = load_preset(size=96, **changes)
    masker = PseudoMasker(encoder, settings=settings, device="cpu")
    found = masker(photos[:2])
    for masks, photo in zip(found, photos, strict=False):
        check(masks, photo, settings)
    count = sum(len(masks.segments) for masks in found)
    assert (count == 0) == (changes in ({"max_share": 0.0}, {"min_area": 10_000}))


def test_real_photos(shared: Path) -> None:
    [weights] = (shared / "weights").glob("vit_small_patch14_*.safetensors")
    settings = load_preset(size=224)
    masker = PseudoMasker("vit_small_patch14_dinov2", weights, settings=settings, device="cpu")
    files = sorted((shared / "data" / "coco").rglob("*.jpg"))
    sizes: dict[tuple[int, ...], Path] = {}
    for file in files[:20]:
        with Image.open(file) as image:
            sizes.setdefault(image.size, file)
    chosen = list(sizes.values())[:3]
    assert len(chosen) == 3
    together = masker(chosen)
    shares = []
    for path, found in zip(chosen, together, strict=True):
        check_same(masker([path])[0], found)
        assert (found.height, found.width) == read_photo(path).shape[:2]
        assert len(found.of_kind("instance")) > 10
        assert found.of_kind("semantic")
        shares += inside_parents(found)
    assert len(shares) > 10
    assert np.mean(np.array(shares) > 0.5) > 0.98  # chosen on a coarser grid than that of the photo
    assert np.mean(shares) > 0.95
    finest, coarsest = (len(together[0].at_level(level)) for level in (0, len(settings.levels) - 1))
    assert finest > coarsest
    # nearly disjoint at a level: a segment also stands for near-duplicates at levels where it is too large itself, and
    # one that lives between two levels is listed at the coarser one
    doubled = [
        float((np.sum([segment.mask for segment in found.at_level(level)], axis=0) > 1).mean())
        for found in together
        for level in range(len(settings.levels))
        if found.at_level(level)
    ]
    assert np.mean(doubled) < 0.08
    assert max(doubled) < 0.35
    assert set(masker.costs.seconds) == {"decode", "encode", "pool", "score"}


def test_no_photos(masker: PseudoMasker) -> None:
    assert masker([]) == []
    assert masker(()) == []


@pytest.mark.parametrize(
    ("photos", "error", "message"),
    [
        ("a.png", TypeError, "'photos' must be a list of photos, got one of type str"),
        (Path("a.png"), TypeError, "'photos' must be a list of photos, got one of type Posix"),
        (Image.new("RGB", (4, 4)), TypeError, "'photos' must be a list of photos, got one of type Image"),
        (np.zeros((2, 4, 4, 3), np.uint8), TypeError, "'photos' must be a list of photos, got one of type ndarray"),
        ([np.zeros((4, 4, 3))], TypeError, r"uint8 arrays \[H, W, 3\], got an array float64 \[4, 4, 3\]"),
        ([np.zeros((4, 4), np.uint8)], TypeError, r"got an array uint8 \[4, 4\]"),
        ([np.zeros((4, 4, 4), np.uint8)], TypeError, r"got an array uint8 \[4, 4, 4\]"),
        ([np.zeros((0, 4, 3), np.uint8)], ValueError, r"'photos' must have pixels, got an array \[0, 4, 3\]"),
        ([None], TypeError, "'photos' must hold files, PIL images or uint8 arrays .*, got NoneType None"),
        ([torch.zeros(3, 4, 4)], TypeError, "'photos' must hold .*, got a float32 tensor"),
        (["none.png"], PhotoError, "cannot be read: No such file"),
    ],
)
def test_bad_photos(
    masker: PseudoMasker, photos: Any, error: type[Exception], message: str, as_users_call_it: None
) -> None:
    with pytest.raises(error, match=message):
        masker(photos)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda e: PseudoMasker(e, "w.safetensors"), "'weights' must be None with an encoder that is made already"),
        (lambda e: PseudoMasker(e, settings=load_preset(size=15)), "'size' must be at least the patch of 16, got 15"),
        (lambda e: PseudoMasker(e, device="abacus"), "'device' must be 'auto' or a device that is there, got 'abacus'"),
        (lambda e: PseudoMasker(e, device="cpu", dtype="int8"), "'dtype' must be one of .*, got 'int8'"),
        (lambda e: PseudoMasker("vit_tinny"), "'name' must be the name of a timm model"),
    ],
)
def test_bad_maskers(
    encoder: TokenEncoder, make: Callable[[TokenEncoder], PseudoMasker], message: str, as_users_call_it: None
) -> None:
    with pytest.raises(ValueError, match=message):
        make(encoder)
