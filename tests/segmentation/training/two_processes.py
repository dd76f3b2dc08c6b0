"""One of two processes that do together what :class:`Processes` offers; ``FILE`` takes what it saw."""

import json
import sys
from pathlib import Path

import torch
from torch import nn

from segmentation.training.distributed import Processes


def network(seed: int) -> nn.Module:
    """Layers of two types, one of which never has a gradient and one only on some inputs."""
    torch.manual_seed(seed)
    layers = {"first": nn.Linear(5, 4), "wide": nn.Linear(4, 3).double(), "unused": nn.Linear(2, 2)}
    return nn.ModuleDict({**layers, "sometimes": nn.Linear(4, 1)})


def loss(layers: nn.Module, x: torch.Tensor, sometimes: bool) -> torch.Tensor:
    assert isinstance(layers, nn.ModuleDict)
    hidden = layers["first"](x).tanh()
    total = layers["wide"](hidden.double()).square().sum()
    return total + layers["sometimes"](hidden).sum() if sometimes else total


def inputs() -> torch.Tensor:
    return torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(3))


def main(path: Path) -> None:
    processes = Processes.start(torch.device("cpu"))
    rank = processes.rank
    seen: dict[str, object] = {"rank": rank, "world": processes.world, "main": processes.is_main}
    values = torch.tensor([1.0, 10.0]) * (rank + 1)
    seen["sum"] = processes.sum(values).tolist()
    seen["values"] = values.tolist()  # as they were
    seen["count"] = processes.sum(torch.tensor(2**40 + rank)).item()
    seen["agree"] = [processes.agree(flag) for flag in (False, rank == 0, rank == 1, True)]
    layers = network(seed=0)
    loss(layers, inputs()[rank], sometimes=rank == 1).backward()
    processes.sum_gradients(layers.parameters())
    seen["gradients"] = {
        name: None if parameter.grad is None else parameter.grad.tolist()
        for name, parameter in layers.named_parameters()
    }
    processes.barrier()
    processes.close()
    processes.close()
    path.write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
