"""The CLI's reader: the same refusals as the API server's, in the same words."""

import json
from pathlib import Path

import pytest
import yaml
from tests.manifests.bad import MODEL_CASES
from tests.manifests.case import Case
from tests.manifests.good import good_model

from recsys_api.manifest import ManifestError, parse_manifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rules import validate_spec

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FOR_THE_CLI = tuple(case for case in MODEL_CASES if not case.only_cluster)


def _refusal(text: str, *, cluster: bool = False) -> str:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, cluster=cluster)
    return str(caught.value)


@pytest.mark.parametrize("name", ["minimal.yaml", "movies.yaml", "shop.yaml"])
def test_example_is_read(name: str) -> None:
    manifest = parse_manifest((EXAMPLES / name).read_text(), cluster=True)
    assert manifest.metadata.name == name.removesuffix(".yaml")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("quality/*.yaml")), ids=lambda path: path.stem)
def test_manifest_of_a_quality_row_is_read_and_named_as_its_file(path: Path) -> None:
    assert parse_manifest(path.read_text(), cluster=True).metadata.name == path.stem


@pytest.mark.parametrize("case", FOR_THE_CLI, ids=lambda case: case.name)
def test_bad_manifest_is_refused_with_field_and_fix(case: Case) -> None:
    message = _refusal(json.dumps(case.apply(good_model())), cluster=True)
    missing = [words for words in case.expected if not any(word in message for word in words.split("|"))]
    assert not missing, f"{missing} not in: {message}"


def test_file_is_refused_in_the_cluster_only() -> None:
    manifest = good_model()
    manifest["spec"]["data"]["source"]["uri"] = "file:///data"
    assert parse_manifest(json.dumps(manifest)).spec.data.source.uri == "file:///data"
    assert "spec.data.source.uri: file:// is for the CLI" in _refusal(json.dumps(manifest), cluster=True)


def test_all_problems_are_told_at_once() -> None:
    manifest = good_model()
    manifest["spec"]["training"] = {"epochs": 0, "nodes": 0}
    assert len(_refusal(json.dumps(manifest)).splitlines()) == 2


def test_misspelt_field_is_answered_with_the_right_one() -> None:
    manifest = good_model()
    manifest["spec"]["rollout"]["steps"][0]["wieght"] = 5
    assert _refusal(json.dumps(manifest)) == "spec.rollout.steps[0].wieght: is not a field; did you mean weight?"


def test_unknown_field_is_answered_with_those_that_exist() -> None:
    manifest = good_model()
    manifest["spec"]["artifacts"]["bananas"] = 5
    assert "use one of uri, credentialsSecretRef" in _refusal(json.dumps(manifest))


def test_output_of_kubectl_get_can_be_read_back() -> None:
    manifest = good_model()
    manifest["metadata"] |= {"uid": "x", "resourceVersion": "5", "managedFields": [{}]}
    manifest["status"] = {"stable": "movies-0123456789"}
    assert parse_manifest(yaml.safe_dump(manifest)).metadata.name == "admission"


def test_one_model_is_found_among_other_documents() -> None:
    text = "kind: Secret\n---\n" + yaml.safe_dump(good_model()) + "---\n"
    assert parse_manifest(text).kind == "RecommenderModel"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 documents of kind RecommenderModel"),
        ("kind: Secret", "0 documents"),
        ("kind: RecommenderModel\n---\nkind: RecommenderModel", "2 documents"),
        ("a: [", "is not YAML"),
    ],
)
def test_text_without_exactly_one_model_is_refused(text: str, words: str) -> None:
    assert words in _refusal(text)


def test_good_spec_has_no_problems() -> None:
    assert validate_spec(RecommenderModelSpec.model_validate(good_model()["spec"]), cluster=True) == []
