"""A whole, real Kubernetes on one Linux machine: builds its binaries and images, starts and ends it.

Nothing is imitated: etcd, the API server, kubelet, containerd, kube-proxy, CoreDNS and Envoy Gateway run as they
do in production, in a network namespace of their own, so what works here works elsewhere.
"""
