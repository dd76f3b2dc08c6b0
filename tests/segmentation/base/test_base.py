"""Replaced files, interruptions, devices, costs of stages, and JSON that callers hand in."""

import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from segmentation.base.device import StageCosts, choose_device, choose_dtype
from segmentation.base.inputs import check_integers, read_json
from segmentation.base.interruption import interruptible
from segmentation.base.replace_file import replacing
from segmentation.base.wording import first_line, some_of


def test_a_file_is_replaced_after_the_block(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.npz"
    for text in ("first", "second"):
        with replacing(path) as unfinished:
            assert (unfinished.suffix, unfinished.parent) == (".npz", path.parent)
            unfinished.write_text(text)
            assert path.exists() == (text == "second")
    assert path.read_text() == "second"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_acts_as_outside(number: signal.Signals) -> None:
    received: list[int] = []
    before = signal.signal(number, lambda number, _frame: received.append(number))
    try:
        handler = signal.getsignal(number)
        with interruptible() as asked_to_stop:
            assert not asked_to_stop.is_set()
            signal.raise_signal(number)
            assert asked_to_stop.is_set()
            assert not received
            signal.raise_signal(number)
            assert received == [number]
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


def test_another_thread_takes_no_signals() -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    found: list[object] = []

    def run() -> None:
        with interruptible() as asked_to_stop:
            found.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
            found.append(asked_to_stop.is_set())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [*handlers, False]


def test_devices_and_dtypes() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_dtype("auto", torch.device("cuda")) == torch.bfloat16  # of no device that is there
    assert choose_dtype("float16", torch.device("cpu")) == torch.float16
    with pytest.raises(ValueError, match="'dtype' must be one of 'auto', 'float32', 'bfloat16', 'float16', got 'int8'"):
        choose_dtype("int8", torch.device("cpu"))
    with pytest.raises(ValueError, match="'device' must be 'auto' or a device that is there, got 'abacus': "):
        choose_device("abacus")


def test_a_stage_sums_seconds_and_keeps_its_highest_peak() -> None:
    costs = StageCosts(torch.device("cpu"))
    costs.add("work", 2.0)
    with pytest.raises(RuntimeError, match="ends"), costs.stage("work"):
        raise RuntimeError("ends")
    assert costs.seconds["work"] > 2
    first = costs.peak["work"]
    with costs.stage("work"):
        memory = np.ones(2**24)
    assert costs.peak["work"] >= first > 0
    assert memory.nbytes == 2**27


def test_json_is_read_from_paths_only(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1]}', encoding="utf-8")
    assert read_json("found", path) == read_json("found", str(path)) == read_json("found", {"a": [1]}) == {"a": [1]}
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"'found' must be a JSON file, but .*a\.json cannot be read as one: "):
        read_json("found", path)
    with pytest.raises(FileNotFoundError):
        read_json("found", tmp_path / "none.json")


def test_integers_are_arrays_of_integers() -> None:
    for array in (np.zeros(2, np.uint8), np.zeros((1, 2), np.int64)):
        check_integers("ids", array)
    for other, came in ((np.zeros(1), "float64 array"), (np.zeros(1, bool), "bool array"), ([1], "list")):
        with pytest.raises(TypeError, match=f"'ids' must be a numpy array of integers, got {came}"):
            check_integers("ids", other)


def test_words() -> None:
    assert some_of("abcde") == "a, b, c, d, e"
    assert some_of("abcdef") == "a, b, c, d, e, ..."
    assert first_line(ValueError("\none\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
