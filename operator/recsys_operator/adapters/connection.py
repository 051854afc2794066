"""How to reach the API server: in a pod by its service account, else by kubeconfig (KUBECONFIG)."""

import ssl
from dataclasses import dataclass, field

from kubernetes import client, config

from recsys_operator.errors import SettingsError

__all__ = ["Connection", "load_connection"]


@dataclass(frozen=True)
class Connection:
    """Server URL, TLS, and the header that may change while a projected token rotates."""

    server: str
    tls: ssl.SSLContext | bool
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    insecure: bool = False
    _configuration: client.Configuration | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """Authorization of the next request; the token file is read again about once a minute."""
        if self._configuration is None:
            return {}
        for identifier in ("BearerToken", "authorization"):
            token = self._configuration.get_api_key_with_prefix(identifier)
            if token:
                return {"Authorization": str(token)}
        return {}


def load_connection(kubeconfig: str | None = None) -> Connection:
    """The connection of this process: a service account where there is one, else the kubeconfig file.

    Raises:
        SettingsError: neither a service account nor a kubeconfig was found.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise SettingsError(f"no service account and no kubeconfig: {error}; set KUBECONFIG") from None
    return Connection(
        str(configuration.host).rstrip("/"), _tls(configuration), ca_file=configuration.ssl_ca_cert or "",
        certificate_file=configuration.cert_file or "", key_file=configuration.key_file or "",
        insecure=not configuration.verify_ssl, _configuration=configuration,
    )  # fmt: skip


def _tls(configuration: client.Configuration) -> ssl.SSLContext | bool:
    if str(configuration.host).startswith("http://"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
