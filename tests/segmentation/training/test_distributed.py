"""Two processes on the CPU against one, and broken environments."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from segmentation.training.distributed import Processes
from tests.segmentation.training.two_processes import inputs, loss, network

ROOT = Path(__file__).parents[3]
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes saw."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    with ExitStack() as running:
        started = []
        for rank in range(2):
            environment = {**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            command = [sys.executable, "-m", "tests.segmentation.training.two_processes", str(folder / f"{rank}.json")]
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
            running.enter_context(process)
            running.callback(process.kill)
            started.append(process)
        for process in started:
            _, complaints = process.communicate()
            assert process.returncode == 0, complaints
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_each_knows_its_place(seen: list[dict[str, Any]]) -> None:
    assert [(own["rank"], own["world"], own["main"]) for own in seen] == [(0, 2, True), (1, 2, False)]


def test_sums_and_agrees(seen: list[dict[str, Any]]) -> None:
    for rank, own in enumerate(seen):
        assert own["sum"] == [3.0, 30.0]
        assert own["values"] == [1.0 + rank, 10.0 + 10 * rank]
        assert own["count"] == 2**41 + 1
        assert own["agree"] == [False, True, True, True]


def test_gradients_are_those_of_the_whole_batch(seen: list[dict[str, Any]]) -> None:
    layers = network(seed=0)
    first, second = inputs()
    (loss(layers, first, sometimes=False) + loss(layers, second, sometimes=True)).backward()
    assert seen[0]["gradients"] == seen[1]["gradients"]
    for name, parameter in layers.named_parameters():
        found = seen[0]["gradients"][name]
        if parameter.grad is None:
            assert found is None
        else:
            torch.testing.assert_close(torch.tensor(found, dtype=parameter.dtype), parameter.grad)


def test_large_networks_go_in_several_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr("segmentation.training.distributed._BUCKET", 20)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda tensor: (sent.append(tensor.numel()), tensor.mul_(2)))
    layers = network(seed=0)
    loss(layers, inputs()[0], sometimes=True).backward()
    before = {name: own.grad.clone() for name, own in layers.named_parameters() if own.grad is not None}
    Processes(torch.device("cpu"), 0, 2).sum_gradients(layers.parameters())
    assert sent == [20 + 1, 4 + 1, 12 + 3 + 2, 4 + 2 + 4 + 1 + 4]  # with a flag for each parameter
    for name, gradient in before.items():
        torch.testing.assert_close(layers.get_parameter(name).grad, 2 * gradient)


def test_alone_without_torchrun(environment: pytest.MonkeyPatch) -> None:
    alone = Processes.start(torch.device("cpu"))
    assert (alone.rank, alone.world, alone.is_main) == (0, 1, True)
    values = torch.randn(3)
    assert alone.sum(values) is values
    layers = network(seed=1)
    alone.sum_gradients(layers.parameters())
    alone.barrier()
    alone.close()
    assert not torch.distributed.is_initialized()


def test_one_process_under_torchrun_needs_no_others(environment: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}.items():
        environment.setenv(name, value)
    assert Processes.start(torch.device("cpu")) == Processes(torch.device("cpu"), 0, 1)
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0"}, "the environment has RANK but no WORLD_SIZE and LOCAL_RANK: start with torchrun"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "has RANK and WORLD_SIZE but no LOCAL_RANK: "),
        ({"RANK": "one", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "RANK must be a number, got 'one'"),
        ({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, r"RANK must be below WORLD_SIZE \(2\), got 2"),
        ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "WORLD_SIZE=2 but no MASTER_ADDR and MASTER_PORT"),
    ],
)
def test_a_broken_environment_is_said(environment: pytest.MonkeyPatch, variables: dict[str, str], message: str) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        Processes.start(torch.device("cpu"))


def test_others_that_cannot_be_reached_are_said(environment: pytest.MonkeyPatch) -> None:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "none"}
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", **address}.items():
        environment.setenv(name, value)
    with pytest.raises(ConnectionError, match=r"process 1 of 2 could not join the others at 127\.0\.0\.1:none: "):
        Processes.start(torch.device("cpu"))


@pytest.mark.cuda
def test_more_processes_than_devices_are_refused(environment: pytest.MonkeyPatch) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    local = str(torch.cuda.device_count())
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": local}.items():
        environment.setenv(name, value)
    with pytest.raises(ValueError, match="'LOCAL_RANK' must be below the number of CUDA devices"):
        Processes.start(torch.device("cuda"))
