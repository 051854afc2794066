"""The operator as a process on a real kube-apiserver and etcd, with stand-ins for nodes, gateway and users.

world.py      API server, CRDs, the operator, the helpers; all ended by process id
standins.py   a process: completes Jobs, makes pods ready, answers their /metrics and the gateway's statistics
observer.py   a process that imports nothing of the operator: when did which route say what
peer.py       a process: the fixed-threshold loop that canary controllers run, on routes of its own
rounds.py     canary -> breach -> rolled back -> Retry -> canary, many models at once
usage.py      audit log, /proc, the operator's own metrics
rows.py       the table
"""
