"""What Python packages the schemes of URIs need: the images have that of s3:// alone, and pvc:// needs none."""

from importlib.util import find_spec

DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}


def missing_driver(uri: str) -> str:
    """The package that a URI needs and this Python lacks; empty where it lacks none, or nobody knows the scheme."""
    package = DRIVERS.get(uri.partition("://")[0], "")
    return package if package and find_spec(package) is None else ""


def without_driver(uri: str, package: str, image: str) -> str:
    """The sentence about it.

    Args:
        image: of the chart's `images`.
    """
    return (
        f"{uri} needs the Python package {package}, which is not installed here; in a cluster name an image that has it "
        f"in the chart's images.{image}, or use s3:// or pvc://"
    )
