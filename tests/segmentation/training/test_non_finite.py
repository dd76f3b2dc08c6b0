"""Losses and gradients that are no numbers."""

import re
from pathlib import Path

import pytest

from segmentation.training.step import NonFiniteLoss
from tests.segmentation.training.tiny import differences, results, start, tiny


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("query_projection.weight", "distillation is no finite number"),
        ("mask_decoder.query_features", "dice and cross_entropy and objectness and distillation are no finite number"),
        ("gradient", "the gradient is no finite number"),
    ],
)
def test_the_run_stops_as_it_was(broken: str, said: str, tmp_path: Path) -> None:
    run = start(tiny("run={save_every: 2, scenes: 400}"), tmp_path)
    learn = run.train_step.learn
    before, names = {}, []

    def breaks(samples, step):
        if step == 2:
            network = run.train_step.student
            if broken == "gradient":
                network.query_projection.weight.register_hook(lambda gradient: gradient / 0)
            else:
                network.get_parameter(broken).data.fill_(float("nan"))
            before["optimizer"] = run.train_step.optimizer.state_dict()["state"]
            before["parts"] = {name: own.nan_to_num() for name, own in run.train_step.state_dict().items()}
            names[:] = [sample.name for sample in samples]
        return learn(samples, step)

    run.train_step.learn = breaks
    message = re.escape(f"step 3: {said}; photos of the batch: ")
    with pytest.raises(NonFiniteLoss, match=f"^{message}scene-") as error:
        run.train()
    assert str(error.value).endswith(": " + ", ".join(names))
    after = {name: own.nan_to_num() for name, own in run.train_step.state_dict().items()}
    assert differences(before["parts"], after) == []
    assert differences(before["optimizer"], run.train_step.optimizer.state_dict()["state"]) == []
    assert run.step == 2
    left = results(tmp_path)
    assert left["checkpoint"]["step"] == 2
    assert [line["step"] for line in left["log"]] == [1, 2]
    assert all(bool(weight.isfinite().all()) for weight in left["model"].values())
