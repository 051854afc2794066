"""The one model configuration that every contract type shares."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Contract(BaseModel):
    """Strict about unknown fields, camelCase outside, snake_case inside, immutable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        protected_namespaces=(),
        ser_json_inf_nan="null",
    )

    def to_dict(self) -> dict[str, object]:
        """The JSON form with the published (camelCase) names, without absent optionals."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Observed(Contract):
    """A type that we read back from a cluster or store: a newer writer may have added fields."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)
