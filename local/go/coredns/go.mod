// Builds CoreDNS. The `tool` lines name what is built; go.sum pins every byte.
module recsys.dev/local/coredns

go 1.26.0

require github.com/coredns/coredns v1.15.0

tool github.com/coredns/coredns
