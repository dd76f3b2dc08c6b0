"""``Segmentor`` from Python: any photos, the same whatever else is in the batch, and folders that are no model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segmentation.data.formats import PhotoError
from segmentation.prediction.clusters import read_mapping
from segmentation.prediction.panoptic import Prediction
from segmentation.prediction.segmentor import Segmentor
from tests.segmentation.prediction.samples import NUM_CLUSTERS, scene, tiny_model, tiny_settings, write_model

SIZES = [(60, 90), (97, 41), (60, 90), (33, 200)]
LOOSE: dict[str, Any] = {"confidence": 0.2, "stuff_area": 9}


@pytest.fixture(scope="module")
def segmentor() -> Segmentor:
    settings = tiny_settings()
    return Segmentor(tiny_model(settings), settings, device="cpu", **LOOSE)


def check_same(found: Prediction, expected: Prediction) -> None:
    assert (found.height, found.width) == (expected.height, expected.width)
    assert found.segments == expected.segments
    np.testing.assert_array_equal(found.semantic, expected.semantic)
    np.testing.assert_array_equal(found.panoptic.ids, expected.panoptic.ids)
    assert found.panoptic.segments == expected.panoptic.segments


def check(found: Prediction, height: int, width: int) -> None:
    assert (found.height, found.width) == (height, width)
    assert found.semantic.shape == found.panoptic.ids.shape == (height, width)
    assert 0 <= found.semantic.min() <= found.semantic.max() < NUM_CLUSTERS
    assert [segment.kind for segment in found.segments] == sorted(segment.kind for segment in found.segments)
    for segment in found.segments:
        assert segment.mask.shape == (height, width)
        assert segment.cluster in range(NUM_CLUSTERS)


def test_alone_and_in_a_batch(segmentor: Segmentor) -> None:
    photos = [scene(*size, seed) for seed, size in enumerate(SIZES)]
    together = segmentor.predict_photos(photos)
    assert any(found.segments for found in together)
    assert any(found.panoptic.segments for found in together)
    for photo, found in zip(photos, together, strict=True):
        check(found, *photo.shape[:2])
        check_same(segmentor.predict(photo), found)
    assert set(segmentor.costs.seconds) == {"decode", "network", "masks"}


def test_files_pil_images_and_arrays(segmentor: Segmentor, tmp_path: Path) -> None:
    photo = scene(50, 64)
    Image.fromarray(photo).save(tmp_path / "a.png")
    expected = segmentor.predict(photo)
    for way in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(photo), np.asfortranarray(photo)):
        check_same(segmentor.predict(way), expected)
    assert segmentor.predict_photos([]) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (400, 9)])
@pytest.mark.parametrize("refine", [False, True])
def test_odd_sizes(segmentor: Segmentor, size: tuple[int, int], refine: bool) -> None:
    other = Segmentor(segmentor.model, tiny_settings(), device="cpu", refine=refine, **LOOSE)
    check(other.predict(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)), *size)


def test_what_is_in_a_folder_is_the_model(segmentor: Segmentor, model_folder: Path) -> None:
    photo = scene(50, 64)
    loaded = Segmentor.from_pretrained(model_folder, "cpu", **LOOSE)
    check_same(loaded.predict(photo), segmentor.predict(photo))
    check(Segmentor.from_pretrained(str(model_folder), "cpu", "bfloat16", size=96).predict(photo), 50, 64)


def test_clusters_of_one_name_are_one(segmentor: Segmentor) -> None:
    photo = scene(60, 90)
    options = {"device": "cpu", "snap": None, **LOOSE}  # random masks of random keys: few are left of them otherwise
    plain = Segmentor(segmentor.model, tiny_settings(), **options).predict(photo)
    clusters = {segment.cluster for segment in (*plain.segments, *plain.panoptic.segments)}
    assert len(clusters) > 1
    rows = {str(cluster): {"name": "all", "kind": "stuff"} for cluster in clusters}
    names = read_mapping({"clusters": rows})
    named = Segmentor(segmentor.model, tiny_settings(), names=names, **options).predict(photo)
    first = min(cluster for cluster in clusters if cluster is not None)
    assert {segment.cluster for segment in named.segments} == {first}
    assert [segment.rle for segment in named.segments] == [segment.rle for segment in plain.segments]
    [only] = named.panoptic.segments
    assert (only.cluster, only.is_thing) == (first, False)


@pytest.mark.parametrize(
    ("photos", "error", "message"),
    [
        ("a.png", TypeError, "'photos' must be a list of photos, got one of type str"),
        ([np.zeros((4, 4, 3))], TypeError, r"uint8 arrays \[H, W, 3\], got an array float64 \[4, 4, 3\]"),
        ([np.zeros((0, 4, 3), np.uint8)], ValueError, "'photos' must have pixels"),
        (["none.png"], PhotoError, "cannot be read: No such file"),
    ],
)
def test_bad_photos(
    segmentor: Segmentor, photos: Any, error: type[Exception], message: str, as_users_call_it: None
) -> None:
    with pytest.raises(error, match=message):
        segmentor.predict_photos(photos)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 7}, ValueError, "'size' must be at least 8, got 7"),
        ({"size": 64.0}, TypeError, "'size' must be an int"),
        ({"max_masks": 0}, ValueError, "'max_masks' must be at least 1"),
        ({"max_overlap": 2}, ValueError, r"'max_overlap' must be in \[0, 1\], got 2"),
        ({"confidence": -0.1}, ValueError, r"'confidence' must be in \[0, 1\]"),
        ({"overlap": "half"}, TypeError, "'overlap' must be a number"),
        ({"stuff_area": -1}, ValueError, "'stuff_area' must be at least 0"),
        ({"semantic_threshold": float("nan")}, ValueError, "'semantic_threshold' must be"),
        ({"refine": "yes"}, TypeError, "'refine' must be true or false, got str 'yes'"),
        ({"speed": 9}, ValueError, r"'changes' must be settings \(size, .*\), got speed"),
        ({"device": "abacus"}, ValueError, "'device' must be 'auto' or a device that is there"),
        ({"dtype": "int8"}, ValueError, "'dtype' must be one of"),
        ({"names": {"9": {}}}, ValueError, "'names' must be of clusters from 0 to 8, got 9"),
        (
            {"names": {"1": {"name": "a", "kind": "thing"}, "2": {"name": "a", "kind": "stuff"}}},
            ValueError,
            "'names' must have one kind for 'a', got thing and stuff",
        ),
    ],
    ids=str,
)
def test_bad_options(
    segmentor: Segmentor, options: dict[str, Any], error: type[Exception], message: str, as_users_call_it: None
) -> None:
    if "names" in options:
        options = {"names": read_mapping({"clusters": options["names"]})}
    with pytest.raises(error, match=message):
        Segmentor(segmentor.model, tiny_settings(), **{"device": "cpu", **options})


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def replace(name: str, text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text(text)


def retrained(folder: Path) -> None:
    config = (folder / "config.yaml").read_text()
    write_model(folder, "decoder.layers=1", "head.hidden=16")
    (folder / "config.yaml").write_text(config)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (remove("model.safetensors"), FileNotFoundError, "has no trained model: there is no model.safetensors"),
        (remove("config.yaml"), FileNotFoundError, "has no trained model: there is no config.yaml"),
        (replace("model.safetensors", "none"), ValueError, r"model.safetensors' is damaged or no model"),
        (replace("config.yaml", "masks: [1"), ValueError, "config.yaml' is damaged or of another version: while"),
        (replace("config.yaml", "speed: 9"), ValueError, "config.yaml' is damaged or of another version: 'speed' is"),
        (replace("config.yaml", ""), ValueError, "config.yaml' is damaged or of another version"),
        (
            retrained,
            ValueError,
            r"a model that does not fit its config.yaml: .*: \d+ missing \(mask_decoder.layers.1.*, \.\.\.\), "
            r"5 of another shape \(head.mlp.0",
        ),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_folders_that_are_no_model(
    change: Callable[[Path], Any], error: type[Exception], message: str, tmp_path: Path, as_users_call_it: None
) -> None:
    write_model(tmp_path)
    change(tmp_path)
    with pytest.raises(error, match=message):
        Segmentor.from_pretrained(tmp_path, "cpu")
