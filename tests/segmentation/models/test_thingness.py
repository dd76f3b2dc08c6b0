"""The running mean score of clusters, against one that keeps every segment; and what must not change it."""

import pytest
import torch
from torch import Tensor

from segmentation.models.universal_model import Thingness

CLUSTERS = 6
Batch = tuple[Tensor, Tensor]  # cluster and score of each segment


def batches(count: int = 9, segments: int = 40) -> list[Batch]:
    """Random segments; the last cluster has none."""
    return [(torch.randint(CLUSTERS - 1, (segments,)), torch.rand(segments)) for _ in range(count)]


def learned(batches: list[Batch], memory: float = 0.8) -> Tensor:
    thingness = Thingness(CLUSTERS, memory)
    for clusters, scores in batches:
        counts = torch.bincount(clusters, minlength=CLUSTERS).float()
        thingness.update(torch.bincount(clusters, scores, minlength=CLUSTERS).float(), counts)
    return thingness()


def test_a_segment_weighs_less_with_every_batch_after_it() -> None:
    segments: list[list[float]] = []  # cluster, score, weight
    given = batches()
    for clusters, scores in given:
        segments = [[cluster, score, 0.8 * weight] for cluster, score, weight in segments]
        segments += [[cluster, score, 1.0] for cluster, score in zip(clusters.tolist(), scores.tolist(), strict=True)]
    overall = sum(score * weight for _, score, weight in segments) / sum(weight for *_, weight in segments)
    means = []
    for cluster in range(CLUSTERS):
        of_cluster = [(score, weight) for own, score, weight in segments if own == cluster] + [(overall, 1.0)] * 8
        means.append(sum(score * weight for score, weight in of_cluster) / sum(weight for _, weight in of_cluster))
    expected = torch.tensor([mean / max(means) for mean in means])
    torch.testing.assert_close(learned(given), expected, rtol=1e-5, atol=1e-6)


def test_numbers_worked_out_by_hand() -> None:
    thingness = Thingness(3, memory=0.5)
    thingness.update(torch.tensor([6.0, 2.0, 0.0]), torch.tensor([8.0, 8.0, 0.0]))
    # means of 0.75 and 0.25 over 8 segments, and 8 more of the overall mean of 0.5: 0.625, 0.375 and 0.5
    torch.testing.assert_close(thingness(), torch.tensor([1.0, 0.6, 0.8]))
    thingness.update(torch.tensor([0.0, 3.0, 0.0]), torch.tensor([0.0, 4.0, 0.0]))
    # sums of 3, 4 and 0 over 4, 8 and 0 segments; overall 7 / 12
    means = torch.tensor([(3 + 14 / 3) / 12, (4 + 14 / 3) / 16, 7 / 12])
    torch.testing.assert_close(thingness(), means / means.max())


@pytest.mark.parametrize("memory", [1.0, 0.7])
def test_segments_of_a_batch_come_in_any_order_and_clusters_under_any_number(memory: float) -> None:
    given = batches()
    expected = learned(given, memory)
    order, numbers = torch.randperm(40), torch.randperm(CLUSTERS)
    shuffled = [(clusters[order], scores[order]) for clusters, scores in given]
    torch.testing.assert_close(learned(shuffled, memory), expected)
    renumbered = [(numbers[clusters], scores) for clusters, scores in given]
    torch.testing.assert_close(learned(renumbered, memory)[numbers], expected)


def test_with_a_full_memory_batches_may_be_split_and_swapped() -> None:
    given = batches()
    halves = [(clusters[part], scores[part]) for clusters, scores in given for part in (slice(13), slice(13, None))]
    torch.testing.assert_close(learned(halves[::-1], memory=1.0), learned(given, memory=1.0))


def test_the_unit_of_scores_does_not_matter() -> None:
    given = batches()
    found = learned(given)
    assert found.max() == 1
    assert (found > 0).all()
    torch.testing.assert_close(learned([(clusters, 7 * scores) for clusters, scores in given]), found)


def test_without_segments_all_clusters_are_alike() -> None:
    thingness = Thingness(4)
    assert torch.equal(thingness(), torch.ones(4))
    thingness.update(torch.zeros(4), torch.zeros(4))
    assert torch.equal(thingness(), torch.ones(4))
