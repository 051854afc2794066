"""The cluster's S3 server from outside: through the relay on 127.0.0.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys_local.access import Access
from recsys_local.addons import s3_credentials
from recsys_local.errors import LocalError
from recsys_local.ports import port_of


def environment(cluster: Access) -> dict[str, str]:
    """What any S3 client outside the cluster needs, as the usual environment variables."""
    credentials = s3_credentials(cluster)
    if credentials is None:
        raise LocalError("the cluster has no S3 server: run `python -m recsys_local up` without --without-s3")
    access, secret = credentials
    return {
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port_of('s3')}",
        "AWS_REGION": "us-east-1",
    }


def filesystem(cluster: Access) -> Any:
    """An s3fs file system; needs the extra `local`."""
    try:
        import s3fs
    except ImportError:
        raise LocalError("s3fs is not installed: pip install 'recsys-operator[local]'") from None
    env = environment(cluster)
    return s3fs.S3FileSystem(
        key=env["AWS_ACCESS_KEY_ID"],
        secret=env["AWS_SECRET_ACCESS_KEY"],
        endpoint_url=env["AWS_ENDPOINT_URL"],
        client_kwargs={"region_name": env["AWS_REGION"]},
        use_listings_cache=False,
    )


def create_bucket(cluster: Access, name: str) -> None:
    """Create a bucket unless it exists."""
    remote = filesystem(cluster)
    if not remote.exists(name):
        remote.mkdir(name)


def upload(cluster: Access, source: Path, uri: str) -> int:
    """Upload a file, or a folder's files, to s3://bucket/prefix, creating the bucket; returns the number of files."""
    if not uri.startswith("s3://"):
        raise LocalError(f"{uri} is not of the form s3://bucket/prefix")
    remote = filesystem(cluster)
    target = uri.removeprefix("s3://").rstrip("/")
    create_bucket(cluster, target.split("/", 1)[0])
    if source.is_file():
        remote.put_file(str(source), target)
        return 1
    files = sorted(path for path in source.rglob("*") if path.is_file())
    for path in files:
        remote.put_file(str(path), f"{target}/{path.relative_to(source)}")
    return len(files)
