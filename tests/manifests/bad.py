"""Manifests that must be refused, each a change to a good one, with what the API server has to say about it.

Each message must name the field and the way out; the CLI's reader is held against the same tables (tests/unit/api).
"""

from tests.manifests.bad_compile import COMPILE_CASES
from tests.manifests.bad_data import DATA_CASES
from tests.manifests.bad_families import FAMILY_CASES
from tests.manifests.bad_jobs import JOB_CASES
from tests.manifests.bad_rollout import ROLLOUT_CASES
from tests.manifests.bad_tables import TABLE_CASES
from tests.manifests.case import ABSENT, Case
from tests.manifests.good import good_action, good_model, good_version

MODEL_CASES = (
    Case(
        "name too long",
        {"metadata.name": "m" * 41},
        ("metadata.name", "use 1 to 40 lowercase|use 40 characters or fewer"),
    ),
    Case("name starts with a digit", {"metadata.name": "3d"}, ("metadata.name", "a letter first")),
    Case("no data", {"spec.data": ABSENT}, ("spec.data", "Required|missing; add it")),
    Case("no artifacts", {"spec.artifacts": ABSENT}, ("spec.artifacts", "Required|missing; add it")),
    Case("no gateway", {"spec.rollout.gateway": ABSENT}, ("spec.rollout.gateway", "Required|missing; add it")),
    Case("unknown field", {"spec.rollout.stepps": []}, ("spec.rollout.stepps",)),
    *DATA_CASES,
    *FAMILY_CASES,
    *JOB_CASES,
    *ROLLOUT_CASES,
    *TABLE_CASES,
    *COMPILE_CASES,
    Case("history of one", {"spec.historyLimit": 1}, ("spec.historyLimit", "2")),
)

ACTION_CASES = (
    Case("unknown verb", {"spec.verb": "Restart"}, ("spec.verb", "Restart", "Rollback", "Promote")),
    *(
        Case(f"{verb} of nothing", {"spec.verb": verb}, ("spec.version", "add the name of a ModelVersion"))
        for verb in ("Promote", "Retry", "Pin")
    ),
    *(
        Case(
            f"{verb} of a version",
            {"spec.verb": verb, "spec.version": "movies-0123456789"},
            ("spec.version", "is ignored by Pause, Resume, Unpin and Retrain", "remove version"),
        )
        for verb in ("Pause", "Resume", "Unpin", "Retrain")
    ),
    Case("no model", {"spec.modelName": ABSENT}, ("spec.modelName", "Required")),
)

VERSION_CASES = (
    Case("number 0", {"spec.number": 0}, ("spec.number", "1")),
    Case("no hash", {"spec.specHash": ABSENT}, ("spec.specHash", "Required")),
)

UPDATE_CASES = (
    (good_model, Case("artifacts move", {"spec.artifacts.uri": "s3://other/"}, ("spec.artifacts.uri", "is immutable"))),
    (good_action, Case("another verb", {"spec.verb": "Abort"}, ("spec", "is immutable", "create another ModelAction"))),
    (good_version, Case("another number", {"spec.number": 2}, ("spec", "is immutable", "change the RecommenderModel"))),
)
"""(how the object is, what is changed afterwards)."""
