"""The cluster's processes and their command lines, in the order in which they start."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from recsys_local.network import NODE_ADDRESS, SERVICE_RANGE, inside
from recsys_local.paths import State
from recsys_local.ports import forwards

NODE_NAME = "node1"


@dataclass(frozen=True)
class Process:
    """One process of the cluster."""

    name: str
    command: list[str]


def etcd(state: State) -> Process:
    # nothing here outlives `down`, so nothing is lost by not waiting for the disk
    return _process(state, "etcd", ["etcd", "--data-dir", str(state.root / "etcd"), "--unsafe-no-fsync"])


def apiserver(state: State) -> Process:
    pki = state.pki
    flags = {
        "etcd-servers": "http://127.0.0.1:2379",
        "secure-port": "6443",
        "bind-address": "0.0.0.0",
        "advertise-address": NODE_ADDRESS,
        "service-cluster-ip-range": SERVICE_RANGE,
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "client-ca-file": pki / "ca.crt",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": pki / "sa.pub",
        "service-account-signing-key-file": pki / "sa.key",
        # for `kubectl logs` and `exec`
        "kubelet-client-certificate": pki / "kubelet-client.crt",
        "kubelet-client-key": pki / "kubelet-client.key",
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-preferred-address-types": "InternalIP",
    }
    return _process(state, "apiserver", ["kube-apiserver", *_flags(flags)])


def controller_manager(state: State) -> Process:
    flags = {
        "kubeconfig": state.config / "controller-manager.kubeconfig",
        "service-account-private-key-file": state.pki / "sa.key",
        # without the root CA no pod gets its token volume
        "root-ca-file": state.pki / "ca.crt",
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "secure-port": "0",
    }
    return _process(state, "controller-manager", ["kube-controller-manager", *_flags(flags)])


def scheduler(state: State) -> Process:
    flags = {"kubeconfig": state.config / "scheduler.kubeconfig", "leader-elect": "false", "secure-port": "0"}
    return _process(state, "scheduler", ["kube-scheduler", *_flags(flags)])


def containerd(state: State) -> Process:
    return _process(state, "containerd", ["containerd", "--config", str(state.config / "containerd.toml")])


def kubelet(state: State) -> Process:
    flags = {
        "config": state.config / "kubelet.yaml",
        "kubeconfig": state.config / "kubelet.kubeconfig",
        "root-dir": state.root / "kubelet",
        "hostname-override": NODE_NAME,
        "node-ip": NODE_ADDRESS,
    }
    return _process(state, "kubelet", ["kubelet", *_flags(flags)])


def proxy(state: State) -> Process:
    flags = {"config": state.config / "proxy.yaml", "hostname-override": NODE_NAME}
    return _process(state, "proxy", ["kube-proxy", *_flags(flags)])


def coredns(state: State) -> Process:
    return _process(state, "coredns", ["coredns", "-conf", str(state.config / "Corefile")])


def relay(state: State) -> Process:
    """Outside the namespace until its sockets are open; see the module."""
    arguments = [str(state.netns), *(forward.argument for forward in forwards())]
    return Process("relay", [sys.executable, "-m", "recsys_local.relay", *arguments])


NAMES = ("etcd", "apiserver", "controller-manager", "scheduler", "containerd", "kubelet", "proxy", "coredns", "relay")


def _process(state: State, name: str, command: list[str]) -> Process:
    return Process(name, inside(state, command))


def _flags(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]
