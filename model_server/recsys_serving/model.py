"""What Triton loads (copied to `<repository>/recommender/1/model.py`).

The stub of Triton's python backend starts an isolated interpreter that ignores PYTHONPATH: the supervisor names its
own package folders instead.
"""

import os
import site

for _folder in os.environ.get("RECSYS_SITE_PACKAGES", "").split(os.pathsep):
    if _folder:
        site.addsitedir(_folder)

from recsys_serving.triton_model import TritonPythonModel  # noqa: E402

__all__ = ["TritonPythonModel"]
