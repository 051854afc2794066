"""Every error that an act can end with, and what follows from it.

    OperatorError
    ├── ApiError                      the API server answered, or could not
    │   ├── NotFound                  404: the object or its namespace is gone
    │   ├── Conflict                  409: the world moved; observe again at once
    │   ├── AlreadyOwned              the name is taken by an object that is not ours
    │   ├── Forbidden                 401, 403: RBAC or a quota; a person must act
    │   ├── Invalid                   400, 422: an admission rule or schema refuses; a person must act
    │   └── Unavailable               429, 5xx, no connection, timeout: wait and repeat
    ├── NotReady                      weight would rise on pods that are not ready (live read)
    ├── Unmanaged                     somebody took the route over (recsys.dev/unmanaged)
    └── SettingsError                 an environment variable is missing or wrong

`policy_of` is the one place that says how long to wait and which condition reason tells of it.
"""

from dataclasses import dataclass

__all__ = [
    "AlreadyOwned", "ApiError", "Conflict", "Forbidden", "Invalid", "NotFound", "NotReady", "OperatorError", "Policy",
    "SettingsError", "Unavailable", "Unmanaged", "asked_to_wait", "error_of_status", "policy_of",
]  # fmt: skip


class OperatorError(Exception):
    """Root of what the operator raises itself."""


class ApiError(OperatorError):
    """An answer of the API server. `what` names verb and object, `status` is the HTTP status (0: none came).

    `retry_after`: seconds that it asked to wait, 0 where it did not say.
    """

    def __init__(self, what: str, message: str, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.status = status
        self.retry_after = retry_after


class NotFound(ApiError):  # noqa: N818
    """404."""


class Conflict(ApiError):  # noqa: N818
    """409: another resourceVersion or uid than the one that was decided upon."""


class AlreadyOwned(ApiError):  # noqa: N818
    """An object of that name exists and is not ours: nothing is overwritten."""


class Forbidden(ApiError):  # noqa: N818
    """401 or 403."""


class Invalid(ApiError):  # noqa: N818
    """400 or 422."""


class Unavailable(ApiError):  # noqa: N818
    """429, 5xx, a lost connection or a timeout."""


class NotReady(OperatorError):  # noqa: N818
    """A live read shows fewer ready pods than the wanted weight needs."""


class Unmanaged(OperatorError):  # noqa: N818
    """The route carries recsys.dev/unmanaged: observe and alarm, do not write."""


class SettingsError(OperatorError):
    """The environment does not describe a runnable operator; the message names the variable."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: Invalid, 401: Forbidden, 403: Forbidden, 404: NotFound, 405: Invalid, 409: Conflict, 410: Conflict,
    413: Invalid, 415: Invalid, 422: Invalid,
}  # fmt: skip


def error_of_status(what: str, status: int, message: str, retry_after: float = 0.0) -> ApiError:
    """The typed error of an HTTP status that is not a success."""
    kind = _BY_STATUS.get(status, Unavailable)
    return kind(what, message, status, retry_after)


@dataclass(frozen=True)
class Policy:
    """What follows from an error: back-off from `first_seconds`, doubling to `limit_seconds`, at least as long as was asked for."""

    reason: str
    """Condition and Event reason."""
    first_seconds: float
    limit_seconds: float
    tell: bool = False
    """A person must act: an Event says so."""


_UNKNOWN = Policy("InternalError", 1.0, 60.0, tell=True)
_POLICIES: tuple[tuple[type[BaseException], Policy], ...] = (
    (AlreadyOwned, Policy("NameTaken", 5.0, 300.0, tell=True)),
    (Conflict, Policy("Conflict", 0.02, 5.0)),
    (NotFound, Policy("NotFound", 0.2, 30.0)),
    (Forbidden, Policy("Forbidden", 5.0, 300.0, tell=True)),
    (Invalid, Policy("RefusedByApiServer", 5.0, 300.0, tell=True)),
    (Unavailable, Policy("ApiUnavailable", 0.2, 15.0)),
    (NotReady, Policy("CandidateNotReady", 1.0, 5.0)),
    (Unmanaged, Policy("Unmanaged", 30.0, 300.0, tell=True)),
)


def asked_to_wait(error: BaseException) -> float:
    """Seconds that the API server asked for; 0 where it did not."""
    return error.retry_after if isinstance(error, ApiError) else 0.0


def policy_of(error: BaseException) -> Policy:
    """How to go on after `error`."""
    return next((policy for kind, policy in _POLICIES if isinstance(error, kind)), _UNKNOWN)
