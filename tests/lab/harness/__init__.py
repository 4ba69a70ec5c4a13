"""The lab on this machine: hosts, networks, disks, faults, tests. Everything here runs on the controller as root."""
