# SPDX-License-Identifier: Apache-2.0
"""How nodes come and go: kills, restarts, leaving, signals, data directories, doors."""

import contextlib
import os
import shutil
import signal
import sys
import time

from support import GOFER, Case, alive, interrupt, wait_until


def dead(name):
    return lambda item: item["event"] == "member_dead" and item["member"]["name"] == name


def restarted(name):
    return lambda item: item["event"] == "member_restarted" and item["member"]["name"] == name


class KillTests(Case):
    def test_a_killed_process_is_dead_for_all_within_a_second_and_its_successor_takes_over(self):
        nodes = self.place.cluster(5)
        victim, rest = nodes[2], [n for n in nodes if n.name != "n3"]
        self.assertEqual(victim.ask("set", "g", "old", "x").code, 0)
        for node in rest:
            wait_until(lambda n=node: n.ask("get", "n3", "g", "old").code == 0, f"{node.name} has the value")
        streams = [self.place.stream(node, "events") for node in rest]
        for stream in streams:
            stream.expect_item(lambda i: i["event"] == "snapshot", "the stream is live")
        killed = time.monotonic()
        victim.kill()
        times = [stream.expect_item(dead("n3"), "n3 is dead")[0] for stream in streams]
        self.assertLess(max(times) - killed, 1.0)
        for node in rest:
            self.assertEqual(node.status_of("n3"), "dead")
            self.assertEqual(node.ask("get", "n3", "g", "old").code, 0, "values of the dead stay readable")

        begun = time.monotonic()
        again = self.place.join("n3", nodes[0])
        for stream in streams:
            stream.expect_item(restarted("n3"), "n3 is back", after=begun)
        self.assertLess(time.monotonic() - begun, 5.0)
        self.assertEqual(again.ask("set", "g", "new", "y").code, 0)
        for node in rest:
            wait_until(lambda n=node: n.ask("get", "n3", "g", "new").code == 0, f"{node.name} has the new value")
            self.assertEqual(node.ask("get", "n3", "g", "old").code, 2, "the deltas of the earlier life are gone")
            self.assertEqual(node.status_of("n3"), "alive")

    def test_a_restart_right_after_the_kill_is_not_refused(self):
        first, second, third = self.place.cluster(3)
        third.kill()
        again = self.place.launch("n3", "--node-port", "0", "--seed", first.address)
        again.expect(r"\bjoined .*members=", seconds=10)
        for node in (first, second, again):
            wait_until(lambda n=node: alive(n) == 3, f"{node.name} knows three")

    def test_of_two_nodes_the_survivor_notices(self):
        first, second = self.place.cluster(2)
        stream = self.place.stream(first, "events")
        stream.expect_item(lambda i: i["event"] == "snapshot", "the stream is live")
        self.assertIn("its word alone decides", first.ask("members").output)
        killed = time.monotonic()
        second.kill()
        self.assertLess(stream.expect_item(dead("n2"), "n2 is dead")[0] - killed, 1.0)


class SuspicionTests(Case):
    def test_who_stands_still_is_logged_as_suspect_with_who_says_so_and_as_alive_again(self):
        first, second, third = self.place.cluster(3)
        # Soon suspected, late held for dead.
        for key, value in (("HeartbeatInterval", "100ms"), ("SuspicionTime", "60s"), ("NodeFaultyAfter", "60s")):
            self.assertEqual(first.ask("config", "set", f"Cluster.{key}", value).code, 0)
        third.send(signal.SIGSTOP)
        when, match = first.expect(r" info .*member is suspect .*accused-by=(\S+) .*member=n3")
        self.assertLessEqual(set(match[1].split(",")), {"n1", "n2"})
        third.send(signal.SIGCONT)
        first.expect(r" info .*member is alive .*member=n3", after=when)
        self.assertTrue(second.is_running)


class NameTests(Case):
    def test_a_second_start_is_refused_while_the_first_answers(self):
        first, second = self.place.cluster(2)
        begun = time.monotonic()
        twin = self.place.launch("n2", "--node-port", "0", "--seed", first.address, "--client-socket", "off", socket="off")
        self.assertEqual(twin.end(), 1)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertIn("a node of this name is part of the cluster", twin.text)
        self.assertTrue(second.is_running)
        self.assertEqual(alive(first), 2)

    def test_a_life_that_was_replaced_ends_with_its_own_exit_code(self):
        first, second, third = self.place.cluster(3)
        # Judged by silence: as fast as it can be told apart from a pause.
        for key, value in (("HeartbeatInterval", "100ms"), ("SuspicionTime", "500ms"), ("NodeFaultyAfter", "1s")):
            self.assertEqual(first.ask("config", "set", f"Cluster.{key}", value).code, 0)
        third.send(signal.SIGSTOP)
        for node in (first, second):
            wait_until(lambda n=node: n.status_of("n3") == "dead", f"{node.name} holds n3 for dead")
        later = self.place.launch("n3", "--node-port", "0", "--seed", first.address, socket=str(self.place.folder / "later.sock"))
        later.expect(r"\bjoined .*members=")
        third.send(signal.SIGCONT)
        self.assertEqual(third.end(), 3, third.text)
        self.assertTrue(later.is_running)
        for node in (first, second, later):
            wait_until(lambda n=node: n.status_of("n3") == "alive", f"{node.name} has the later life")


class LeaveTests(Case):
    def test_signals_and_the_command_mean_leave(self):
        nodes = self.place.cluster(4)
        first = nodes[0]
        stream = self.place.stream(first, "events")
        stream.expect_item(lambda i: i["event"] == "snapshot", "the stream is live")
        self.assertEqual(interrupt(nodes[1], signal.SIGTERM), 0, nodes[1].text)
        self.assertEqual(interrupt(nodes[2], signal.SIGINT), 0, nodes[2].text)
        answer = nodes[3].ask("leave")
        self.assertEqual(answer.code, 0, answer)
        self.assertEqual(nodes[3].end(), 0, nodes[3].text)
        for name in ("n2", "n3", "n4"):
            stream.expect_item(lambda i, n=name: i["event"] == "member_left" and i["member"]["name"] == n, f"{name} left")
            self.assertEqual(first.status_of(name), "left")
        self.assertIsNone(stream.first(lambda i: i["event"] == "member_dead"))
        self.assertIn("left", nodes[1].text)
        # One that left may come back.
        self.place.join("n2", first)
        wait_until(lambda: first.status_of("n2") == "alive", "n2 is back")

    def test_a_node_outlives_whoever_read_its_log(self):
        first = self.place.found("n1")
        second = self.place.join("n2", first)
        # The reader: ends at once, and with it the pipe.
        reader = "import subprocess, sys; node = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT);"
        reader += "print(node.pid, next(line.decode() for line in node.stdout if b'node listens' in line), flush=True)"
        words = ["node", "--name", "n3", "--cluster", "test", "--node-port", "0", "--seed", first.address]
        words += ["--client-socket", str(self.place.folder / "n3.sock")]
        launcher = self.place.run([sys.executable, "-c", reader, GOFER, *words])
        pid = int(launcher.expect(r"^(\d+) .*node listens")[1][1])
        launcher.end()
        try:
            wait_until(lambda: first.status_of("n3") == "alive", "n3 is a member")
            # It logs this, into nothing.
            self.assertEqual(interrupt(second), 0, second.text)
            door = str(self.place.folder / "n3.sock")
            wait_until(lambda: "1 left" in self.place.gofer("members", "--node", door).output, "n3 knows that n2 left")
            self.assertEqual(self.place.gofer("leave", "--node", door).code, 0)
            wait_until(lambda: first.status_of("n3") == "left", "n3 left in order")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def test_a_stream_says_why_it_ended(self):
        first, second = self.place.cluster(2)
        stream = self.place.stream(second, "watch")
        events = self.place.stream(second, "events")
        events.expect_item(lambda i: i["event"] == "snapshot", "the stream is live")
        self.assertEqual(interrupt(second), 0)
        self.assertIn(stream.end(), (1, 69))
        self.assertIn("error", stream.text)
        self.assertTrue(first.is_running)


class ReloadTests(Case):
    def test_hangup_reads_the_files_again(self):
        path = self.place.file("node.conf", "LogLevel = info\nDataDirectory = ''\n")
        node = self.place.found("n1", "--config", path)
        begun = time.monotonic()
        self.place.file("node.conf", f"LogLevel = debug\nDataDirectory = '{self.place.folder}/data'\n")
        node.send(signal.SIGHUP)
        node.expect(r"configuration key changed.*LogLevel", after=begun)
        node.expect(r"counts from the next start.*DataDirectory", after=begun)
        begun = time.monotonic()
        self.place.file("node.conf", "LogLevel = louder\n")
        node.send(signal.SIGHUP)
        node.expect(r"configuration not reloaded.*LogLevel", after=begun)
        self.assertEqual(node.ask("info").code, 0)

    def test_a_seed_named_later_joins_two_clusters(self):
        first = self.place.found("n1")
        path = self.place.file("node.conf", "LogLevel = info\n")
        other = self.place.found("n2", "--config", path)
        self.assertEqual((alive(first), alive(other)), (1, 1))
        own = other.address
        other.kill()
        # The flag of the first start has precedence over the file: without it the file's seeds count.
        again = self.place.launch("n2", "--node-port", own.rpartition(":")[2], "--config", self.place.file("node.conf", f"Seeds = ['{own}']\n"))
        again.expect(r"\bjoined .*members=1\b")
        self.place.file("node.conf", f"Seeds = ['{first.address}']\n")
        # A seed's turn comes every ReconnectInterval, 10 s; a new one does not wait for it.
        again.send(signal.SIGHUP)
        again.expect(r"configuration key changed.*Seeds")
        wait_until(lambda: alive(first) == 2 and alive(again) == 2, lambda: f"both know both:\n{again.text}", seconds=4)


class DataDirectoryTests(Case):
    def start(self, first, folder):
        return self.place.join("n2", first, arguments=["--data-directory", str(folder)])

    def test_own_deltas_survive_a_restart(self):
        first = self.place.found("n1")
        folder = self.place.folder / "data"
        node = self.start(first, folder)
        self.assertEqual(node.ask("set", "g", "kept", "x").code, 0)
        self.assertEqual(node.ask("set", "g", "gone", "x").code, 0)
        self.assertEqual(node.ask("delete", "g", "gone").code, 0)
        generation = node.members()["n2"]["generation"]
        self.assertEqual(interrupt(node), 0)
        again = self.start(first, folder)
        wait_until(lambda: first.members()["n2"]["generation"] > generation, "n1 knows the new life")
        wait_until(lambda: first.ask("get", "n2", "g", "kept").output == "x\n", "the value is back")
        self.assertEqual(first.ask("get", "n2", "g", "gone").code, 2)
        self.assertEqual(again.ask("get", "n2", "g", "kept").code, 0)

    def test_a_copied_data_directory_never_makes_updates_vanish(self):
        first = self.place.found("n1")
        folder, copy = self.place.folder / "data", self.place.folder / "copy"
        node = self.start(first, folder)
        self.assertEqual(node.ask("set", "g", "k", "1").code, 0)
        self.assertEqual(interrupt(node), 0)
        shutil.copytree(folder, copy)
        node = self.start(first, folder)
        for number in range(2, 20):
            self.assertEqual(node.ask("set", "g", "k", str(number)).code, 0)
        wait_until(lambda: first.ask("get", "n2", "g", "k").output == "19\n", "n1 has the last value")
        node.kill()
        # The old state again: an earlier generation and lesser versions than the cluster knows.
        shutil.rmtree(folder)
        shutil.copytree(copy, folder)
        node = self.start(first, folder)
        for number in range(100, 103):
            self.assertEqual(node.ask("set", "g", "k", str(number)).code, 0)
            wait_until(lambda n=number: first.ask("get", "n2", "g", "k").output == f"{n}\n", f"n1 has {number}")

    def test_two_processes_cannot_share_one(self):
        first = self.place.found("n1")
        folder = self.place.folder / "data"
        self.start(first, folder)
        other = self.place.launch("n3", "--node-port", "0", "--data-directory", str(folder), "--seed", first.address)
        self.assertEqual(other.end(), 1)
        self.assertIn("data", other.text)


class DoorTests(Case):
    def test_the_only_node_is_found_without_flags(self):
        none = self.place.gofer("members")
        self.assert_exit(none, 69, "no node answers", "--node")
        node = self.place.found("n1", socket="default")
        answer = self.place.gofer("members", "--json")
        self.assertEqual(answer.code, 0, answer)
        self.assertEqual(answer.json["self"], "n1")
        folder = self.place.folder / "run/goferbroke"
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        self.assertEqual([p.name for p in folder.iterdir()], ["test.n1.sock"])
        self.assertEqual((folder / "test.n1.sock").stat().st_mode & 0o777, 0o600)
        self.place.join("n2", node, socket="default")
        two = self.place.gofer("members")
        self.assert_exit(two, 64, "2 nodes answer", "test.n1.sock", "test.n2.sock", "--node")
        chosen = self.place.gofer("members", "--json", "--node", folder / "test.n2.sock")
        self.assertEqual(chosen.json["self"], "n2")

    def test_a_stale_socket_is_replaced_and_a_live_one_is_not(self):
        node = self.place.found("n1", socket="default")
        node.kill()
        self.assert_exit(self.place.gofer("members"), 69, "no node answers")
        again = self.place.found("n1", socket="default")
        self.assertEqual(self.place.gofer("members", "--json").json["self"], "n1")
        twin = self.place.launch("n1", "--node-port", "0", "--seed", "127.0.0.1:1", socket="default")
        self.assertEqual(twin.end(), 1)
        self.assertIn('n1: the name is in use in the cluster "test" on this machine', twin.text)
        self.assertIn("test.n1.sock", twin.text)
        self.assertTrue(again.is_running)
        # Another node that wants the same socket: its name is free, the socket is not.
        other = self.place.launch("n2", "--node-port", "0", "--seed", "127.0.0.1:1", socket=f"{self.place.folder}/run/goferbroke/test.n1.sock")
        self.assertEqual(other.end(), 1)
        self.assertIn("test.n1.sock: a live node answers there", other.text)

    def test_a_client_port_serves_too(self):
        node = self.place.found("n1", "--client-port", "0")
        port = node.expect(r"client-port=(\d+)")[1][1]
        answer = self.place.gofer("members", "--json", "--node", f"127.0.0.1:{port}")
        self.assertEqual(answer.code, 0, answer)
        self.assert_exit(self.place.gofer("members", "--node", self.place.folder / "no.sock"), 69, "no node answers")
        refused = self.place.gofer("members", "--node", self.place.folder / "no.sock", "--json")
        self.assertEqual((refused.code, refused.error_json["code"]), (69, "no_node"))
