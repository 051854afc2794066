"""pydantic's errors as sentences for the person who wrote the manifest."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from recsys_api import patterns
from recsys_api.field_types import AMOUNT
from recsys_api.rule_types import Problem, shown

_FOLLOWS = "default_factory_not_called"
"""A default that depends on a wrong field: nobody wrote it, and it is right once that field is."""


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """One problem for each thing that pydantic found wrong with a `model`."""
    details = [each for each in error.errors(include_url=False) if each["type"] != _FOLLOWS]
    return [Problem(_place(detail["loc"]), _sentence(detail, model)) for detail in details]


def _place(location: tuple[int | str, ...]) -> str:
    """('spec', 'steps', 0, 'weight') as kubectl writes it: spec.steps[0].weight."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]")
    return text.removeprefix(".") or "manifest"


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong and what to write; the library's own words where we have none."""
    kind, context, value = detail["type"], detail.get("ctx", {}), shown(detail["input"])
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        return _unknown_field(detail["loc"], model)
    if kind == "string_pattern_mismatch" and (sentence := patterns.SENTENCES.get(context["pattern"])):
        return f"{value} {sentence}"
    if detail["input"] != detail["input"]:  # every limit refuses NaN, and none of them would tell why
        return f"{value} is not a number; write digits"
    if build := _SENTENCES.get(kind):
        return f"{value} {build(context)}"
    return f"{value} is refused ({detail['msg']}); see kubectl explain recm.{_place(detail['loc'])}"


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "literal_error": lambda ctx: f"is not one of the allowed values; use {ctx['expected']}",
    "greater_than": lambda ctx: f"is too small; use more than {ctx['gt']}",
    "greater_than_equal": lambda ctx: f"is too small; use {ctx['ge']} or more",
    "less_than": lambda ctx: f"is too large; use less than {ctx['lt']}",
    "less_than_equal": lambda ctx: f"is too large; use {ctx['le']} or less",
    "string_too_short": lambda ctx: f"is too short; use {ctx['min_length']} characters or more",
    "string_too_long": lambda ctx: f"is too long; use {ctx['max_length']} characters or fewer",
    "too_short": lambda ctx: f"has too few elements; give {ctx['min_length']} or more",
    "too_long": lambda ctx: f"has too many elements; give {ctx['max_length']} or fewer",
    "string_type": lambda _ctx: 'is not text; write it in quotes, as in "0.05"',
    "json_invalid": lambda _ctx: "has text that is no UTF-8; write each character whole, not half of one as in \\ud800",
    AMOUNT: lambda _ctx: 'is not a quantity; write a whole number, or text in quotes, as in cpu: "1.5" or memory: 4Gi',
    "int_type": lambda _ctx: "is not an integer; write digits without quotes",
    "int_from_float": lambda _ctx: "is not an integer; write it without a fraction",
    "float_type": lambda _ctx: "is not a number; write digits without quotes",
    "bool_type": lambda _ctx: "is not true or false; write one of them without quotes",
    "tuple_type": lambda _ctx: "is not a list; write [one, two] or lines that start with -",
    "model_type": lambda _ctx: "is not an object; write its fields indented below it",
    "dict_type": lambda _ctx: "is not an object; write its fields indented below it",
}


def _unknown_field(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """The field that was probably meant, or all that there are."""
    *parents, name = location
    fields = _fields_at(tuple(parents), model)
    if close := difflib.get_close_matches(str(name), fields, n=1):
        return f"is not a field; did you mean {close[0]}?"
    return f"is not a field; remove it, or use one of {', '.join(fields)}"


def _fields_at(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Published names of the fields of the type at a place."""
    for part in location:
        if isinstance(part, str):
            model = next(_models_in(_annotation(model, part)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _annotation(model: type[BaseModel], alias: str) -> Any:
    return next(field.annotation for name, field in model.model_fields.items() if (field.alias or name) == alias)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Model types inside of tuples, optionals and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
