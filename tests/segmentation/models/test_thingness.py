"""The running mean score of clusters, against one written out."""

import torch

from segmentation.models.universal_model import Thingness


def test_mean_of_what_was_seen() -> None:
    thingness = Thingness(6, memory=0.8)
    batches = [(torch.randint(5, (40,)), torch.rand(40)) for _ in range(9)]  # the last cluster has none
    for named, scores in batches:
        counts = torch.bincount(named, minlength=6).float()
        thingness.update(torch.bincount(named, scores, minlength=6).float(), counts)
    weights = [0.8**age for age in reversed(range(9))]
    pairs = list(zip(weights, batches, strict=True))
    every = sum(w * float(s.sum()) for w, (_, s) in pairs) / sum(w * len(s) for w, (_, s) in pairs)
    expected = []
    for cluster in range(6):
        total = sum(w * float(s[named == cluster].sum()) for w, (named, s) in pairs)
        count = sum(w * float((named == cluster).sum()) for w, (named, _) in pairs)
        expected.append((total + 8 * every) / (count + 8))
    torch.testing.assert_close(thingness(), torch.tensor(expected) / max(expected), rtol=1e-5, atol=1e-6)


def test_nothing_seen() -> None:
    thingness = Thingness(4)
    assert torch.equal(thingness(), torch.ones(4))
    thingness.update(torch.zeros(4), torch.zeros(4))
    assert torch.equal(thingness(), torch.ones(4))
