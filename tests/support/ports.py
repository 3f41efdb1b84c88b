"""Ports for programs that must be told one.

They lie below those that the kernel hands out by itself, and apart from those of support/postgres-server. A claim keeps every other test
on this machine from choosing the same one before it is used: a Unix socket of that name, which ends with this process.
"""
import collections
import contextlib
import random
import socket

FIRST, LAST = 15000, 32000
claims = collections.deque(maxlen=200)  # those of tests that are long over are given back


def claim(port):
    """Whether it is free, and this process's from now on."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0cardea-test-port-{port}")
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except OSError:
        name.close()
        return None
    return name


def find_ports(count=1, also=()):
    """The first of so many in a row; those that far after it are free too."""
    while True:
        base = random.randrange(FIRST, LAST - max(count, *also, 0))
        with contextlib.ExitStack() as stack:
            names = []
            for port in (*range(base, base + count), *(base + distance for distance in also)):
                name = claim(port)
                if not name:
                    break
                names.append(stack.enter_context(name))
            else:
                stack.pop_all()
                claims.extend(names)
                return base
