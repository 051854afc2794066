"""config.pbtxt of the Triton model `recommender` (docs/contracts.md section 3). Data only; model.py is the image's."""

MODEL_NAME = "recommender"
MAX_BATCH_SIZE = 64
MAX_QUEUE_SIZE = 256

_TEMPLATE = """\
name: "{name}"
backend: "python"
max_batch_size: {batch}
input [
  {{ name: "rows" data_type: TYPE_INT32 dims: [ 1 ] }},
  {{ name: "extra_seen" data_type: TYPE_INT32 dims: [ -1 ] allow_ragged_batch: true }},
  {{ name: "k" data_type: TYPE_INT32 dims: [ 1 ] }}
]
output [
  {{ name: "item_rows" data_type: TYPE_INT32 dims: [ -1 ] }},
  {{ name: "scores" data_type: TYPE_FP32 dims: [ -1 ] }}
]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
dynamic_batching {{
  default_queue_policy {{
    timeout_action: REJECT
    default_timeout_microseconds: {timeout}
    allow_timeout_override: true
    max_queue_size: {queue}
  }}
}}
"""


def build_config(request_timeout_milliseconds: int) -> str:
    """The text of config.pbtxt; a request waits no longer than its caller does."""
    return _TEMPLATE.format(
        name=MODEL_NAME, batch=MAX_BATCH_SIZE, timeout=request_timeout_milliseconds * 1000, queue=MAX_QUEUE_SIZE
    )
