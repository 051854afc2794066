"""What the API server accepts and what it says to a manifest that it refuses."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.full_statuses import STATUSES
from tests.manifests.accepted import ACCEPTED_CASES
from tests.manifests.bad import ACTION_CASES, MODEL_CASES, UPDATE_CASES, VERSION_CASES
from tests.manifests.case import Case, Manifest
from tests.manifests.good import good_action, good_model, good_version
from tests.manifests.policies import image_policy

from recsys_api.base import Observed

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").rglob("*.yaml"))
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("good", [good_model, good_action, good_version], ids=lambda good: good.__name__)
def test_good_manifest_is_accepted(kubectl: Kubectl, good: Callable[[], Manifest]) -> None:
    """Otherwise a refusal would prove nothing."""
    result = _dry_run(kubectl, good())
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_is_accepted(kubectl: Kubectl, example: Path) -> None:
    """Every file that a user starts from."""
    result = kubectl("create", "--dry-run=server", "--filename", str(example))
    assert result.returncode == 0, result.stderr


def test_policy_of_the_security_page_is_accepted(kubectl: Kubectl) -> None:
    """The API server compiles its expressions, in a dry run too."""
    for manifest in image_policy():
        result = _dry_run(kubectl, manifest)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("case", ACCEPTED_CASES, ids=lambda case: case.name)
def test_good_neighbour_is_accepted(kubectl: Kubectl, case: Case) -> None:
    result = _dry_run(kubectl, case.apply(good_model()))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("case", MODEL_CASES, ids=lambda case: case.name)
def test_bad_model_is_refused_with_field_and_fix(kubectl: Kubectl, case: Case) -> None:
    _assert_refused(_dry_run(kubectl, case.apply(good_model())), case)


@pytest.mark.parametrize("case", ACTION_CASES, ids=lambda case: case.name)
def test_bad_action_is_refused_with_field_and_fix(kubectl: Kubectl, case: Case) -> None:
    _assert_refused(_dry_run(kubectl, case.apply(good_action())), case)


@pytest.mark.parametrize("case", VERSION_CASES, ids=lambda case: case.name)
def test_bad_version_is_refused_with_field_and_fix(kubectl: Kubectl, case: Case) -> None:
    _assert_refused(_dry_run(kubectl, case.apply(good_version())), case)


@pytest.fixture
def existing(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[Manifest]:
    """An object that exists, because only an update can break a rule about change; suspended, so that nobody acts."""
    manifest = request.param()
    if manifest["kind"] == "RecommenderModel":
        manifest["spec"]["suspend"] = True
    created = kubectl("create", "--filename", "-", stdin=json.dumps(manifest))
    assert created.returncode == 0, created.stderr
    yield manifest
    kubectl("delete", "--filename", "-", "--wait=false", stdin=json.dumps(manifest))


@pytest.mark.parametrize(("existing", "case"), UPDATE_CASES, indirect=["existing"], ids=lambda value: str(value)[:24])
def test_forbidden_change_is_refused_with_field_and_fix(kubectl: Kubectl, existing: Manifest, case: Case) -> None:
    changed = json.dumps(case.apply(existing))
    _assert_refused(kubectl("replace", "--dry-run=server", "--filename", "-", stdin=changed), case)


@pytest.mark.parametrize("existing", [good_model], indirect=True)
def test_scale_subresource_writes_the_replicas(kubectl: Kubectl, existing: Manifest) -> None:
    name = existing["metadata"]["name"]
    scaled = kubectl("scale", "--replicas=5", f"recm/{name}", "--namespace", existing["metadata"]["namespace"])
    assert scaled.returncode == 0, scaled.stderr
    read = kubectl("get", "recm", name, "--namespace", "default", "--output", "jsonpath={.spec.serving.replicas}")
    assert read.stdout == "5"


@pytest.mark.parametrize("existing", [good_version], indirect=True)
def test_offline_metric_is_a_column(kubectl: Kubectl, existing: Manifest) -> None:
    """Its name holds an @, which not every JSON path reader takes."""
    name = existing["metadata"]["name"]
    metric = {"value": 0.125, "low": 0.1, "high": 0.15, "n": 90}
    patch = json.dumps({"status": {"phase": "Stable", "offline": {"ndcg@10": metric}}})
    patched = kubectl("patch", "mv", name, "--subresource=status", "--type=merge", "--patch", patch)
    assert patched.returncode == 0, patched.stderr
    table = kubectl("get", "mv", name)
    header, row = table.stdout.splitlines()
    assert "NDCG@10 (OFFLINE)" in header
    assert "0.125" in row


@pytest.mark.parametrize(("existing", "status"), STATUSES, indirect=["existing"], ids=["model", "version", "action"])
def test_status_comes_back_as_it_was_written(kubectl: Kubectl, existing: Manifest, status: Observed) -> None:
    """A field that the schema prunes or completes would make every pass of the operator find a difference."""
    target = (existing["kind"], existing["metadata"]["name"], "--namespace", existing["metadata"]["namespace"])
    patch = json.dumps({"status": status.to_dict()})
    # the answer is what was stored; a read afterwards would race with an operator that is installed
    patched = kubectl("patch", *target, "--subresource=status", "--type=merge", "--patch", patch, "--output", "json")
    assert patched.returncode == 0, patched.stderr
    assert json.loads(patched.stdout)["status"] == status.to_dict()


@pytest.mark.parametrize("kind", ["recm", "mv", "ma"])
def test_every_field_is_explained(kubectl: Kubectl, kind: str) -> None:
    """`kubectl explain` is the manual of the manifest."""
    result = kubectl("explain", f"{kind}.spec")
    assert result.returncode == 0, result.stderr
    assert "<no description>" not in result.stdout


def _dry_run(kubectl: Kubectl, manifest: Manifest) -> subprocess.CompletedProcess[str]:
    return kubectl("create", "--dry-run=server", "--filename", "-", stdin=json.dumps(manifest))


def _assert_refused(result: subprocess.CompletedProcess[str], case: Case) -> None:
    """Refused, with all the words; `a|b` stands for either (the CLI and the server name some things differently)."""
    assert result.returncode != 0, f"{case.name} was accepted"
    missing = [words for words in case.expected if not any(word in result.stderr for word in words.split("|"))]
    assert not missing, f"{missing} not in: {result.stderr}"
