"""A network of one's own: only the loopback, and a kernel that counts what found no route, native code's packets included."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

SIOCSIFFLAGS = 0x8914
UP_AND_RUNNING = 0x1 | 0x40


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        fcntl.ioctl(anything, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP_AND_RUNNING))


def without_route() -> int:
    """Packets that had nowhere to go since this network was made: connects, and look-ups of names."""
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    six = dict(line.split() for line in Path("/proc/self/net/snmp6").read_text().splitlines())
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"]) + int(six["Ip6OutNoRoutes"])
