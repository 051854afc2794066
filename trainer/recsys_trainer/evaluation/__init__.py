"""Ranking of the whole catalogue without what a user has had, metrics with intervals over users, and gates."""
