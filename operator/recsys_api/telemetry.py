"""Names and bucket bounds that pods publish and the operator reads."""

LATENCY_BUCKETS_MILLISECONDS = (
    1,
    2,
    5,
    10,
    15,
    20,
    25,
    30,
    40,
    50,
    75,
    100,
    150,
    200,
    250,
    300,
    400,
    500,
    750,
    1000,
    2000,
    5000,
)
"""Every pod publishes all of them, so that a changed threshold never changes a pod."""

REQUESTS = "recsys_requests"
REQUEST_SECONDS = "recsys_request_seconds"
BUCKET_MISMATCH = "recsys_bucket_mismatch"
EXPOSURES = "recsys_exposures"
CLICKS = "recsys_clicks"
EVENTS_DROPPED = "recsys_events_dropped"
TRITON_RESTARTS = "recsys_triton_restarts"
PROCESS_START_SECONDS = "recsys_process_start_seconds"

METRICS_PORT_VARIABLE = "RECSYS_METRICS_PORT"
"""Environment of a training pod: where it answers /metrics."""
TRAINING_METRICS_PORT = 8080
TRAINING_METRICS_PORT_NAME = "metrics"

MODEL_SOURCE = "Model"
BAD_FALLBACKS = ("Deadline", "TritonError", "Overload")
"""Fallback reasons that count against the Fallback SLI; UnknownUser and NoHistory are compared with stable instead."""
