"""Faults: processes killed, disks full or damaged, ports taken, clocks that jump, connections cut (docs/faults.md)."""
