# SPDX-License-Identifier: Apache-2.0
"""Real processes for tests: nodes, commands, streams; each test in a folder and with sockets of its own.

Waiting is for conditions, with deadlines. Ports are free ones: nodes bind port 0 and say in their log which they got.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOFER = os.environ.get("GOFER", str(ROOT / ".build/release/gofer"))
# Machines that run tests may be slow; what must be fast is asserted on its own.
PATIENCE = float(os.environ.get("PATIENCE", "30"))


def wait_until(condition, what, seconds=PATIENCE):
    """The first truthy answer of `condition`; an AssertionError that says `what` where there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain until {what() if callable(what) else what}")
        time.sleep(0.01)


class Answer:
    """How a command ended."""

    def __init__(self, code, output, error, seconds):
        self.code = code
        self.bytes = output
        self.output = output.decode("utf-8", "replace")
        self.error = error.decode("utf-8", "replace")
        self.seconds = seconds

    @property
    def json(self):
        return json.loads(self.output)

    @property
    def error_json(self):
        return json.loads(self.error)["error"]

    def __repr__(self):
        return f"exit {self.code}\n{self.output[:2000]}{self.error[:2000]}"


class Process:
    """A process whose lines are read as they come, each with the time of its coming."""

    def __init__(self, arguments, environment, stdin=subprocess.DEVNULL):
        self.lines = []
        self.popen = subprocess.Popen(
            arguments, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/"
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.popen.stdout:
            self.lines.append((time.monotonic(), line.decode("utf-8", "replace").rstrip("\n")))

    @property
    def text(self):
        return "\n".join(line for _, line in self.lines)

    def find(self, pattern, after=0.0):
        """(time, match) of the first line that came after `after` and has the pattern."""
        for when, line in list(self.lines):
            match = re.search(pattern, line)
            if match and when >= after:
                return when, match
        return None

    def expect(self, pattern, after=0.0, seconds=PATIENCE):
        return wait_until(lambda: self.find(pattern, after), lambda: f"a line has {pattern!r}:\n{self.text}", seconds)

    def say(self, line):
        self.popen.stdin.write((line + "\n").encode())
        self.popen.stdin.flush()

    def send(self, number):
        self.popen.send_signal(number)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def end(self, seconds=PATIENCE):
        """Waits for the end; the exit code."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"waited {seconds:g} s in vain for the end of {self.popen.args}:\n{self.text}") from None
        self.reader.join(seconds)
        return code

    @property
    def is_running(self):
        return self.popen.poll() is None


class Stream(Process):
    """`gofer watch` or `gofer events` with --json."""

    def items(self):
        return [(when, json.loads(line)) for when, line in list(self.lines) if line.startswith("{")]

    def first(self, condition, after=0.0):
        return next(((when, item) for when, item in self.items() if when >= after and condition(item)), None)

    def expect_item(self, condition, what, after=0.0, seconds=PATIENCE):
        return wait_until(lambda: self.first(condition, after), lambda: f"{what}:\n{self.text}", seconds)


class Node(Process):
    """A `gofer node`."""

    def __init__(self, place, name, arguments, socket, within=()):
        self.name = name
        self.socket = socket
        self.place = place
        super().__init__([*within, GOFER, "node", "--name", name, *arguments], place.environment)

    @property
    def address(self):
        return self.expect(r"node listens.*address=(\S+)")[1][1]

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def ask(self, *arguments, **options):
        return self.place.gofer(*arguments, "--node", self.socket, **options)

    def members(self):
        answer = self.ask("members", "--json")
        return {m["name"]: m for m in answer.json["members"]} if answer.code == 0 else {}

    def status_of(self, name):
        return self.members().get(name, {}).get("status")


class Place:
    """A folder with the processes of a test; all of them end with it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gb-"))
        (self.folder / "run").mkdir(mode=0o700)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("GOFERBROKE_") or k == "GOFERBROKE_LIBRARY"}
        self.environment.update(XDG_RUNTIME_DIR=str(self.folder / "run"), LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1")
        self.processes = []

    def close(self):
        for process in self.processes:
            if process.is_running:
                # A stopped process dies of SIGKILL all the same.
                process.kill()
            process.reader.join(PATIENCE)
            for pipe in (process.popen.stdout, process.popen.stdin):
                if pipe is not None:
                    pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def gofer(self, *arguments, seconds=PATIENCE, data=None):
        """Runs a command to its end."""
        begin = time.monotonic()
        done = subprocess.run(
            [GOFER, *(a if isinstance(a, bytes) else str(a) for a in arguments)], env=self.environment, input=data, capture_output=True, timeout=seconds, check=False,
            stdin=subprocess.DEVNULL if data is None else None, cwd=self.folder,
        )
        return Answer(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)

    def run(self, arguments, stdin=subprocess.DEVNULL):
        process = Process(arguments, self.environment, stdin)
        self.processes.append(process)
        return process

    def stream(self, node, *arguments):
        stream = Stream([GOFER, *arguments, "--json", "--node", node.socket], self.environment)
        self.processes.append(stream)
        return stream

    def launch(self, name, *arguments, cluster="test", host="127.0.0.1", socket=None, within=()):
        """Starts a node without waiting for anything. Its socket is `NAME.sock` in the folder. `within`: words before the command."""
        path = socket or str(self.folder / f"{name}.sock")
        given = ["--cluster", cluster, "--node-ip", host, *([] if path == "default" else ["--client-socket", path]), *arguments]
        node = Node(self, name, given, path, within)
        self.processes.append(node)
        return node

    def found(self, name, *arguments, **options):
        """Starts the first node of a cluster: its own (skipped) seed, so that it looks for no other one."""
        for _ in range(50):
            # Below the ports that the system gives away by itself; another process may still be faster.
            port = random.randrange(20000, 30000)
            node = self.launch(name, "--node-port", str(port), "--seed", f"127.0.0.1:{port}", *arguments, **options)
            wait_until(lambda: node.find("node listens") or not node.is_running, f"{name} listens")
            if node.find("node listens"):
                node.expect(r"\bjoined .*members=1\b")
                return node
            if "in use" not in node.text:
                raise AssertionError(f"{name} ended: {node.text}")
        raise AssertionError("no free port was found")

    def join(self, name, *seeds, arguments=(), **options):
        """Starts a node that joins, and waits until it has."""
        given = [word for seed in seeds for word in ("--seed", seed.address)]
        node = self.launch(name, "--node-port", "0", *given, *arguments, **options)
        node.expect(r"\bjoined .*members=")
        return node

    def cluster(self, count, *arguments):
        """Nodes n1, n2, …, each of which knows all."""
        nodes = [self.found("n1", *arguments)]
        nodes += [self.join(f"n{i}", nodes[0], arguments=arguments) for i in range(2, count + 1)]
        for node in nodes:
            wait_until(lambda n=node: alive(n) == count, lambda n=node: f"{n.name} knows {count}: {n.ask('members')}")
        return nodes


def alive(node):
    return sum(member["status"] == "alive" for member in node.members().values())


class Case(unittest.TestCase):
    """A test with a place of its own."""

    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.close)

    def assert_exit(self, answer, code, *words):
        """The exit code, and each of the words in what was said on standard error."""
        self.assertEqual(answer.code, code, answer)
        for word in words:
            self.assertIn(word, answer.error)
        if code != 0:
            self.assertNotIn("\n", answer.error.strip(), "one sentence")


def interrupt(process, number=signal.SIGTERM):
    process.send(number)
    return process.end()
