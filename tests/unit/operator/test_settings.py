"""The environment."""

import pytest

from recsys_operator.errors import SettingsError
from recsys_operator.settings import read_settings

IMAGES = {"RECSYS_TRAINER_IMAGE": "trainer:1", "RECSYS_SERVING_IMAGE": "serving:1"}


def test_two_images_are_enough() -> None:
    settings = read_settings(IMAGES)
    assert settings.trainer_image == "trainer:1"
    assert settings.gateway_port == 19001
    assert settings.watch_namespaces == ()


def test_namespaces_are_separated_by_commas() -> None:
    given = read_settings(IMAGES | {"RECSYS_WATCH_NAMESPACES": " a, b ,", "RECSYS_GATEWAY_NAMESPACES": "c,d"})
    assert (given.watch_namespaces, given.gateway_namespaces) == (("a", "b"), ("c", "d"))
    assert read_settings(IMAGES | {"RECSYS_GATEWAY_NAMESPACES": ","}).gateway_namespaces == ("envoy-gateway-system",)


def test_an_empty_variable_is_the_default() -> None:
    assert read_settings(IMAGES | {"RECSYS_LOG_LEVEL": ""}).log_level == "INFO"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "RECSYS_TRAINER_IMAGE is not set.*RECSYS_SERVING_IMAGE is not set"),
        (IMAGES | {"RECSYS_GATEWAY_PORT": "http"}, "RECSYS_GATEWAY_PORT='http'"),
        (IMAGES | {"RECSYS_TRITON_START_SECONDS": "0"}, "RECSYS_TRITON_START_SECONDS='0'.*greater than or equal to 1"),
        (IMAGES | {"RECSYS_LOG_LEVEL": "loud"}, "RECSYS_LOG_LEVEL='loud'.*'DEBUG'"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings(wrong)
