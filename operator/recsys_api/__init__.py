"""The contracts between operator, trainer and model server: pydantic and the standard library only."""
