"""Certificates of the cluster's own, made by openssl; they live as long as the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recsys_local.network import API_ADDRESS, NODE_ADDRESS
from recsys_local.shell import run

_DAYS = "365"
_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """A certificate to sign: file name, subject and alternative names."""

    name: str
    subject: str
    alternatives: str


CERTIFICATES = (
    Certificate(
        "apiserver",
        "/CN=kube-apiserver",
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,"
        f"DNS:localhost,IP:{API_ADDRESS},IP:{NODE_ADDRESS},IP:127.0.0.1",
    ),
    Certificate("admin", "/O=system:masters/CN=admin", "DNS:admin"),
    Certificate("kubelet", "/O=system:nodes/CN=system:node:node1", f"DNS:node1,IP:{NODE_ADDRESS}"),
    Certificate("kubelet-client", "/CN=kube-apiserver-kubelet-client", "DNS:apiserver"),
    Certificate("controller-manager", "/CN=system:kube-controller-manager", "DNS:controller-manager"),
    Certificate("scheduler", "/CN=system:kube-scheduler", "DNS:scheduler"),
    Certificate("proxy", "/CN=system:kube-proxy", "DNS:proxy"),
    Certificate("dns", "/CN=system:local-dns", "DNS:dns"),
)


def create(folder: Path) -> None:
    """CA, one certificate for each part, and the key pair for service account tokens."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca = ["-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")]
    run(["openssl", "req", "-x509", *_NEW_KEY, "-days", _DAYS, "-subj", "/CN=recsys-local", *ca])
    for certificate in CERTIFICATES:
        _sign(folder, certificate)
    run(["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"])
    run(["openssl", "rsa", "-in", str(folder / "sa.key"), "-pubout", "-out", str(folder / "sa.pub")])


def _sign(folder: Path, certificate: Certificate) -> None:
    key, request = folder / f"{certificate.name}.key", folder / f"{certificate.name}.csr"
    extensions = folder / f"{certificate.name}.ext"
    extensions.write_text(f"subjectAltName={certificate.alternatives}\n")
    run(["openssl", "req", *_NEW_KEY, "-subj", certificate.subject, "-keyout", str(key), "-out", str(request)])
    authority = ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-CAcreateserial"]
    out = ["-days", _DAYS, "-extfile", str(extensions), "-out", str(folder / f"{certificate.name}.crt")]
    run(["openssl", "x509", "-req", "-in", str(request), *authority, *out])
    request.unlink()
    extensions.unlink()
