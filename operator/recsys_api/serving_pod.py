"""What the operator that makes a serving pod and the processes in it must say alike."""

from typing import Literal

START_SECONDS_VARIABLE = "RECSYS_TRITON_START_SECONDS"
"""Environment of the operator and of a serving pod's containers: how long a tritonserver may take to rank."""
START_SECONDS, LONGEST_START_SECONDS = 600, 86_400
"""The default, and the most that is accepted."""
ImagePullPolicy = Literal["Always", "IfNotPresent", "Never"]
"""When the kubelet fetches an image."""
