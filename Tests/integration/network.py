# SPDX-License-Identifier: Apache-2.0
"""Hosts on one machine: a network namespace each, all plugged into a bridge whose frames nftables may drop.

The bridge lives in a namespace of its own, the switch, so the machine's own network is never touched. Names carry the pid, so
that runs beside each other don't meet; what a run that was killed has left behind is removed by the next one.
"""

import functools
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import time

_number = itertools.count(1)
_PATTERN = re.compile(r"gb(\d+)-\d+-\w+")


def _run(arguments, text=None):
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise OSError(f"{' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _namespaces():
    folder = pathlib.Path("/run/netns")
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _remove_orphans():
    for name in _namespaces():
        match = _PATTERN.fullmatch(name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@functools.cache
def obstacle():
    """Why hosts can't be made here, in a sentence; None where they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [program for program in ("ip", "nft", "nsenter", "setpriv") if shutil.which(program) is None]
    if missing:
        return f"there is no {' and no '.join(missing)} here (packages iproute2, nftables, util-linux)"
    try:
        _remove_orphans()
        network = Network(2)
    except OSError as error:
        return f"network namespaces can't be made: {error}"
    try:
        network.lose(50)
    except OSError as error:
        return f"nftables can't cut a bridge: {error}"
    finally:
        network.close()
    return None


class Network:
    """Hosts 1 … `count` with the addresses 10.77.0.1 …; any two see each other until something is cut.

    What cuts returns the time right before, by `time.monotonic`. A cut replaces the one before it.
    """

    def __init__(self, count, sysctl=None):
        self.count = count
        self.prefix = f"gb{os.getpid()}-{next(_number)}"
        self.switch = f"{self.prefix}-switch"
        self.made = []
        try:
            self._make(sysctl or {})
        except BaseException:
            self.close()
            raise

    def _make(self, sysctl):
        for name in (self.switch, *(self.namespace(host) for host in self.hosts)):
            # Named before it is made: a signal may come between the two.
            self.made.append(name)
            _run(["ip", "netns", "add", name])
        lines = ["link add bridge type bridge", "link set bridge up"]
        for host in self.hosts:
            lines.append(f"link add h{host} type veth peer name eth0 netns {self.namespace(host)}")
            lines.append(f"link set h{host} master bridge up")
        _run(["ip", "-n", self.switch, "-batch", "-"], "\n".join(lines))
        for host in self.hosts:
            lines = ["link set lo up", "link set eth0 up", f"addr add {self.address(host)}/24 dev eth0"]
            _run(["ip", "-n", self.namespace(host), "-batch", "-"], "\n".join(lines))
            for key, value in sysctl.items():
                _run([*self.inside(host), "sh", "-c", 'echo "$1" >"/proc/sys/$2"', "sh", str(value), key.replace(".", "/")])
        self._nft("add table bridge cuts", "add chain bridge cuts forward { type filter hook forward priority 0; policy accept; }")

    @property
    def hosts(self):
        return range(1, self.count + 1)

    def namespace(self, host):
        return f"{self.prefix}-h{host}"

    def address(self, host):
        return f"10.77.0.{host}"

    def inside(self, host):
        """Words before a command that run it in a host; it has the pid that was started, and ends when we do."""
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{self.namespace(host)}", "--"]

    def close(self):
        """Processes in the hosts are ended before; a namespace lives as long as one runs in it."""
        while self.made:
            # Also those that could not be made.
            subprocess.run(["ip", "netns", "del", self.made[-1]], capture_output=True, check=False)
            self.made.pop()

    def _nft(self, *lines):
        _run([*self._inside_switch(), "nft", "-f", "-"], "\n".join(lines) + "\n")

    def _inside_switch(self):
        return ["nsenter", f"--net=/run/netns/{self.switch}", "--"]

    # What is dropped

    def cut(self, *rules):
        """Rules of nftables for frames between two hosts, in place of those before; all change at once."""
        begin = time.monotonic()
        self._nft("flush chain bridge cuts forward", *(f"add rule bridge cuts forward {rule}" for rule in rules))
        return begin

    def heal(self):
        return self.cut()

    def one_way(self, *pairs):
        """Nothing gets from the first to the second of a pair; the other way is open."""
        return self.cut(*(f'iifname "h{sender}" oifname "h{receiver}" drop' for sender, receiver in pairs))

    def split(self, side, other):
        """Nothing gets from one side to the other."""
        return self.one_way(*itertools.product(side, other), *itertools.product(other, side))

    def unplug(self, host):
        """Nothing gets to the host or away from it."""
        return self.cut(f'iifname "h{host}" drop', f'oifname "h{host}" drop')

    def silence(self, host):
        """As `unplug`, but the others still find its hardware address: their packets go nowhere, and no error says so."""
        return self.cut(f'iifname "h{host}" ether type ip drop', f'oifname "h{host}" ether type ip drop')

    def mute(self, host):
        """Nothing gets away from the host; it still hears the others."""
        return self.cut(f'iifname "h{host}" drop')

    def lose(self, percent):
        """So many of a hundred IP packets are lost, in each direction, each by a dice roll of its own."""
        return self.cut(f"ether type ip numgen random mod 100 < {percent} drop")
