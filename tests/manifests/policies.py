"""The admission policy of the security page, as a person copies it from there."""

from pathlib import Path

import yaml
from tests.manifests.case import Manifest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def image_policy() -> tuple[Manifest, Manifest]:
    """(policy, binding)."""
    text = PAGE.read_text().partition("```yaml\n")[2].partition("```")[0]
    policy, binding = yaml.safe_load_all(text)
    return policy, binding
