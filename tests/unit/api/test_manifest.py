"""The CLI's reader: the same refusals as the API server's, in the same words."""

import json
from pathlib import Path

import pytest
import yaml
from tests.manifests.bad import MODEL_CASES
from tests.manifests.bad_operator import OPERATOR_CASES
from tests.manifests.case import Case
from tests.manifests.good import good_model

from recsys_api.manifest import ManifestError, parse_manifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_types import values_at
from recsys_api.rules import validate_spec

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FOR_THE_CLI = (*(case for case in MODEL_CASES if not case.only_cluster), *OPERATOR_CASES)


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


def test_a_plain_path_is_answered_with_how_the_cli_wants_it() -> None:
    manifest = good_model()
    manifest["spec"]["data"]["source"]["uri"] = "/data/clicks"
    assert 'spec.data.source.uri: "/data/clicks" is not a supported URI' in _refusal(json.dumps(manifest))
    assert "file:///folder in recsys-trainer fit only" in _refusal(json.dumps(manifest))


def test_all_problems_are_told_at_once() -> None:
    manifest = good_model()
    manifest["spec"]["training"] = {"epochs": 0, "nodes": 0}
    assert len(_refusal(json.dumps(manifest)).splitlines()) == 2


def test_misspelt_field_is_answered_with_the_right_one() -> None:
    manifest = good_model()
    manifest["spec"]["rollout"]["steps"][0]["wieght"] = 5
    assert _refusal(json.dumps(manifest)) == "spec.rollout.steps[0].wieght: is not a field; did you mean weight?"


def test_nan_is_no_number_that_would_be_too_large() -> None:
    manifest = good_model()
    manifest["spec"]["model"] = {"regularization": float("nan")}
    assert _refusal(yaml.safe_dump(manifest)) == "spec.model.regularization: NaN is not a number; write digits"


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
        ("kind: Secret", "0 documents of kind RecommenderModel found, but Secret; give exactly one"),
        ("kind: Secret\n---\nkind: 5\n---\nkind: Secret", "found, but Secret (2), 5; give"),
        ("kind: recommendermodel", "found, but recommendermodel; give"),
        ("metadata: {}\n---\n- a", "found, but one without a kind (2); give"),
        ("kind: [a]", "found, but ['a']; give"),
        ("kind: RecommenderModel\n---\nkind: RecommenderModel", "2 documents"),
        ("a: [", "is not YAML"),
        ("a: " + "[" * 3000, "is not YAML"),
        ("kind: RecommenderModel\n? [a]\n: x", "is not YAML"),
        ("kind: RecommenderModel\n2026-01-01: x", "2026-01-01: is not a field"),
        ("kind: RecommenderModel\n? !!binary aGk=\n: x", "is YAML that JSON cannot say (keys must be str"),
        ("kind: RecommenderModel\nspec: &a {b: *a}", "is YAML that JSON cannot say (Circular reference"),
    ],
)
def test_text_without_exactly_one_model_is_refused(text: str, words: str) -> None:
    assert words in _refusal(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: RecommenderModel\n\tspec: x", "found character '\\t' that cannot start any token (line 2, column 1)"),
        ("kind: RecommenderModel\nkind: x", "in this mapping, kind stands twice (line 2, column 1)"),
        ("a: \x00", "unacceptable character #x0000"),
    ],
)
def test_what_is_no_yaml_is_told_in_one_line(text: str, said: str) -> None:
    assert said in _refusal(text)
    assert "\n" not in _refusal(text)


@pytest.mark.parametrize(
    ("path", "written", "found"),
    [
        ("spec.training.epochs", "1e1", 10),
        ("spec.training.epochs", "10.0", 10),
        ("spec.rollout.pinnedVersion", "2026-02-30", "2026-02-30"),
        ("spec.rollout.pinnedVersion", "2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
        ("spec.rollout.pinnedVersion", "1:30", "1:30"),
        ("spec.rollout.pinnedVersion", "0x_", "0x_"),
        ("spec.rollout.paused", "y", True),
    ],
)
def test_a_word_is_what_it_is_for_kubectl(path: str, written: str, found: object) -> None:
    text = yaml.safe_dump(Case("", {path: "WORD"}, ()).apply(good_model())).replace("WORD", written)
    assert list(values_at(parse_manifest(text), path)) == [(path, found)]


@pytest.mark.parametrize(
    ("path", "written", "said"),
    [
        ("spec.data.columns.user", "n", "spec.data.columns.user: false is not text"),
        ("spec.training.epochs", "9" * 5000, "is not an integer"),
        ("spec.data.columns.user", '"\\ud800"', "has text that is no UTF-8"),
        (
            "spec.training.resources.requests.cpu",
            "1.5",
            "requests.cpu: 1.5 is not a quantity; write a whole number, or text",
        ),
    ],
)
def test_a_word_that_kubectl_takes_for_something_else_is_refused(path: str, written: str, said: str) -> None:
    text = yaml.safe_dump(Case("", {path: "WORD"}, ()).apply(good_model())).replace("WORD", written)
    assert said in _refusal(text)
    assert len(_refusal(text).splitlines()) == 1


def test_a_name_of_python_is_answered_with_the_published_one() -> None:
    manifest = Case("", {"spec.training.batch_size": 5}, ()).apply(good_model())
    assert _refusal(json.dumps(manifest)) == "spec.training.batch_size: is not a field; did you mean batchSize?"


@pytest.mark.parametrize(
    ("written", "rate"), [("1e-3", 0.001), ("1E-3", 0.001), ("1.5e-3", 0.0015), (".5e-2", 0.005), ("+2e0", 2.0)]
)
def test_a_number_with_an_exponent_is_one_as_for_kubectl(written: str, rate: float) -> None:
    manifest = good_model()
    manifest["spec"]["model"] = {"architecture": "GMF"}
    manifest["spec"]["training"] = {"optimizer": {"learningRate": "RATE"}}
    text = yaml.safe_dump(manifest).replace("RATE", written)
    assert parse_manifest(text).spec.training.optimizer.learning_rate == rate
    assert "is not a number" in _refusal(yaml.safe_dump(manifest).replace("RATE", f'"{written}"'))


def test_a_key_that_stands_twice_is_refused_as_by_kubectl() -> None:
    manifest = good_model()
    manifest["spec"]["training"] = {"epochs": 3}
    message = _refusal(yaml.safe_dump(manifest).replace("epochs: 3", "epochs: 3\n    epochs: 30"))
    assert "epochs stands twice" in message
    assert "line " in message


def test_a_mapping_may_override_what_it_merges() -> None:
    manifest = good_model()
    manifest["spec"]["training"] = {"epochs": 3}
    text = "base: &base {epochs: 30, seed: 5}\n---\n" + yaml.safe_dump(manifest)
    text = text.replace("---\n", "").replace("epochs: 3\n", "<<: *base\n    epochs: 3\n")
    assert _refusal(text).startswith("base: is not a field")
    assert len(_refusal(text).splitlines()) == 1


def test_good_spec_has_no_problems() -> None:
    assert validate_spec(RecommenderModelSpec.model_validate(good_model()["spec"]), cluster=True) == []
