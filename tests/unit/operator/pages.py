"""Pages as pods and proxies write them."""

from recsys_api.telemetry import LATENCY_BUCKETS_MILLISECONDS


def page(
    model: int = 10,
    *,
    deadline: int = 0,
    unknown: int = 0,
    slow: int = 0,
    started: float = 1.0,
    server_restarts: int = 0,
    wrong: int = 0,
    failed: int = 0,
) -> str:
    """A serving pod's page: `model` answers, `slow` of them between 50 and 75 ms, the others under 1 ms; `wrong` requests
    that were refused, `failed` ones that the pod failed."""
    bounds = [bound / 1000 for bound in LATENCY_BUCKETS_MILLISECONDS]
    total = 'recsys_requests_total{code="200"'
    lines = [
        "# HELP recsys_requests_total Answered recommend requests.",
        "# TYPE recsys_requests_total counter",
        f'{total},fallback_reason="None",source="Model",version="v"}} {model}.0',
        f'{total},fallback_reason="Deadline",source="Popularity",version="v"}} {deadline}.0',
        f'{total},fallback_reason="UnknownUser",source="Popularity",version="v"}} {unknown}.0',
    ]
    for code, count in ((400, wrong), (500, failed)):
        lines.append(
            f'recsys_requests_total{{code="{code}",fallback_reason="None",source="None",version="v"}} {count}.0'
        )
    for bound in bounds:
        count = model - slow if bound < 0.075 else model
        lines.append(f'recsys_request_seconds_bucket{{le="{bound}",source="Model",version="v"}} {count}.0')
        lines.append(f'recsys_request_seconds_bucket{{le="{bound}",source="Popularity",version="v"}} 7.0')
    lines.append(f'recsys_request_seconds_bucket{{le="+Inf",source="Model",version="v"}} {model}.0')
    lines.append(f'recsys_triton_restarts_total{{version="v"}} {server_restarts}.0')
    return "\n".join([*lines, f'recsys_process_start_seconds{{version="v"}} {started}', ""])


def gateway_line(response_class: int, rule: int, count: int) -> str:
    """A proxy's count of responses of a class for the first backend of a rule of shop/movies."""
    cluster = f"httproute/shop/movies/rule/{rule}/backend/0"
    name = "envoy_cluster_upstream_rq_xx"
    return f'{name}{{envoy_response_code_class="{response_class}",envoy_cluster_name="{cluster}"}} {count}\n'
