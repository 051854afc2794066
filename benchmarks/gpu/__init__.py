"""NVIDIA's NeuMF on one GPU with the product's own models, fitting and sampling: torch and the standard library suffice.

`PYTHONPATH=operator:trainer:. python -m benchmarks.gpu --json FILE` runs from the source tree. See benchmarks/gpu/README.md.
"""
