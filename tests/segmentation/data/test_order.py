from collections import Counter, defaultdict

import pytest

from segmentation.data.order import SampleOrder


def walk(order: SampleOrder, count: int, batch_size: int = 6) -> list[tuple[int, int]]:
    return [item for step in range(-(-count // batch_size)) for item in order.batch(step, batch_size)][:count]


def test_every_epoch_is_a_permutation_of_its_own() -> None:
    found = walk(SampleOrder([4, 7], None, seed=3), 5 * 11)
    epochs = [[index for _, index in found[start : start + 11]] for start in range(0, 55, 11)]
    assert all(sorted(epoch) == list(range(11)) for epoch in epochs)
    assert len(set(map(tuple, epochs))) == 5
    assert [epoch for epoch, _ in found] == [position // 11 for position in range(55)]


def test_batches_of_any_size_walk_the_same_order() -> None:
    for weights in (None, [1.0, 2.0]):
        expected = walk(SampleOrder([4, 7], weights, seed=0), 60, 1)
        assert all(walk(SampleOrder([4, 7], weights, seed=0), 60, size) == expected for size in (5, 7, 30))


@pytest.mark.parametrize("weights", [None, [3.0, 1.0]])
def test_any_step_can_come_first(weights: list[float] | None) -> None:
    order = SampleOrder([5, 9], weights, seed=1)
    expected = {step: order.batch(step, 64) for step in range(200)}
    for step in (199, 0, 130, 63, 64, 65):
        assert SampleOrder([5, 9], weights, seed=1).batch(step, 64) == expected[step]
        assert order.batch(step, 64) == expected[step]


@pytest.mark.parametrize("weights", [None, [3.0, 1.0]])
def test_processes_share_the_batch(weights: list[float] | None) -> None:
    order = SampleOrder([5, 9], weights, seed=1)
    for world in (1, 2, 3, 6):
        parts = [SampleOrder([5, 9], weights, seed=1).batch(7, 12, rank, world) for rank in range(world)]
        assert {len(part) for part in parts} == {12 // world}
        assert [parts[position % world][position // world] for position in range(12)] == order.batch(7, 12)


def test_weights_are_kept() -> None:
    sizes, weights = [10, 500, 40], [1.0, 3.0, 4.0]
    found = walk(SampleOrder(sizes, weights, seed=2), 20_000, 100)
    source = [0 if index < 10 else 1 if index < 510 else 2 for _, index in found]
    for number, weight in enumerate(weights):
        assert source.count(number) / len(found) == pytest.approx(weight / 8, abs=0.015)


def test_each_weighted_source_is_walked_in_permutations() -> None:
    sizes = [10, 50, 40]
    found = walk(SampleOrder(sizes, [1, 3, 4], seed=2), 9_000, 100)
    walked = defaultdict(list)
    for epoch, index in found:
        walked[0 if index < 10 else 1 if index < 60 else 2].append((epoch, index))
    for number, items in walked.items():
        size, first = sizes[number], sum(sizes[:number])
        assert [epoch for epoch, _ in items] == [position // size for position in range(len(items))]
        whole = items[: len(items) // size * size]
        assert set(Counter(whole).values()) == {1}
        assert {index for _, index in whole} == set(range(first, first + size))


def test_the_seed_decides() -> None:
    for weights in (None, [1.0, 1.0]):
        orders = [SampleOrder([50, 50], weights, seed=seed).batch(0, 50) for seed in (0, 0, 1)]
        assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    ("sizes", "weights", "message"),
    [
        ([], None, "'sizes' must name at least one source, got none"),
        ([3, 0], None, "'sizes' must be at least 1, got 0"),
        ([3, 4], [1.0], "'weights' must be 2 finite numbers, one a source"),
        ([3, 4], [1.0, float("inf")], "'weights' must be 2 finite numbers, one a source"),
        ([3, 4], [1.0, 0.0], r"'weights' must be in \(0, inf\], got 0.0"),
    ],
)
def test_refused_sources(sizes: list[int], weights: list[float] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SampleOrder(sizes, weights, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 4), "'step' must be at least 0"),
        ((0, 0), "'batch_size' must be at least 1"),
        ((0, 4, 2, 2), r"'rank' must be below 'world' \(2\), got 2"),
        ((0, 5, 0, 2), r"'batch_size' must be a multiple of 'world' \(2\), got 5"),
    ],
)
def test_refused_batches(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SampleOrder([8], None, seed=0).batch(*arguments)
