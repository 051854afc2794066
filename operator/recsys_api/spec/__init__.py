"""The parts of a RecommenderModel's spec, one module for each: docstrings are what `kubectl explain` prints."""
