"""pydantic models -> structural schemas (apiextensions v1): no $ref, no anyOf with null, no titles.

Differences between JSON Schema and what an API server takes: exclusive bounds are booleans, `additionalProperties:
false` goes without saying (unknown fields are pruned and kubectl refuses them), `null` means absent.
"""

import ast
import inspect
import sys
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from recsys_api import patterns
from recsys_api.rule_types import quote

Schema = dict[str, Any]
Docs = dict[str, dict[str, str]]
"""{class: {attribute or "" for the class itself: docstring}}."""

_DROPPED = ("title", "$defs", "discriminator")
_FIRST_KEYS = ("description", "type", "enum", "default", "required", "properties", "items")
_LIST_KEYS = ("name", "type")
_QUOTE = '"'
_FREE_FORM: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STATUS_BOUNDS = {"string": ("maxLength", 32768), "array": ("maxItems", 1000), "object": ("maxProperties", 1000)}
"""For what a type leaves open: status is bounded so that no bug can fill the store, far above what is ever written."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """The schema of a model, with descriptions from docstrings and with defaults."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, schema.get("$defs", {}), _docs())


def _docs() -> Docs:
    """Docstrings of every contract type that is loaded; their names are unique."""
    modules = {kind.__module__ for kind in _subclasses(BaseModel) if kind.__module__.startswith("recsys_api.")}
    return {name: docs for module in sorted(modules) for name, docs in _module_docs(sys.modules[module]).items()}


def _subclasses(kind: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for child in kind.__subclasses__() for found in (child, *_subclasses(child))]


@cache
def _module_docs(module: ModuleType) -> Docs:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: _class_docs(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _class_docs(node: ast.ClassDef) -> dict[str, str]:
    """Docstrings of a class ("") and of its attributes (a string right after the attribute)."""
    docs = {"": ast.get_docstring(node) or ""}
    for statement, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    docs[statement.target.id] = inspect.cleandoc(text)
    return docs


def _structural(node: Schema, defs: dict[str, Schema], docs: Docs) -> Schema:
    """One node and all below it."""
    node, description = _without_indirection(node, defs)
    if _is_int_or_string(node):
        return {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    schema = {key: value for key, value in node.items() if key not in (*_DROPPED, "properties", "description")}
    if "properties" in node:
        schema["properties"] = _properties(node, defs, docs)
    _container(schema, node, defs, docs)
    _bounds(schema)
    _sentence(schema)
    text = docs.get(node.get("title", ""), {}).get("") if "properties" in node else ""
    text = description or text or node.get("description", "")
    return _ordered({"description": " ".join(text.split()), **schema} if text else schema)


def _is_int_or_string(node: Schema) -> bool:
    """Amounts: 2 and "2" are the same."""
    return sorted(option.get("type", "") for option in node.get("anyOf", ())) == ["integer", "string"]


def _without_indirection(node: Schema, defs: dict[str, Schema]) -> tuple[Schema, str]:
    """The node itself where it was a $ref or an optional, and the description that stood at its place."""
    description = ""
    while True:
        if "$ref" in node:
            target = defs[node["$ref"].rsplit("/", 1)[-1]]
            extra = {key: value for key, value in node.items() if key != "$ref"}
        elif len(rest := [option for option in node.get("anyOf", ()) if option != {"type": "null"}]) == 1:
            target = rest[0]
            extra = {key: value for key, value in node.items() if key != "anyOf" and value is not None}
        else:
            return node, description
        description = extra.pop("description", description)
        extra.pop("title", None)
        node = {**target, **extra}


def _properties(node: Schema, defs: dict[str, Schema], docs: Docs) -> Schema:
    """Properties with their own docstrings, which win over those of their types."""
    own = {to_camel(name): text for name, text in docs.get(node.get("title", ""), {}).items() if name}
    properties = {}
    for name, child in node["properties"].items():
        schema = _default(_structural(child, defs, docs))
        if text := own.get(name):
            schema["description"] = " ".join(text.split())
        properties[name] = _ordered(schema)
    return properties


def _ordered(schema: Schema) -> Schema:
    """Description and type first, as people read them."""
    keys = [key for key in _FIRST_KEYS if key in schema]
    return {key: schema[key] for key in (*keys, *sorted(schema.keys() - set(keys)))}


def _default(schema: Schema) -> Schema:
    """The default as the API server is to fill it in: an object gets those of its fields, and nothing that has none.

    `{}` would do the same, but the API server runs the rules on a default before it completes it.
    """
    if "default" not in schema:
        return schema
    default = schema["default"]
    if "properties" in schema:
        default = {name: field["default"] for name, field in schema["properties"].items() if "default" in field}
    rest = {key: value for key, value in schema.items() if key != "default"}
    return rest if default in (None, [], {}, "") else {**rest, "default": default}


def _container(schema: Schema, node: Schema, defs: dict[str, Schema], docs: Docs) -> None:
    """Items of lists and values of maps; free-form objects keep what they hold. Of keys a structural schema says nothing."""
    values = schema.pop("additionalProperties", None)
    schema.pop("propertyNames", None)
    values = next(iter(schema.pop("patternProperties", {}).values()), values)
    if isinstance(values, dict) and values:
        schema["additionalProperties"] = _structural(values, defs, docs)
    elif values is True or (schema.get("type") == "object" and "properties" not in schema):
        schema.update(_FREE_FORM)
    if node.get("type") == "array":
        schema["items"] = _structural(node["items"], defs, docs)
        _list_type(schema)


def _list_type(schema: Schema) -> None:
    """Lists of named things are maps to server-side apply."""
    required = schema["items"].get("required", ())
    key = next((key for key in _LIST_KEYS if key in required), None)
    if key is None:
        schema["x-kubernetes-list-type"] = "atomic"
    else:
        schema.update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]})


def _bounds(schema: Schema) -> None:
    """Exclusive bounds as apiextensions writes them; constants as enumerations of one."""
    for bound in ("Minimum", "Maximum"):
        value = schema.pop(f"exclusive{bound}", None)
        if value is not None:
            schema.update({bound.lower(): value, f"exclusive{bound}": True})
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]


def _sentence(schema: Schema) -> None:
    """A CEL rule that says what to write, where the schema's own message would print a regular expression."""
    pattern = schema.get("pattern", "")
    sentence = patterns.SENTENCES.get(pattern)
    if sentence is not None and pattern not in patterns.PLAIN:
        rule = f"self.matches({quote(schema.pop('pattern'))})"
        expression = f"{quote(_QUOTE)} + self + {quote(_QUOTE + ' ' + sentence)}"
        schema["x-kubernetes-validations"] = [{"rule": rule, "message": sentence, "messageExpression": expression}]


def bound(schema: Schema) -> Schema:
    """The schema with STATUS_BOUNDS wherever a string, list or map has no limit of its own."""
    result = {key: _bound_child(key, value) for key, value in schema.items()}
    keyword, limit = STATUS_BOUNDS.get(str(schema.get("type", "")), ("", 0))
    is_record = "properties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if keyword and keyword not in schema and "enum" not in schema and not is_record:
        result[keyword] = limit
    return result


def _bound_child(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: bound(child) for name, child in value.items()}
    return bound(value) if key in ("items", "additionalProperties") and isinstance(value, dict) else value
