"""Cluster, chart and data for the demo, over what `recsys_local` offers."""
