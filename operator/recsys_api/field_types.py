"""Types of single fields in manifests: what pydantic checks is what the CRD says."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

from recsys_api import patterns

Decimal = Annotated[str, StringConstraints(pattern=patterns.DECIMAL, max_length=20)]
Name = Annotated[str, StringConstraints(pattern=patterns.NAME, max_length=40)]
Uri = Annotated[str, StringConstraints(pattern=patterns.URI, max_length=1024)]
ObjectName = Annotated[str, StringConstraints(pattern=patterns.OBJECT_NAME, max_length=253)]
LabelName = Annotated[str, StringConstraints(pattern=patterns.LABEL_NAME, max_length=63)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
ShortText = Annotated[str, StringConstraints(max_length=256)]
LongText = Annotated[str, StringConstraints(max_length=16384)]
Quantities = Annotated[dict[str, str | int], Field(max_length=16)]
Toleration = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "key": {"type": "string", "maxLength": 317, "description": "Taint key; empty means every taint."},
                "operator": {"type": "string", "enum": ["Exists", "Equal"], "description": "Default Equal."},
                "value": {"type": "string", "maxLength": 63, "description": "Taint value; empty under Exists."},
                "effect": {
                    "type": "string",
                    "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"],
                    "description": "Effect to tolerate; absent means every effect.",
                },
                "tolerationSeconds": {
                    "type": "integer",
                    "description": "How long a pod stays after a NoExecute taint; absent means for ever.",
                },
            },
        }
    ),
]
