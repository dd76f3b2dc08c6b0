"""The options of Online Agglomerative Pooling, and the numerics that it keeps under all of them."""

import pytest
import torch
import torch.nn.functional as F

import graphpool.affinity
from graphpool import AgglomerativePool, OnlineAgglomerativePooling, grid_graph
from tests.graphpool.test_online import THRESHOLDS, assert_equals_algorithm1, assert_loop, partitions, quietly, regions
from tests.oracles.algorithm1 import algorithm1, contracted, start


def test_as_many_anchors_as_tokens_are_exact() -> None:
    x, edges = regions(9, 9, 16), grid_graph(9, 9)
    exact = partitions(OnlineAgglomerativePooling()(x, edges))
    for anchors, agree in ((81, 1.0), (500, 1.0), (27, 0.8)):
        for one, other in zip(exact, partitions(OnlineAgglomerativePooling(anchors=anchors)(x, edges)), strict=True):
            same = (one.cluster.unsqueeze(0) == one.cluster.unsqueeze(1)) == (
                other.cluster.unsqueeze(0) == other.cluster.unsqueeze(1)
            )
            assert same.double().mean() >= agree


def test_feature_weight_1_builds_no_affinity_of_all_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("built A")

    monkeypatch.setattr(graphpool.affinity_state, "affinity_rows", refuse)
    x, edges = regions(9, 9, 16), grid_graph(9, 9)
    OnlineAgglomerativePooling(feature_weight=1)(x, edges)
    for features in ("vote", "mean", "sum"):
        AgglomerativePool(feature_weight=1, features=features)(x, edges)


def test_vote_in_chunks_equals_the_vote_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, edges = torch.cat([regions(9, 9, 16), regions(5, 4, 16)]), grid_graph(9, 9)
    edges = torch.cat([edges, grid_graph(5, 4) + 81], dim=1)
    batch = torch.tensor([0] * 81 + [1] * 20)
    whole = OnlineAgglomerativePooling(feature_weight=1)(x, edges, batch)
    monkeypatch.setattr(graphpool.vote, "_CHUNK_BYTES", {"cpu": 81 * 4 * 7, "cuda": 2 * 81 * 4 * 7})
    for one, other in zip(
        partitions(whole), partitions(OnlineAgglomerativePooling(feature_weight=1)(x, edges, batch)), strict=True
    ):
        torch.testing.assert_close(one.x, other.x, rtol=0, atol=1e-5)


@pytest.mark.parametrize("feature_weight", [0.6, 1.0])
def test_pairs_in_blocks_are_grouped_as_pairs_at_once(feature_weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    x, edges = torch.cat([torch.randn(81, 5), torch.randn(20, 5)]), grid_graph(9, 9)
    edges = torch.cat([edges, grid_graph(5, 4) + 81], dim=1)
    batch = torch.tensor([0] * 81 + [1] * 20)
    pool = OnlineAgglomerativePooling(feature_weight=feature_weight)
    whole = pool(x, edges, batch)
    monkeypatch.setattr(graphpool.threshold_grouping, "_BLOCK_PAIRS", {"cpu": 2 * 81 * 7})
    for one, other in zip(partitions(whole), partitions(pool(x, edges, batch)), strict=True):
        assert torch.equal(one.cluster, other.cluster)
        assert torch.equal(one.x, other.x)


def test_mean_features_are_averages_of_tokens() -> None:
    x, edges = regions(9, 9, 16), grid_graph(9, 9)
    tokens = F.normalize(x, dim=1)
    for partition in partitions(OnlineAgglomerativePooling(features="mean")(x, edges)):
        for supernode, feature in enumerate(partition.x):
            average = tokens[partition.cluster == supernode].mean(0)
            torch.testing.assert_close(feature, average / average.norm(), rtol=1e-4, atol=1e-5)


def test_centring_separates_tokens_that_share_a_direction() -> None:
    x, edges = regions(12, 12, 24), grid_graph(12, 12)
    shifted = x + 20 * F.normalize(torch.randn(24), dim=0)
    with pytest.warns(UserWarning, match="center='graph'"):
        merged = OnlineAgglomerativePooling()(shifted, edges)
    assert merged.levels[0].instance.area.tolist() == [144]
    plain, centred = (OnlineAgglomerativePooling(center="graph")(tokens, edges) for tokens in (x, shifted))
    assert len(centred.levels[0].instance.area) > 3
    for one, other in zip(partitions(plain), partitions(centred), strict=True):
        assert torch.equal(one.cluster, other.cluster)


def test_centring_is_for_grouping_only() -> None:
    x, edges = regions(9, 9, 16), grid_graph(9, 9)
    tokens = F.normalize(x, dim=1)
    centred = F.normalize(x - x.mean(0), dim=1)
    hierarchy = OnlineAgglomerativePooling(center="graph")(x, edges)
    instance = hierarchy.levels[0].instance
    sums = torch.stack([centred[instance.cluster == index].sum(0) for index in range(len(instance.area))])
    expected = F.normalize(torch.softmax(sums @ centred.T / 0.07, dim=1) @ tokens, dim=1)
    torch.testing.assert_close(instance.x, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [1, 16])
def test_blank_photos_fall_back_to_raw_tokens(size: int) -> None:
    side = int(size**0.5)
    blank = torch.randn(1, 8).expand(size, 8)
    photo = regions(4, 4, 8)
    batch = torch.tensor([0] * size + [1] * 16)
    edges = torch.cat([grid_graph(side, side), grid_graph(4, 4) + size], dim=1)
    hierarchy = OnlineAgglomerativePooling(center="graph")(torch.cat([blank, photo]), edges, batch)
    for partition in partitions(hierarchy):
        assert partition.x.isfinite().all()
        assert (partition.cluster[:size] == 0).all()
        torch.testing.assert_close(partition.x[0], F.normalize(blank[0], dim=0), rtol=0, atol=1e-5)


def test_values_are_read_with_the_same_weights() -> None:
    x, edges = regions(9, 9, 16), grid_graph(9, 9)
    plain = OnlineAgglomerativePooling()(x, edges)
    values = torch.randn(81, 5)
    other = OnlineAgglomerativePooling()(x, edges, values=values)
    again = OnlineAgglomerativePooling()(x, edges, values=F.normalize(x, dim=1))
    for one, two, three in zip(partitions(plain), partitions(other), partitions(again), strict=True):
        assert torch.equal(one.cluster, two.cluster)
        assert two.x.shape == (len(one.area), 5)
        torch.testing.assert_close(one.x, three.x, rtol=0, atol=1e-5)


def test_semantic_levels_have_their_own_thresholds() -> None:
    x, edges = regions(9, 9, 16), grid_graph(9, 9)
    never = OnlineAgglomerativePooling(semantic_thresholds=[1.0] * 5)(x, edges)
    for level in never.levels:
        assert level.semantic is not None
        assert torch.equal(level.semantic.cluster, level.instance.cluster)
    assert all(level.semantic is None for level in OnlineAgglomerativePooling(semantic=False)(x, edges).levels)


def test_autocast_and_reduced_precision_change_nothing() -> None:
    x, edges = regions(12, 12, 24), grid_graph(12, 12)
    expected = partitions(OnlineAgglomerativePooling()(x, edges))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = partitions(OnlineAgglomerativePooling()(x, edges))
            vote = AgglomerativePool()(x, edges)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    for one, other in zip(expected, found, strict=True):
        assert torch.equal(one.x, other.x)
    assert torch.equal(vote.x, AgglomerativePool()(x, edges).x)


def test_bfloat16_keys_stray_little_from_single_precision() -> None:
    agree = []
    for _ in range(10):
        x = regions(12, 12, 48)
        for one, other in zip(
            partitions(OnlineAgglomerativePooling()(x, grid_graph(12, 12))),
            partitions(OnlineAgglomerativePooling()(x.bfloat16(), grid_graph(12, 12))),
            strict=True,
        ):
            together = one.cluster.unsqueeze(0) == one.cluster.unsqueeze(1)
            agree.append((together == (other.cluster.unsqueeze(0) == other.cluster.unsqueeze(1))).double().mean())
            assert other.x.dtype == torch.bfloat16
    assert torch.stack(agree).mean() > 0.97  # of pairs of tokens (Rand index)


def test_runs_twice_with_the_same_bits() -> None:
    x, edges = regions(12, 12, 24), grid_graph(12, 12)
    for one, other in zip(
        partitions(OnlineAgglomerativePooling()(x, edges)),
        partitions(OnlineAgglomerativePooling()(x, edges)),
        strict=True,
    ):
        assert torch.equal(one.x, other.x)


def test_masks_of_a_batch_of_grids() -> None:
    photos = torch.cat([regions(6, 5, 12), regions(6, 5, 12)])
    hierarchy = OnlineAgglomerativePooling(min_area=2)(
        photos, grid_graph(6, 5, 2), torch.arange(2).repeat_interleave(30)
    )
    for partition in partitions(hierarchy):
        masks = partition.masks((6, 5))
        assert masks.shape == (int(partition.keep.sum()), 6, 5)
        assert masks.sum((1, 2)).tolist() == partition.area[partition.keep].tolist()
        by_graph = partition.masks([(6, 5), (6, 5)])
        assert torch.equal(torch.cat(by_graph), masks)


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("feature_weight", [0.6, 0.3, 1.0])
@pytest.mark.parametrize("noise", [0.3, 0.9, 1.5])
def test_repeated_contraction_is_algorithm_1_to_the_letter(
    feature_weight: float, noise: float, inclusive: bool
) -> None:
    edges, differ = grid_graph(11, 13), 0
    pool = OnlineAgglomerativePooling(THRESHOLDS, feature_weight, repeat=True, inclusive=inclusive)
    once = OnlineAgglomerativePooling(THRESHOLDS, feature_weight)
    options = {"feature_weight": feature_weight, "repeat": True, "inclusive": inclusive}
    for _ in range(2):
        x = regions(11, 13, 16, noise=noise).double()
        with quietly():
            hierarchy = pool(x, edges)
            assert_equals_algorithm1(hierarchy, x, edges, 1e-9, **options)
            differ += any(
                one.area.numel() != other.area.numel()
                for one, other in zip(partitions(hierarchy), partitions(once(x, edges)), strict=True)
            )
    assert differ or noise == 0.3  # plain regions, of which one round leaves no edge


def test_repeated_contraction_of_random_graphs() -> None:
    pool = OnlineAgglomerativePooling(THRESHOLDS, repeat=True)
    for channels in (2, 3, 5, 8):
        for _ in range(6):
            x, edges = torch.randn(60, channels, dtype=torch.double), torch.randint(60, (2, 90))
            with quietly():
                hierarchy = pool(x, edges)
            assert_equals_algorithm1(hierarchy, x, edges, 1e-9, repeat=True)


def test_repeated_contraction_leaves_no_edge_above_the_threshold() -> None:
    edges, left = grid_graph(11, 13), 0
    x = regions(11, 13, 16).double()
    _, affinity = start(x, edges)
    for repeat in (False, True):
        levels = algorithm1(x, edges, THRESHOLDS, repeat=repeat)
        above = sum(
            int(contracted(graph, affinity, threshold, 0.6, False).sum())
            for threshold, pair in zip(THRESHOLDS, levels, strict=True)
            for graph in pair
            if graph is not None
        )
        left, before = above, left
    assert before > 0
    assert left == 0


def test_a_batch_is_contracted_as_often_as_each_graph_needs() -> None:
    photos = [regions(9, 8, 16, 3 + 4 * index, noise=0.3 + 0.3 * index) for index in range(4)]
    values = torch.randn(4 * 72, 5)
    for features in ("vote", "mean"):
        pool = OnlineAgglomerativePooling(repeat=True, features=features)
        batch = torch.arange(4).repeat_interleave(72)
        with quietly():
            together = pool(torch.cat(photos), grid_graph(9, 8, 4), batch, values=values)
            pairs = zip(photos, values.split(72), strict=True)
            alone = [pool(photo, grid_graph(9, 8), values=own) for photo, own in pairs]
        assert_loop(together, alone, exact=features == "vote")


@pytest.mark.parametrize("feature_weight", [1.0, 0.5])
def test_an_edge_at_the_threshold(feature_weight: float) -> None:
    """Tokens whose scores are exactly 0.5: S^f = S^s = 0.5 in floats of any precision."""
    tokens = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]]).repeat_interleave(8, 0)
    edges = grid_graph(4, 4)
    for dtype in (torch.float32, torch.float64):
        x = tokens.to(dtype)
        for inclusive, count in ((False, 2), (True, 1)):
            options = {"feature_weight": feature_weight, "inclusive": inclusive}
            with quietly():
                [level] = OnlineAgglomerativePooling([0.5], **options)(x, edges).levels
            [(instance, semantic)] = algorithm1(x.double(), edges, (0.5,), **options)
            assert semantic is not None
            assert level.semantic is not None
            assert level.instance.area.numel() == len(instance.masks) == count
            assert level.semantic.area.numel() == len(semantic.masks)
        never = OnlineAgglomerativePooling([0.5 + 1e-6], feature_weight, inclusive=True)(x, edges)
        assert never.levels[0].instance.area.numel() == 2


def test_semantic_pairs_at_the_threshold() -> None:
    """Two regions that do not touch, at 0.5 to each other: a semantic pair, no instance edge."""
    first, other = torch.tensor([1.0, 0, 0, 0]), torch.full((4,), 0.5)
    tokens, edges = torch.stack([first] * 4 + [-first] * 8 + [other] * 4), grid_graph(4, 4)
    found = {}
    for inclusive in (False, True):
        pool = OnlineAgglomerativePooling([0.5], 1.0, features="mean", inclusive=inclusive)
        [level] = pool(tokens, edges).levels
        assert level.instance.area.tolist() == [4, 8, 4]
        assert level.semantic is not None
        found[inclusive] = level.semantic.area.tolist()
    assert found == {False: [4, 8, 4], True: [8, 8]}
