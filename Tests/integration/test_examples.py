# SPDX-License-Identifier: Apache-2.0
"""The examples join clusters of `gofer` nodes, set, read and watch; three C nodes alone are a cluster too.

Where they are: C_NODE, TEN_LINES, and GOFERBROKE_LIBRARY for Python (scripts/test builds and names them).
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
import types
import unittest

from support import ROOT, Case, alive, interrupt, wait_until

C_NODE = [os.environ.get("C_NODE", "")]
PYTHON_NODE = [sys.executable, str(ROOT / "Examples/python/node.py")]
TEN_LINES = os.environ.get("TEN_LINES", "")


class LineNodes:
    """What the C and the Python example share: commands on standard input, lines on standard output."""

    program = ()

    def launch_example(self, name, *seeds, cluster="test"):
        words = [*self.program, "--cluster", cluster, "--name", name]
        for seed in seeds:
            words += ["--seed", seed]
        node = self.place.run(words, stdin=subprocess.PIPE)
        node.name = name
        node.address = node.expect(r"^listening (\S+)")[1][1]
        return node

    def cluster_of_examples(self):
        first = self.launch_example("a")
        nodes = [first, *(self.launch_example(name, first.address) for name in ("b", "c"))]
        for node in nodes:
            for name in "abc":
                node.expect(rf"^member {name} alive")
        return nodes

    def test_it_is_a_member_among_gofer_nodes(self):
        first, second = self.place.cluster(2)
        node = self.launch_example("example", first.address)
        node.expect(r"^joined \d")
        for other in (first, second):
            wait_until(lambda o=other: o.status_of("example") == "alive", f"{other.name} knows the example")
            self.assertTrue(other.members()["example"]["detector"], "it judges with the others")
        # It sets, they read.
        node.say("set g k hello world")
        node.expect(r"^ok set")
        for other in (first, second):
            wait_until(lambda o=other: o.ask("get", "example", "g", "k").output == "hello world\n", f"{other.name} has it")
        # They set, it watches and reads.
        self.assertEqual(first.ask("set", "limits", "max", "-7", "--type", "int").code, 0)
        node.expect(r"^delta n1 limits max = -7$")
        node.say("get n1 limits max")
        node.expect(r"^value -7$")
        self.assertEqual(first.ask("delete", "limits", "max").code, 0)
        node.expect(r"^delta n1 limits max deleted$")
        node.say("get n1 limits max")
        node.expect(r"^error get: not found")
        # It says good-bye.
        node.say("leave")
        node.expect(r"^left$")
        self.assertEqual(node.end(), 0)
        for other in (first, second):
            wait_until(lambda o=other: o.status_of("example") == "left", f"{other.name} knows that it left")

    def test_it_notices_a_killed_gofer_node(self):
        first, second = self.place.cluster(2)
        node = self.launch_example("example", first.address)
        node.expect(r"^member n2 alive")
        wait_until(lambda: alive(second) == 3, "all know all")
        killed = time.monotonic()
        second.kill()
        when, _ = node.expect(r"^member n2 dead", after=killed)
        self.assertLess(when - killed, 5)
        wait_until(lambda: first.status_of("n2") == "dead", "the other judge says so too")

    def test_who_died_of_silence_before_it_came_is_dead_for_it_too(self):
        first, second, third = self.place.cluster(3)
        third.send(signal.SIGSTOP)
        for node in (first, second):
            wait_until(lambda n=node: n.status_of("n3") == "dead", f"{node.name} holds n3 for dead", seconds=60)
        example = self.launch_example("example", first.address)
        example.expect(r"^joined \d")
        # When values go to and fro, it has heard the accusations too.
        example.say("set g k 1")
        wait_until(lambda: second.ask("get", "example", "g", "k").output == "1\n", "its value is there")
        self.assertEqual(second.ask("set", "g", "k", "2").code, 0)
        example.expect(r"^delta n2 g k = 2$")
        asked = time.monotonic()
        example.say("members")
        example.expect(r"^member n3 dead", after=asked)
        self.assertIsNone(example.find(r"^member n3 (suspect|alive)"), example.text)

    def test_gofer_nodes_notice_a_killed_example(self):
        first, second = self.place.cluster(2)
        node = self.launch_example("example", first.address)
        for other in (first, second):
            wait_until(lambda o=other: alive(o) == 3, f"{other.name} knows the example")
        node.kill()
        for other in (first, second):
            wait_until(lambda o=other: o.status_of("example") == "dead", f"{other.name} notices")

    def test_three_of_them_alone_are_a_cluster_and_notice_a_killed_one(self):
        a, b, c = self.cluster_of_examples()
        a.say("set g k 1")
        for node in (b, c):
            node.expect(r"^delta a g k = 1$")
        killed = time.monotonic()
        c.kill()
        for node in (a, b):
            when, _ = node.expect(r"^member c dead", after=killed)
            self.assertLess(when - killed, 5)
        again = self.launch_example("c", a.address)
        again.expect(r"^joined 3")
        for node in (a, b):
            node.expect(r"^member c alive", after=killed)

    def test_a_stopped_one_is_dead_after_its_silence_and_comes_back(self):
        a, b, c = self.cluster_of_examples()
        c.send(signal.SIGSTOP)
        stopped = time.monotonic()
        for node in (a, b):
            node.expect(r"^member c dead", after=stopped, seconds=60)
        c.send(signal.SIGCONT)
        resumed = time.monotonic()
        for node in (a, b):
            node.expect(r"^member c alive", after=resumed, seconds=60)

    def test_a_signal_means_leave(self):
        a, b, _ = self.cluster_of_examples()
        self.assertEqual(interrupt(b), 0)
        a.expect(r"^member b left")

    def test_a_name_in_use_is_refused(self):
        first, _ = self.place.cluster(2)
        node = self.launch_example("n2", first.address)
        self.assertEqual(node.end(), 1)
        self.assertIn("rejected: a node of this name is part of the cluster", node.text)

    def test_wrong_command_lines(self):
        for words in (["--cluster", "test"], ["--seed", "nowhere"], ["--colour", "red"]):
            node = self.place.run([*self.program, *words])
            self.assertEqual(node.end(), 64, node.text)


@unittest.skipUnless(C_NODE[0], "C_NODE is not set")
class CTests(LineNodes, Case):
    program = C_NODE


@unittest.skipUnless(os.environ.get("GOFERBROKE_LIBRARY"), "GOFERBROKE_LIBRARY is not set")
class PythonTests(LineNodes, Case):
    program = PYTHON_NODE

    def test_its_structures_are_those_of_the_headers(self):
        """The same fields in the same order, each of the size that its type in C has."""
        sys.path.insert(0, str(ROOT / "Examples/python"))
        import goferbroke as gb  # Here, because it loads the library.

        headers = "".join(path.read_text() for path in sorted((ROOT / "include/goferbroke").glob("*.h")))
        sizes = {"bool": 1, "uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4, "uint64_t": 8, "size_t": 8, "gb_time_us": 8}
        sizes |= {"int": 4, "gb_err": 4, "gb_slice": 16, "gb_endpoint": 16, "gb_engine_settings": ctypes.sizeof(gb.EngineSettings)}
        for name, structure in (
            ("slice", gb.Slice), ("err_info", gb.ErrInfo), ("endpoint", gb.Endpoint), ("engine_settings", gb.EngineSettings),
            ("node_options", gb.NodeOptions), ("event", gb.Event), ("action", gb.Action), ("member", gb.Member), ("delta", gb.Delta),
        ):
            body = re.search(rf"typedef struct gb_{name} {{(.*?)}} gb_{name};", headers, re.S)[1]
            declared = re.findall(r"(\w+) (\*?)(\w+)(?:\[(\d+)\])?;", re.sub(r"/\*.*?\*/", "", body, flags=re.S))
            self.assertEqual([field for _, _, field, _ in declared], [field for field, _ in structure._fields_], name)
            for (kind, pointer, field, count), (_, given) in zip(declared, structure._fields_):
                size = 8 if pointer else int(count) if count else sizes[kind]
                self.assertEqual(ctypes.sizeof(given), size, f"{name}.{field}")


@unittest.skipUnless(os.environ.get("GOFERBROKE_LIBRARY"), "GOFERBROKE_LIBRARY is not set")
class PythonDetectorTests(unittest.TestCase):
    """The detector of the Python example on made-up events."""

    def test_a_late_accusation_does_not_wake_who_was_dead_before_it_came(self):
        sys.path.insert(0, str(ROOT / "Examples/python"))
        import detector  # Here, because it loads the library.
        import goferbroke as gb

        acts = []
        judge = detector.Detector(lambda kind, name, *rest: acts.append((kind, name)))

        def event(kind, name, status=gb.ALIVE, flags=gb.MEMBER_HAS_DETECTOR, accuser=b""):
            labels = {"name": types.SimpleNamespace(bytes=lambda: name), "accuser": types.SimpleNamespace(bytes=lambda: accuser)}
            numbers = dict(kind=kind, status=status, flags=flags, time_us=1, generation=1, incarnation=0, accuser_generation=1, change=0)
            judge.handle(types.SimpleNamespace(**labels, **numbers, reason=gb.ACCUSE_SILENT))

        event(gb.EVENT_MEMBER, b"self", flags=gb.MEMBER_HAS_DETECTOR | gb.MEMBER_IS_SELF)
        event(gb.EVENT_MEMBER, b"other")
        event(gb.EVENT_MEMBER, b"third")
        event(gb.EVENT_MEMBER, b"gone", status=gb.DEAD)
        event(gb.EVENT_ACCUSATION, b"gone", flags=0, accuser=b"other")
        self.assertEqual(acts, [])
        event(gb.EVENT_ACCUSATION, b"other", flags=0, accuser=b"third")
        self.assertIn((gb.ACT_SUSPECT, b"other"), acts, "who lives is suspected on such a word")


@unittest.skipUnless(C_NODE[0] and os.environ.get("GOFERBROKE_LIBRARY"), "C_NODE or GOFERBROKE_LIBRARY is not set")
class MixedTests(LineNodes, Case):
    """C and Python in one cluster."""

    turn = 0

    @property
    def program(self):
        self.turn += 1
        return (C_NODE, PYTHON_NODE)[self.turn % 2]


@unittest.skipUnless(TEN_LINES, "TEN_LINES is not set")
class SwiftTests(Case):
    def test_ten_lines(self):
        first = self.place.found("n1", cluster="shop")
        node = self.place.run([TEN_LINES, "web-1", first.address])
        node.expect(r"web-1 has 1 visitors")
        wait_until(lambda: first.ask("get", "web-1", "shop", "visitors").output == "1\n", "n1 has it")
        self.assertEqual(first.ask("set", "shop", "visitors", "42", "--type", "int").code, 0)
        node.expect(r"n1 has 42 visitors")
        self.assertEqual(interrupt(node), 0)
        wait_until(lambda: first.status_of("web-1") == "left", "it left")
