"""Write the NCF paper's ML-1M as the three parts that examples/quality/ml-1m-*.yaml read: train/, validation/ and test/ as Parquet.

    python -m benchmarks.quality.write_parts ncf_ml1m.npz FOLDER
    recsys-trainer fit -f examples/quality/ml-1m-implicit-als-192.yaml --data FOLDER --output out/

Ids are those of the paper's files. MovieLens may not be passed on: keep the folder out of the repository.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from benchmarks.quality.ncf import Ncf

Rows = npt.NDArray[np.int64]


def write_parts(data: Ncf, folder: Path) -> None:
    """One file for each part."""
    validation = data.validation_mask()
    write(folder / "train", data.user_P[~validation], data.item_P[~validation])
    write(folder / "validation", data.user_P[validation], data.item_P[validation])
    write(folder / "test", np.arange(data.users), data.wanted_U)


def write(folder: Path, user: Rows, item: Rows) -> None:
    """A part."""
    folder.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pa.table({"user_id": user, "item_id": item}), folder / "part.parquet")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write ML-1M's parts as Parquet.")
    parser.add_argument("data", type=Path, help="ncf_ml1m.npz")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    write_parts(Ncf.read(options.data), options.folder)


if __name__ == "__main__":
    main()
