"""Network namespaces and faults on demand: silence, loss, ICMP errors, failing calls. Standard library only."""
