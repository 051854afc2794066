"""Ranking, metrics, intervals and gates: recommending rules 3 and 4."""
