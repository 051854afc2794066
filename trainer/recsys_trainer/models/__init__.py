"""The model families, one file each; `registry` knows them all. Parameter names are the artifact's tensor names
(docs/contracts.md section 3)."""
