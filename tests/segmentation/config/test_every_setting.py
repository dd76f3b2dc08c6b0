"""Every setting refuses wrong types and values outside its range, by the types that are declared: new ones too."""

import copy
import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

import segmentation.config
from segmentation.config import MaskSettings, TrainSettings, load_preset, load_training
from segmentation.config.masks import ScoreSettings
from segmentation.config.prediction import prediction_settings
from segmentation.config.training import LossSettings, OptimizerSettings, RunSettings, TeacherSettings, WindowSettings

NAN = float("nan")
TRAINING = load_training("photos")


class Field(NamedTuple):
    """A setting of some settings, with values that it refuses."""

    settings: Any
    path: str
    name: str
    refused: list[tuple[Any, type[Exception]]]


def sections(settings: Any, path: str = "") -> Iterator[tuple[Any, str]]:
    """Settings and those that they hold, with the path to each."""
    yield settings, path
    for each in fields(settings):
        if is_dataclass(value := getattr(settings, each.name)):
            yield from sections(value, f"{path}{each.name}.")


def constraints(metadata: Any) -> dict[str, Any]:
    """The bounds that are declared: ge, gt, le, min_length."""
    found: dict[str, Any] = {}
    for each in metadata:
        found |= constraints(each.metadata) if isinstance(each, FieldInfo) else {}
        found |= {name: getattr(each, name) for name in ("ge", "gt", "le", "min_length") if hasattr(each, name)}
    return found


def refused(hint: Any, bounds: dict[str, Any]) -> Iterator[tuple[Any, type[Exception]]]:
    """Values of wrong types, and values outside the range, of a type with bounds."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hasattr(hint, "__metadata__"):
        yield from refused(arguments[0], bounds | constraints(hint.__metadata__))
    elif origin in (Union, UnionType):
        [only] = set(arguments) - {NoneType}
        yield from ((value, error) for value, error in refused(only, bounds) if value is not None)
    elif origin is Literal:
        kind = type(arguments[0])
        yield from ((value, TypeError) for value in (None, True, kind is str or "4", [], 4.0))
        yield "other" if kind is str else max(arguments) + 1, ValueError
    elif origin is tuple:
        one = next(value for value in ("instance", 0.5) if accepted(arguments[0], value))
        yield from ((value, TypeError) for value in (None, 3, "text", {one}, {}))
        if arguments[-1] is Ellipsis:
            yield from [((), TypeError)] if bounds.get("min_length") else []
        else:
            yield from ((value, TypeError) for value in ((one,), (one, one, one)))
        for value, error in refused(arguments[0], {}):
            yield [one, value][-len(arguments) :], error
    elif hint is bool:
        yield from ((value, TypeError) for value in (None, 0, 1, 1.0, "true", []))
    elif hint is str:
        yield from ((value, TypeError) for value in (None, 3, 0.5, True, [], b"text"))
    elif hint is int:
        yield from ((value, TypeError) for value in (None, 1.5, 2.0, True, "3", "many", []))
        yield bounds["ge"] - 1, ValueError
    elif hint is float:
        yield from ((value, TypeError) for value in (None, True, "3", "0.5", "fast", [], {}))
        yield bounds["gt"] if "gt" in bounds else bounds["ge"] - 1e-6, ValueError
        yield from ((value, ValueError) for value in (NAN, -float("inf")))
        yield from [(bounds["le"] + 1e-6, ValueError)] if "le" in bounds else []
    elif origin is Mapping or is_dataclass(hint):
        yield from ((value, TypeError) for value in (None, 3, "text", [], True))
    else:
        raise AssertionError(f"a type that this test does not know: {hint}")


def accepted(hint: Any, value: Any) -> bool:
    """Whether an entry of a list may have a value."""
    arguments = get_args(hint)
    return value in arguments if get_origin(hint) is Literal else type(value) in (hint, *arguments)


def all_fields(settings: Any) -> Iterator[Field]:
    for section, path in sections(settings):
        for name, field in type(section).__pydantic_fields__.items():
            yield Field(section, path, name, list(refused(field.annotation, constraints(field.metadata))))


PREDICTION = prediction_settings(TRAINING)
CLASSES = {type(section): None for section, _ in [*sections(TRAINING), *sections(PREDICTION)]}
IN_TRAINING = list(all_fields(TRAINING))
FIELDS = [*IN_TRAINING, *all_fields(PREDICTION)]


def full_name(field: Field) -> str:
    return f"{type(field.settings).__name__}.{field.name}"


def check_message(error: Exception, name: str, value: Any) -> None:
    entry = value[-1] if isinstance(value, list | tuple) and value else value
    assert re.fullmatch(rf"'{name}' must be .+, got .*", str(error)), error
    assert "pydantic" not in str(error)
    assert repr(entry) in str(error) or str(entry) in str(error)


def test_all_classes_are_here() -> None:
    modules = [
        importlib.import_module(f"segmentation.config.{module.name}")
        for module in pkgutil.iter_modules(segmentation.config.__path__)
    ]
    assert {kind for module in modules for name, kind in vars(module).items() if name.endswith("Settings")} == {
        *CLASSES
    }


@pytest.mark.parametrize("field", FIELDS, ids=full_name)
def test_wrong_values_are_refused_by_name(field: Field) -> None:
    arguments = {each.name: getattr(field.settings, each.name) for each in fields(field.settings)}
    for value, error in field.refused:
        with pytest.raises(error) as replaced:
            replace(field.settings, **{field.name: value})
        check_message(replaced.value, rf"(?:[a-z]+\.)*{field.name}", value)
        with pytest.raises(error) as made:
            type(field.settings)(**{**arguments, field.name: value})
        assert str(made.value) == str(replaced.value)


@pytest.mark.parametrize("field", IN_TRAINING, ids=full_name)
def test_wrong_values_in_sections_are_refused_by_their_path(field: Field) -> None:
    for value, error in field.refused:
        values = section = asdict(TRAINING)
        for key in field.path.split(".")[:-1]:
            section = section[key]
        section[field.name] = value
        with pytest.raises(error) as found:
            TrainSettings(**values)
        check_message(found.value, re.escape(f"{field.path}{field.name}"), value)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_setting_is_described(kind: type) -> None:
    lines = inspect.getsource(kind).splitlines()
    for each in fields(kind):
        [place] = [place for place, line in enumerate(lines) if line.startswith(f"    {each.name}: ")]
        assert "#: " in lines[place] or lines[place - 1].startswith("    #: "), each.name
    descriptions = [line.partition("#: ")[2] for line in lines]
    assert not [text for text in descriptions if ": " in text], "Sphinx takes what stands before a colon for a type"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScoreSettings(aera=1), "'score.aera' is no setting; nearest: score.area"),  # type: ignore[call-arg]
        (lambda: TeacherSettings(x=1), "'teacher.x' is no setting; "),  # type: ignore[call-arg]
        (
            lambda: load_training("scenes", ["masks.score.aera=1"]),
            "'masks.score.aera' is no setting; nearest: masks.score",
        ),
        (lambda: load_training("scenes", ["optimizer={3: 4}"]), "'optimizer.3' is no setting; nearest: optimizer"),
        (lambda: MaskSettings(), "'size' is missing"),  # type: ignore[call-arg]
        (lambda: load_training("scenes", ["encoder={}"]), "'encoder.name' is missing"),
        (lambda: load_training("scenes", ["encoder={}", "encoder.nmae=x"]), "'encoder.nmae' is no setting"),
        (lambda: WindowSettings(0.5, 2), "'views.window.flip' must be in [0, 1], got 2"),
        (lambda: load_preset(thresholds=(0.5, 0.5)), "'thresholds' must fall from level to level"),
        (lambda: load_preset(ratios=(0.1, 0.5)), "'ratios' must fall from level to level"),
        (
            lambda: replace(load_preset(), thresholds=(0.5,)),
            "one of 'thresholds' and 'ratios' must be given, got [0.5] a",
        ),
        (
            lambda: replace(load_preset(), ratios=None),
            "one of 'thresholds' and 'ratios' must be given, got None and None",
        ),
        (
            lambda: load_preset(features="vote"),
            "'linkage' must be 'single' with a feature_weight below 1 or features by",
        ),
        (
            lambda: RunSettings(photos=("a",), sampling=(1, 2)),
            "'run.sampling' must have one weight for each of the 1 fold",
        ),
        (lambda: replace(TRAINING.decoder, heads=7), "'decoder.channels' must be a multiple of the 7 heads, got 256"),
        (lambda: load_training("photos", ["decoder.heads=7"]), "'decoder.channels' must be a multiple of the 7 heads"),
        (
            lambda: replace(TRAINING, masks=replace(TRAINING.masks, semantic=False)),
            "'masks.semantic' must be true where 'losses.kinds' has semantic, got false",
        ),
    ],
    ids=lambda given: getattr(given, "__name__", str(given)),
)
def test_settings_that_are_unknown_missing_or_do_not_go_together(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make()


def test_more_arguments_than_settings() -> None:
    with pytest.raises(TypeError, match="WindowSettings: Unexpected positional argument"):
        WindowSettings(1, 0, 1)  # type: ignore[call-arg]


def test_what_is_welcome_beside_the_declared_types() -> None:
    settings = OptimizerSettings(lr="1e-4", clip=float("inf"), weight_decay=0)  # type: ignore[arg-type]
    assert (settings.lr, settings.clip, settings.weight_decay) == (1e-4, float("inf"), 0.0)
    assert type(settings.weight_decay) is float
    losses = LossSettings(kinds=["semantic"], teacher_temperature=[1, 2])  # type: ignore[arg-type]
    assert (losses.kinds, losses.teacher_temperature) == (("semantic",), (1.0, 2.0))
    by_name, whole = load_preset("paper", score={"area": 2}), load_preset("paper", score=ScoreSettings(2))
    assert by_name.score == ScoreSettings(area=2) == whole.score
    assert load_preset("photos", score={"area": 2}).score == replace(load_preset().score, area=2.0)


def test_settings_are_dataclasses_that_cannot_change() -> None:
    assert pickle.loads(pickle.dumps(TRAINING)) == copy.deepcopy(TRAINING) == TRAINING
    assert TrainSettings(**asdict(TRAINING)) == TRAINING
    assert hash(replace(TRAINING.masks, size=TRAINING.masks.size)) == hash(TRAINING.masks)
    with pytest.raises(AttributeError, match="cannot assign to field 'size'"):
        TRAINING.masks.size = 3  # type: ignore[misc]


def test_settings_need_no_library_of_arrays() -> None:
    heavy = ("torch", "torch_geometric", "timm", "numpy", "scipy")
    code = f"import sys, segmentation.config; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
