"""Checked settings: pydantic dataclasses whose errors name the setting, what it must be and what came."""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, is_dataclass
from functools import wraps
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from typing_extensions import LiteralString, dataclass_transform

T = TypeVar("T")
_UNKNOWN = ("unexpected_keyword_argument", "invalid_key")
_IN_A_SECTION = {"int_type": "of type int", "bool_type": "of type bool"}
_WRONG_TYPE = {
    "int_type": "an int",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "of type str",
    "tuple_type": "a list",
    "too_short": "a non-empty list",
    "pair_type": "a list of two",
    "dict_type": "a section of settings",
    "dataclass_type": "a section of settings",
}


def _read_exponent(value: object) -> object:
    """Reads numbers like ``1e-4``, which YAML 1.1 takes for text."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value) else value


def _only(error: LiteralString, *kinds: type, length: int | None = None) -> BeforeValidator:
    """Refuses other types that pydantic would convert silently, such as a set for a list and 4.0 for a choice of 4."""

    def check(value: Any) -> Any:
        fits = isinstance(value, kinds)
        if not fits or (length and len(value) != length):
            raise PydanticCustomError(error, "")
        return value

    return BeforeValidator(check)


_Number = Annotated[float, Field(strict=True), BeforeValidator(_read_exponent)]
Count = Annotated[int, Field(strict=True, ge=1)]
CountOrZero = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[_Number, Field(ge=0, le=1)]
PositiveShare = Annotated[_Number, Field(gt=0, le=1)]
Similarity = Annotated[_Number, Field(gt=-1, le=1)]
Positive = Annotated[_Number, Field(gt=0)]
NonNegative = Annotated[_Number, Field(ge=0)]
IntChoice = Annotated[T, _only("int_type", int)]
ListOf = Annotated[tuple[T, ...], _only("tuple_type", list, tuple)]
NonEmptyListOf = Annotated[ListOf[T], Field(min_length=1)]
Pair = Annotated[tuple[T, T], _only("pair_type", list, tuple, length=2)]


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def settings(section: str = "") -> Callable[[type[T]], type[T]]:
    """Makes a class of settings a frozen dataclass that checks every value; errors name the section too.

    Example:
        >>> @settings("optimizer")
        ... class Optimizer:
        ...     batch_size: Count = 16
        >>> Optimizer(batch_size=0)
        Traceback (most recent call last):
        ValueError: 'optimizer.batch_size' must be at least 1, got 0
    """

    def decorate(kind: type[T]) -> type[T]:
        checked: Any = dataclass(frozen=True, config=ConfigDict(extra="forbid", validate_default=True))(kind)
        init = checked.__init__

        @wraps(init)
        def init_or_refuse(self: T, /, *args: object, **values: object) -> None:
            try:
                init(self, *args, **values)
            except ValidationError as error:
                raise _refusal(checked, section, error) from None

        checked.__init__ = init_or_refuse
        return checked

    return decorate


def check_changes(known: Sequence[str], changes: dict[str, Any]) -> None:
    """Refuses changes of unknown settings."""
    if unknown := sorted(set(changes) - set(known)):
        raise ValueError(f"'changes' must be settings ({', '.join(known)}), got {', '.join(unknown)}")


def _refusal(kind: type, section: str, error: ValidationError) -> TypeError | ValueError:
    """Words the first fault; an unknown setting goes first, as it may be a missing one misspelt."""
    faults = error.errors(include_url=False)
    fault = next((each for each in faults if each["type"] in _UNKNOWN), faults[0])
    cause, came = fault["type"], fault["input"]
    if cause == "value_error":  # of a __post_init__, which names its settings itself
        return ValueError(str(fault["ctx"]["error"]))
    name, hint = _locate(kind, section, fault["loc"])
    parts = list(_parts(hint))
    if cause in _UNKNOWN:
        return ValueError(f"{name!r} is no setting{_nearest(name, kind, section)}")
    if cause == "missing":
        return ValueError(f"{name!r} is missing")
    if cause == "literal_error":
        choices = next(get_args(part) for part in parts if get_origin(part) is Literal)
        if type(came) is type(choices[0]):
            return ValueError(f"{name!r} must be one of {', '.join(map(repr, choices))}, got {came!r}")
        cause = "int_type" if isinstance(choices[0], int) else "string_type"
    if cause in _WRONG_TYPE:
        expected = (_WRONG_TYPE | (_IN_A_SECTION if len(fault["loc"]) > 1 else {}))[cause]
        return TypeError(f"{name!r} must be {expected}, got {type(came).__name__} {came!r}")
    bounds = {bound: getattr(part, bound) for part in parts for bound in ("gt", "ge", "le") if hasattr(part, bound)}
    if float in parts:
        low = f"({bounds['gt']}" if "gt" in bounds else f"[{bounds['ge']}"
        return ValueError(f"{name!r} must be in {low}, {bounds.get('le', float('inf'))}], got {came}")
    if bounds:
        return ValueError(f"{name!r} must be at least {bounds['ge']}, got {came}")
    return TypeError(f"{kind.__name__}: {fault['msg']}")  # more arguments than settings


def _locate(kind: Any, section: str, place: tuple[int | str, ...]) -> tuple[str, Any]:
    """Returns name and type of the setting at the place of an error."""
    names, hint = [section] if section else [], kind
    if isinstance(place[0], int):  # a positional argument
        place = (*list(get_type_hints(kind))[place[0] : place[0] + 1], *place[1:])
    for key in place:
        if not is_dataclass(hint):  # the key is an index of a list
            break
        names.append(str(key))
        hint = get_type_hints(hint, include_extras=True).get(str(key))
    return ".".join(names), hint


def _parts(hint: Any) -> Iterator[Any]:
    """Yields a type, the types it is made of, and the bounds that are declared for them."""
    yield hint
    for part in (*get_args(hint), *(hint.metadata if isinstance(hint, FieldInfo) else ())):
        yield from _parts(part)


def _nearest(name: str, kind: type, section: str) -> str:
    """Lists the settings with the most similar names, or all, as the end of a message."""
    known = {name: name.rpartition(".")[2] for name in _names(kind, f"{section}." if section else "")}
    same = [key for key, last in known.items() if last == name.rpartition(".")[2]]
    if close := list(dict.fromkeys([*difflib.get_close_matches(name, known, 3, 0.5), *same])):
        return f"; nearest: {', '.join(close[:3])}"
    hints = get_type_hints(kind)
    return f"; {'sections' if all(map(is_dataclass, hints.values())) else 'settings'}: {', '.join(hints)}"


def _names(kind: Any, prefix: str) -> Iterator[str]:
    for name, hint in get_type_hints(kind).items():
        yield f"{prefix}{name}"
        if is_dataclass(hint):
            yield from _names(hint, f"{prefix}{name}.")
