"""The configuration files of the cluster's parts, as data; a YAML or TOML writer renders them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import yaml

from recsys_local.network import NODE_ADDRESS, NODE_POD_RANGE, POD_RANGE
from recsys_local.paths import NAMESPACE, RUN, Cache, State

API_INSIDE = f"https://{NODE_ADDRESS}:6443"
CLUSTER_DOMAIN = "cluster.local"
_CLIENTS = ("admin", "kubelet", "controller-manager", "scheduler", "proxy", "dns")


def kubeconfig(state: State, client: str, server: str, *, embedded: bool = False) -> dict[str, Any]:
    """A kubeconfig for one of the certificates. Embedded ones can be copied elsewhere."""

    def pem(key: str, path: Path) -> dict[str, str]:
        if not embedded:
            return {key: str(path)}
        return {f"{key}-data": base64.b64encode(path.read_bytes()).decode()}

    user = {
        **pem("client-certificate", state.pki / f"{client}.crt"),
        **pem("client-key", state.pki / f"{client}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": NAMESPACE, "cluster": {"server": server, **pem("certificate-authority", state.pki / "ca.crt")}}
        ],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": NAMESPACE, "context": {"cluster": NAMESPACE, "user": client}}],
        "current-context": NAMESPACE,
    }


def containerd(cache: Cache, state: State, sandbox_image: str) -> dict[str, Any]:
    """containerd's configuration (version 3)."""
    return {
        "version": 3,
        "root": str(cache.containerd),
        "state": str(RUN / "containerd"),
        "grpc": {"address": str(state.containerd_socket)},
        "plugins": {
            "io.containerd.cri.v1.images": {"pinned_images": {"sandbox": sandbox_image}},
            "io.containerd.cri.v1.runtime": {
                # without it runc ends with "can't get final child's PID" where the score may not be lowered
                "restrict_oom_score_adj": True,
                # pods' network namespaces then lie in our folder, where `down` finds them even after a crash
                "netns_mounts_under_state_dir": True,
                "cni": {"bin_dirs": ["/usr/lib/cni"], "conf_dir": str(state.config / "cni")},
            },
        },
    }


def to_toml(table: dict[str, Any], prefix: str = "") -> str:
    """The little of TOML that containerd's configuration needs: tables, and what JSON writes the same way."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if isinstance(value, dict):
            name = f"{prefix}.{json.dumps(key)}" if prefix else json.dumps(key)
            lines += [f"[{name}]", to_toml(value, name)]
    return "\n".join(lines)


def cni(state: State) -> dict[str, Any]:
    """One bridge for all pods; a /22 because a node may have 110 pods and addresses are not reused at once."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(RUN / "ipam"),
            "ranges": [[{"subnet": NODE_POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": "recsys-local", "plugins": [bridge, {"type": "loopback"}]}


def kubelet(state: State) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": f"unix://{state.containerd_socket}",
        "tlsCertFile": str(state.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(state.pki / "kubelet.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(state.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "failSwapOn": False,
        "podLogsDir": str(state.root / "pod-logs"),
        "volumePluginDir": str(state.root / "kubelet" / "volume-plugins"),
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "evictionHard": {},
        # the control plane runs on the same machine, outside any pod
        "systemReserved": {"memory": "2Gi"},
        # the machine's own file names servers that pods cannot reach
        "resolvConf": str(state.config / "resolv.conf"),
        # there is no registry to bring an image back from
        "imageGCHighThresholdPercent": 100,
    }


def kube_proxy(state: State) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(state.config / "proxy.kubeconfig")},
        "clusterCIDR": POD_RANGE,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def corefile(state: State) -> str:
    """Answers for the cluster's names; others get an answer at once instead of a time-out.

    Two server blocks, because `template` comes before `kubernetes` whatever the order in the file.
    """
    return "\n".join(
        [
            f"{CLUSTER_DOMAIN}:53 in-addr.arpa:53 ip6.arpa:53 {{",
            f"  bind {NODE_ADDRESS}",
            "  errors",
            f"  kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{",
            f"    kubeconfig {state.config / 'dns.kubeconfig'}",
            "    ttl 5",
            "  }",
            "}",
            ".:53 {",
            f"  bind {NODE_ADDRESS}",
            "  errors",
            "  template ANY ANY . {",
            "    rcode NXDOMAIN",
            "  }",
            "}",
            "",
        ]
    )


def write_all(cache: Cache, state: State, sandbox_image: str, api_port: int) -> None:
    """Write every file that a part of the cluster is started with."""
    config = state.config
    (config / "cni").mkdir(parents=True, exist_ok=True)
    for client in _CLIENTS:
        _write_yaml(config / f"{client}.kubeconfig", kubeconfig(state, client, API_INSIDE))
    _write_yaml(state.kubeconfig_inside, kubeconfig(state, "admin", API_INSIDE, embedded=True))
    _write_yaml(state.kubeconfig, kubeconfig(state, "admin", f"https://127.0.0.1:{api_port}", embedded=True))
    for secret in (state.kubeconfig, state.kubeconfig_inside):
        secret.chmod(0o600)
    (config / "containerd.toml").write_text(to_toml(containerd(cache, state, sandbox_image)) + "\n")
    (config / "cni" / "10-recsys-local.conflist").write_text(json.dumps(cni(state), indent=2))
    _write_yaml(config / "kubelet.yaml", kubelet(state))
    _write_yaml(config / "proxy.yaml", kube_proxy(state))
    (config / "Corefile").write_text(corefile(state))
    (config / "resolv.conf").write_text("")


def _write_yaml(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False))
