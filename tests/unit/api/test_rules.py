"""Every rule has a manifest that breaks it, and the patterns mean what their sentences say."""

import json
import re
from contextlib import suppress
from typing import Annotated

import pytest
import yaml
from pydantic import StringConstraints, TypeAdapter, ValidationError
from tests.manifests.accepted import ACCEPTED_CASES
from tests.manifests.bad import ACTION_CASES, MODEL_CASES
from tests.manifests.bad_operator import OPERATOR_CASES
from tests.manifests.case import ABSENT, GATE, POD_METADATA, SLO, STEPS, Case
from tests.manifests.fragments import key
from tests.manifests.good import good_action, good_model

from recsys_api import patterns
from recsys_api.crd import crd_files
from recsys_api.manifest import ManifestError, parse_manifest
from recsys_api.model_action import ModelActionSpec
from recsys_api.predicates import always
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_types import Rule, values_at
from recsys_api.rules import ACTION_RULES, NAME_RULE, RULES, validate_spec

BROKEN_SPECS = tuple(case.apply(good_model())["spec"] for case in (*MODEL_CASES, *OPERATOR_CASES))


def refusal(changes: dict[str, object]) -> str:
    """What the CLI says to a changed manifest."""
    with pytest.raises(ManifestError) as caught:
        parse_manifest(json.dumps(Case("", changes, ()).apply(good_model())))
    return str(caught.value)


def _messages() -> set[str]:
    """What the rules say to those bad manifests that parse at all."""
    found = set()
    for spec in BROKEN_SPECS:
        try:
            parsed = RecommenderModelSpec.model_validate(spec)
        except ValueError:
            continue
        found |= {problem.message for problem in validate_spec(parsed, cluster=True)}
    return found


SAID = _messages()
BY_SCHEMA = {"spec.rollout.pinnedVersion"}
"""Here pydantic's own bound comes first; the rule gives the API server a better sentence."""


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if rule.holds is not always and not BY_SCHEMA & {*rule.paths}],
    ids=lambda rule: rule.message[:40],
)
def test_rule_is_broken_by_a_bad_manifest(rule: Rule) -> None:
    assert rule.message in SAID


@pytest.mark.parametrize("rule", [*RULES, NAME_RULE], ids=lambda rule: rule.message[:40])
def test_message_says_what_is_wrong_and_what_to_do(rule: Rule) -> None:
    problem, _, remedy = rule.message.partition(";")
    assert problem
    assert remedy or "remove it" in problem
    assert "\n" not in rule.message


def test_every_rule_of_an_action_is_broken_by_a_bad_one() -> None:
    said: set[str] = set()
    for spec in (case.apply(good_action())["spec"] for case in ACTION_CASES):
        with suppress(ValidationError):
            parsed = ModelActionSpec.model_validate(spec)
            said |= {rule.message for rule in ACTION_RULES if not rule.holds(parsed)}
    assert said == {rule.message for rule in ACTION_RULES if rule.holds is not always}
    assert all(rule.holds(ModelActionSpec.model_validate(good_action()["spec"])) for rule in ACTION_RULES)


FOUND: tuple[tuple[str, object, str], ...] = (
    (
        "spec.training.resources.requests",
        {"cpu": "500m", "memory": "4GB"},
        "spec.training.resources.requests: an amount is not a quantity; write a number, not negative, with a unit of "
        'Kubernetes, as in cpu: "500m" or memory: 4Gi, not 4GB (found memory: "4GB")',
    ),
    ("spec.serving.resources.limits", {"memory": "4Gi", "gpu": 1}, "(found gpu: 1)"),
    (POD_METADATA, {"labels": {"team": "my team"}}, '(found labels: {"team": "my team"})'),
    (f"{GATE}.atLeast", "5", '(found "5")'),
    (f"{SLO}.sli.thresholdMilliseconds", ABSENT, "as in thresholdMilliseconds: 50"),
    ("spec.training.nodes", 3, "or change model.architecture (found 3)"),
    (STEPS, [{"name": "a", "weight": 100}, {"name": "b", "weight": 5}], "give each a weight of its own"),
)
"""(path, value, how the CLI's line ends)."""


@pytest.mark.parametrize(("path", "value", "end"), FOUND, ids=[path for path, _, _ in FOUND])
def test_the_cli_shows_what_breaks_a_rule(path: str, value: object, end: str) -> None:
    model = {"spec.model": {"architecture": "PureSVD"}} if path.endswith("nodes") else {}
    assert refusal({path: value, **model}).splitlines()[0].endswith(end)


@pytest.mark.parametrize("case", ACCEPTED_CASES, ids=lambda case: case.name)
def test_good_neighbour_is_accepted(case: Case) -> None:
    parse_manifest(json.dumps(case.apply(good_model())), cluster=True)


def test_values_are_found_with_their_places() -> None:
    spec = RecommenderModelSpec.model_validate(good_model()["spec"])
    assert list(values_at(spec, "rollout.steps[].weight")) == [
        ("rollout.steps[0].weight", 5),
        ("rollout.steps[1].weight", 100),
    ]
    assert list(values_at(spec, "serving.autoscaling.maxReplicas")) == []


BLANK = "\x00\t\n\v\f\r \x1f\x7f\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"

PATTERNS = {
    "DECIMAL": (("0", "0.05", "99.9", "100"), ("", "-1", ".5", "5.", "05", "1e3", "1,5", "0.1234567890")),
    "NAME": (("a", "0", "no-worse"), ("", "-a", "a-", "A", "a.b", "a" * 41)),
    "MODEL_NAME": (("m", "movies-2"), ("2-movies", "", "m-", "M")),
    "URI": (("s3://b/x", "gs://b", "az://c", "pvc://c/x", "file:///x"), ("s3://", "/x", "pvc:///x", "s3://a b")),
    "CRON": (
        ("0 3 * * *", "*/5 0-6 1,15 1-12/3 7", "59 23 31 12 0"),
        ("0 3 * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "@daily", "* * * * MON"),
    ),
    "QUANTITY": (
        ("0", "1.5", "500m", "4Gi", "2e9", "1E3", ".5", "5.", "+1", "1e-3"),
        ("", ".", "-1", "4 GB", "Gi", "1KiB", "1e", "1e9999999999999999999"),
    ),
    "RESOURCE_NAME": (("cpu", "hugepages-2Mi", "nvidia.com/gpu"), ("mem", "gpu", "CPU", "nvidia.com/")),
    "PATH_PREFIX": (
        ("/", "/movies", "/a/b/", "/.a", "/..a/a..b", "/...", "/a.", "/%20x%3F", "/~a!$&'()*+,;=:@"),
        (
            "",
            "movies",
            "//",
            "/a//b",
            "/a?b",
            "/a b",
            "/.",
            "/..",
            "/a/../b",
            "/./",
            "/a%2Fb",
            "/%2f",
            "/%zz",
            "/a%",
            "/a#",
        ),
    ),
    "LABEL_VALUE": (("", "a", "A.b_c-9"), ("-a", "a-", "a b", "ä", "a/b")),
    "LABEL_KEY": (
        ("a", "A_b.c", "example.com/Team", "a" * 63, key(253, 63), key(64, 1)),
        ("", "/a", "Example.com/a", "a/b/c", "-a", "a" * 64, "a./b", "-a/b", "a..b/c", key(1, 64)),
    ),
    "TAINT_KEY": (("", "nvidia.com/gpu"), ("/", "a b", "gpu/")),
    "HOSTNAME": (("example.com", "*.example.com"), ("Example.com", "https://x", "x:80", "*")),
}
"""{constant of recsys_api.patterns: (what it takes, what it refuses)}."""


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_takes_the_good_and_refuses_the_bad(name: str) -> None:
    pattern, (good, bad) = getattr(patterns, name), PATTERNS[name]
    takes = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)]).validate_python
    assert [text for text in good if not re.fullmatch(pattern, text) or takes(text) != text] == []
    assert [text for text in bad if re.fullmatch(pattern, text)] == []
    for text in (*bad, *(f"{each}\n" for each in good)):
        with pytest.raises(ValidationError):
            takes(text)


@pytest.mark.parametrize("character", BLANK, ids=lambda character: f"U+{ord(character):04X}")
def test_a_uri_has_no_blank_whatever_reads_it(character: str) -> None:
    """To RE2 white space is ASCII, to Python and pydantic it is not: an explicit class means the same to all."""
    for uri in (f"s3://lake/a{character}b", f"pvc://claim/{character}", f"s3://lake/x{character}"):
        told = refusal({"spec.data.source.uri": uri})
        assert "is not a supported URI" in told
        assert told.endswith("without spaces")


def test_a_uri_may_have_letters_of_any_script() -> None:
    assert re.fullmatch(patterns.URI, "s3://lake/Müller/数据/a-b_c=1?*")


def _patterns() -> set[str]:
    """All that the API server matches: keywords of the schemas, and in rules."""
    documents = [yaml.safe_load(each) for each in crd_files().values()]
    rules = re.findall(r'"rule": "((?:[^"\\]|\\.)*)"', json.dumps(documents))
    in_rules = {each for rule in rules for each in re.findall(r'matches\(("(?:[^"\\]|\\.)*")', json.loads(f'"{rule}"'))}
    keywords = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(documents))
    assert in_rules
    assert keywords
    return {json.loads(each) for each in (*in_rules, *keywords)}


@pytest.mark.parametrize("pattern", sorted(_patterns()))
def test_a_pattern_of_the_crds_means_the_same_to_all_who_read_it(pattern: str) -> None:
    """A class such as \\s is another one to RE2, to Rust and to Python; look-around and back references RE2 has none of."""
    assert pattern.startswith("^")
    assert pattern.endswith("$")
    assert not re.search(r"\\[a-wyzA-Z]|\(\?|\\[1-9]", pattern), "classes by letter, groups with ?, back references"
    TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    re.compile(pattern)
