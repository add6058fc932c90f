# SPDX-License-Identifier: Apache-2.0
"""What goes wrong at a start: a clear sentence within seconds, and the exit code that says of which kind it is."""

import random
import time

from support import Case, alive, wait_until

SECONDS = 5


class StartTests(Case):
    def refused(self, node, code, *words):
        begun = time.monotonic()
        self.assertEqual(node.end(), code, node.text)
        self.assertLess(time.monotonic() - begun, SECONDS)
        for word in words:
            self.assertIn(word, node.text)
        self.assertNotIn("Fatal", node.text)

    def test_another_cluster_name(self):
        first = self.place.found("n1", cluster="one")
        other = self.place.launch("n2", "--node-port", "0", "--seed", first.address, cluster="two")
        self.refused(other, 1, "one", "two")

    def test_a_port_in_use(self):
        first = self.place.found("n1")
        port = first.address.rpartition(":")[2]
        other = self.place.launch("n2", "--node-port", port, "--seed", first.address)
        self.refused(other, 1, port, "in use")
        # "localhost" is ::1 too, where the port may be free.
        other = self.place.launch("n2", "--node-port", port, "--seed", first.address, host="localhost")
        self.refused(other, 1, port, "in use")

    def test_a_name_in_use(self):
        first = self.place.found("n1")
        self.place.join("n2", first)
        other = self.place.launch("n2", "--node-port", "0", "--seed", first.address, socket="off")
        self.refused(other, 1, "a node of this name is part of the cluster")

    def test_an_unknown_host_as_seed(self):
        node = self.place.launch("n1", "--node-port", "0", "--seed", "no-such-host.invalid:8081")
        when, _ = node.expect(r"no-such-host\.invalid", seconds=SECONDS)
        self.assertGreater(when, 0)
        # It may be known later: the node goes on trying.
        self.assertTrue(node.is_running)

    def test_a_seed_that_is_not_there_yet_is_said_and_retried(self):
        port = random.randrange(20000, 30000)
        node = self.place.launch("n2", "--node-port", "0", "--seed", f"127.0.0.1:{port}")
        node.expect(rf"127\.0\.0\.1:{port}.*", seconds=SECONDS)
        self.assertTrue(node.is_running)
        late = self.place.launch("n1", "--node-port", str(port), "--seed", f"127.0.0.1:{port}")
        node.expect(r"\bjoined .*members=2\b")
        wait_until(lambda: alive(late) == 2, "the seed knows it")

    def test_a_typo_in_a_configuration_file(self):
        path = self.place.file("node.conf", "Name = n1\n\n  LogLevle = info\n")
        self.refused(self.place.launch("n1", "--config", path), 78, f"{path}:3:3", "LogLevle", "LogLevel")
        path = self.place.file("cluster.conf", "Name = shop\nCluster {\n    GossipInterval = fast\n}\n")
        self.refused(self.place.launch("n1", "--cluster-config", path), 78, f"{path}:3:", "duration", "fast")

    def test_a_configuration_file_that_is_not_there(self):
        self.refused(self.place.launch("n1", "--config", str(self.place.folder / "none.conf")), 78, "none.conf")

    def test_flags_that_are_wrong(self):
        for arguments, word in (
            (["--node-port", "70000"], "--node-port"),
            (["--seed", "nowhere"], "--seed"),
            (["--cluster-network", "MOON"], "--cluster-network"),
            (["--log-level", "loud"], "--log-level"),
            (["--no-such-flag"], "no-such-flag"),
        ):
            self.refused(self.place.launch("n1", *arguments), 64, word)

    def test_a_host_that_is_unknown_or_not_here(self):
        self.refused(self.place.launch("n1", "--node-port", "0", host="no-such-host.invalid"), 1, "no-such-host.invalid")
        # TEST-NET-1: nobody's address, and none of this machine alone.
        self.refused(self.place.launch("n1", "--node-port", "0", host="192.0.2.1"), 78, "192.0.2.1", "LOCAL")
        away = ["--node-port", "0", "--cluster-network", "PRIVATE"]
        self.refused(self.place.launch("n1", *away, host="192.0.2.1"), 1, "192.0.2.1")

    def test_a_socket_in_a_folder_that_is_not_there(self):
        path = self.place.folder / "none" / "door.sock"
        self.refused(self.place.launch("n1", "--node-port", "0", socket=path), 1, str(path), "no such file")

    def test_a_name_that_is_none(self):
        for name in ("", "x" * 256, "line\nbreak"):
            node = self.place.launch(name, "--node-port", "0", socket="off")
            self.assertIn(node.end(), (64, 78), node.text)

    def test_errors_are_json_where_that_is_wanted(self):
        path = self.place.file("node.conf", "LogLevle = info\n")
        answer = self.place.gofer("node", "--config", path, "--json")
        self.assertEqual(answer.code, 78, answer)
        self.assertEqual(answer.error_json["code"], "configuration")


class CheckTests(Case):
    def test_config_check(self):
        good = self.place.file("cluster.conf", 'Name = shop\nSeedServers = [ {Host: "localhost", Port: 8081}, ]\nCluster { PhiThreshold = 9 }\n')
        answer = self.place.gofer("config", "check", good, "--json")
        self.assertEqual(answer.code, 0, answer)
        self.assertEqual(answer.json["document"], "cluster")
        self.assertIn("Cluster.PhiThreshold", answer.json["keys"])
        bad = self.place.file("bad.conf", "Cluster { PhiThreshold = 1000 }\n")
        refused = self.place.gofer("config", "check", bad)
        self.assert_exit(refused, 78, f"{bad}:1:", "100")

    def test_a_joiner_takes_the_clusters_configuration_and_says_what_differs(self):
        one = self.place.file("one.conf", "Cluster { PhiThreshold = 9 }\n")
        two = self.place.file("two.conf", "Cluster { PhiThreshold = 10 }\n")
        first = self.place.found("n1", "--cluster-config", one)
        second = self.place.join("n2", first, arguments=["--cluster-config", two])
        second.expect(r"differs from the file.*PhiThreshold")
        shown = second.ask("config", "show", "--changed", "--json").json["entries"]
        values = {entry["key"]: entry["value"] for entry in shown}
        self.assertEqual(float(values["Cluster.PhiThreshold"]), 9)
