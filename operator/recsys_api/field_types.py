"""Types of single fields in manifests: what pydantic checks is what the CRD says."""

from typing import Annotated, Any

from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from recsys_api import patterns

STORED = "stored"
"""Context of a validation that reads what was accepted once: a later release may refuse such a text of manifests."""


def _once_accepted(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Any text, where it is STORED: nothing is decided by such texts, they go as they are into what is made for Kubernetes."""
    try:
        return validate(value)
    except ValidationError:
        if info.context == STORED and isinstance(value, str):
            return value
        raise


MAX_PREFIX, MAX_NAME = 253, 63
"""Characters of a key of Kubernetes before its / and after it."""
MAX_KEY = MAX_PREFIX + len("/") + MAX_NAME
_Admitted = WrapValidator(_once_accepted)
Decimal = Annotated[str, StringConstraints(pattern=patterns.DECIMAL, max_length=20)]
Name = Annotated[str, StringConstraints(pattern=patterns.NAME, max_length=40)]
Uri = Annotated[str, StringConstraints(pattern=patterns.URI, max_length=1024), _Admitted]
ObjectName = Annotated[str, StringConstraints(pattern=patterns.OBJECT_NAME, max_length=253), _Admitted]
LabelName = Annotated[str, StringConstraints(pattern=patterns.LABEL_NAME, max_length=63), _Admitted]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
LabelKey = Annotated[str, StringConstraints(pattern=patterns.LABEL_KEY, max_length=MAX_KEY), _Admitted]
LabelValue = Annotated[str, StringConstraints(pattern=patterns.LABEL_VALUE, max_length=63), _Admitted]
TaintKey = Annotated[str, StringConstraints(pattern=patterns.TAINT_KEY, max_length=MAX_KEY), _Admitted]
LabelledName = Annotated[str, StringConstraints(pattern=patterns.OBJECT_NAME, max_length=63), _Admitted]
Hostname = Annotated[str, StringConstraints(pattern=patterns.HOSTNAME, max_length=253), _Admitted]
PathPrefix = Annotated[str, StringConstraints(pattern=patterns.PATH_PREFIX, max_length=256), _Admitted]
LongText = Annotated[str, StringConstraints(max_length=16384)]
AMOUNT = "amount_type"


def _as_one_error(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One sentence about a value that is neither text nor an integer, in place of one for each."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError(AMOUNT, "neither text nor an integer") from None


Amount = Annotated[str | int, WrapValidator(_as_one_error)]
Quantities = Annotated[dict[str, Amount], Field(max_length=16)]
