import numpy as np
import pytest

from segmentation.scene_generator.scene import CATEGORIES, Scene, make_scene

SEED = 17


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [make_scene(index, seed=SEED) for index in range(120)]


def test_ids_are_those_of_the_segments(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert [segment.id for segment in scene.segments] == list(range(1, len(scene.segments) + 1))
        assert np.array_equal(np.unique(scene.panoptic), [segment.id for segment in scene.segments])


def test_maps_agree(scenes: list[Scene]) -> None:
    for scene in scenes:
        for segment in scene.segments:
            inside = scene.panoptic == segment.id
            assert CATEGORIES[segment.category].is_thing == segment.is_thing
            assert (scene.semantic[inside] == segment.category).all()
            assert (scene.instances[inside] == (segment.id if segment.is_thing else 0)).all()


def test_what_is_in_a_scene(scenes: list[Scene]) -> None:
    for scene in scenes:
        stuff = [segment.category for segment in scene.segments if not segment.is_thing]
        things = [segment.id for segment in scene.segments if segment.is_thing]
        assert len(set(stuff)) == len(stuff) <= 3
        assert stuff
        assert 2 <= len(things) <= 7
        assert np.bincount(scene.panoptic.ravel())[things].min() >= 20


def test_every_category_and_number_of_things_comes(scenes: list[Scene]) -> None:
    assert {segment.category for scene in scenes for segment in scene.segments} == set(range(len(CATEGORIES)))
    assert {sum(segment.is_thing for segment in scene.segments) for scene in scenes} == {2, 3, 4, 5, 6, 7}
    assert {sum(not segment.is_thing for segment in scene.segments) for scene in scenes} >= {2, 3}


def test_things_of_one_class_touch_sometimes(scenes: list[Scene]) -> None:
    touching = 0
    for scene in scenes:
        for above, below in (
            (scene.panoptic[:-1], scene.panoptic[1:]),
            (scene.panoptic[:, :-1], scene.panoptic[:, 1:]),
        ):
            category = np.array([-1, *(segment.category for segment in scene.segments)])
            touching += bool(((above != below) & (category[above] == category[below])).any())
    assert touching > 10


def test_segments_show_in_the_photo(scenes: list[Scene]) -> None:
    """The regions explain most of the colours: the variance inside them is well below that of the photo."""
    shares = []
    for scene in scenes[:30]:
        photo = scene.photo.astype(float)
        means = np.stack([photo[scene.panoptic == segment.id].mean(0) for segment in scene.segments])
        shares.append(((photo - means[scene.panoptic - 1]) ** 2).sum() / ((photo - photo.mean((0, 1))) ** 2).sum())
    assert np.mean(shares) < 0.5


@pytest.mark.parametrize("size", [32, 33, 75, 160])
def test_sizes(size: int) -> None:
    for index in range(12):
        scene = make_scene(index, seed=SEED, size=size)
        assert scene.photo.shape == (size, size, 3)
        assert scene.panoptic.shape == (size, size)
        assert sum(segment.is_thing for segment in scene.segments) >= 2


def test_arguments_decide() -> None:
    first = make_scene(5, seed=SEED)
    again = make_scene(5, seed=SEED)
    assert np.array_equal(first.photo, again.photo)
    assert np.array_equal(first.panoptic, again.panoptic)
    assert first.segments == again.segments
    for other in (make_scene(6, seed=SEED), make_scene(5, seed=SEED + 1), make_scene(SEED, seed=5)):
        assert not np.array_equal(first.photo, other.photo)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": -1}, "'index' must be at least 0, got -1"),
        ({"index": 0, "seed": -1}, "'seed' must be at least 0, got -1"),
        ({"index": 0, "size": 31}, "'size' must be at least 32, got 31"),
    ],
)
def test_refusals(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_scene(**arguments)
