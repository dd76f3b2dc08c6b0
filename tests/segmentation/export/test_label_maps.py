import pytest
import torch
import torch.nn.functional as F

from segmentation.export.label_maps import enlarge_labels

SIZES = [
    ((5, 7), (40, 53)),
    ((5, 7), (5, 7)),
    ((9, 11), (4, 6)),  # smaller
    ((9, 4), (3, 30)),  # smaller one way and larger the other
    ((1, 8), (1, 50)),
    ((1, 8), (13, 3)),
    ((6, 1), (50, 1)),
    ((1, 1), (4, 5)),
    ((6, 6), (1, 1)),
]


@pytest.mark.parametrize(("grid", "size"), SIZES)
@pytest.mark.parametrize("kinds", [2, 5, 60])
def test_is_the_largest_of_the_enlarged_masks(grid: tuple[int, int], size: tuple[int, int], kinds: int) -> None:
    labels = torch.randint(kinds, (3, *grid), dtype=torch.int32)
    found = enlarge_labels(labels, *size)
    assert found.dtype == torch.int32
    assert found.shape == (3, *size)
    masks = F.one_hot(labels.long(), kinds).permute(0, 3, 1, 2).float()
    weights = F.interpolate(masks, size, mode="bilinear", align_corners=False)
    most, best = weights.topk(2, dim=1)
    clear = most[:, 0] - most[:, 1] > 1e-5
    assert clear.any() or size == (1, 1)
    assert torch.equal(found[clear].long(), best[:, 0][clear])
    # where two labels weigh the same, one of the heaviest
    own = weights.gather(1, found.long()[:, None])[:, 0]
    assert (most[:, 0] - own).max() < 1e-5


def test_ties_go_to_the_first_of_the_four_tokens() -> None:
    labels = torch.tensor([[[4, 3], [2, 1]]])
    assert enlarge_labels(labels, 1, 1).tolist() == [[[4]]]
    assert enlarge_labels(labels, 3, 3).tolist() == [[[4, 4, 3], [4, 4, 3], [2, 2, 1]]]


def test_any_labels() -> None:
    labels = torch.tensor([[[-7, 2**40]]])
    assert enlarge_labels(labels, 1, 2).tolist() == [[[-7, 2**40]]]
    assert enlarge_labels(labels[:0], 3, 4).shape == (0, 3, 4)
