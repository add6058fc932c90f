# SPDX-License-Identifier: Apache-2.0
"""Real hosts on one machine: each node has a network of its own, and what lies between them is cut, made to lose and healed.

*Healthy* is a node that runs and that some other running node reaches, in both directions. Whatever happens to the others, no
healthy node may ever be declared dead by a healthy one: that is looked for in the events of every node, from its start to the end.
"""

import json
import os
import random
import signal
import statistics
import subprocess
import time
import unittest

import network
from client import Client
from support import ROOT, Case, wait_until

# The bounds that the cluster promises, in seconds.
SILENT_MEDIAN, SILENT_MOST = 5.0, 8.0
KILLED_MOST = 1.0
HEALED_MOST = 30.0


def say(what, **figures):
    """A line that scripts/test repeats."""
    print(f"hosts: {what}: " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()), flush=True)


def seconds(value):
    return f"{value:.2f} s"


def spread(times):
    return {"median": seconds(statistics.median(times)), "most": seconds(max(times)), "observations": len(times)}


class HostsCase(Case):
    """Nodes h1, h2, … on hosts 1, 2, …, with a stream of events from each."""

    count = 7
    #: Whom a node tries to join through: the first of them founds the cluster.
    seeds = (1,)

    def setUp(self):
        reason = network.obstacle()
        if reason:
            self.skipTest(reason)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            before = signal.signal(number, self.give_up)
            self.addCleanup(signal.signal, number, before)
        self.network = network.Network(self.count)
        # Cleanups run in the opposite order: processes end first.
        self.addCleanup(self.network.close)
        super().setUp()
        self.nodes, self.streams, self.former = {}, {}, []

    def give_up(self, number, _):
        """What was made goes away, whatever the test was doing."""
        self.doCleanups()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # Nodes

    def launch(self, host, *arguments):
        """Starts the node of a host; in a life of its own its socket is another one."""
        seeds = [word for seed in self.seeds for word in ("--seed", f"{self.network.address(seed)}:8081")]
        node = self.place.launch(
            f"h{host}", "--cluster-network", "PRIVATE", "--node-port", "8081", *seeds, *arguments,
            host=self.network.address(host), within=self.network.inside(host),
        )
        self.nodes[host] = node
        return node

    def listen(self, host):
        """Its events, from now on; those of a former life stay."""
        if host in self.streams:
            self.former.append((host, self.streams[host]))
        self.streams[host] = self.place.stream(self.nodes[host], "events")

    def start(self):
        for host in self.network.hosts:
            self.launch(host)
        self.listen_to_all()
        self.all_see_all()

    def listen_to_all(self):
        for host, node in self.nodes.items():
            wait_until(lambda n=node: n.find("node started") or not n.is_running, f"h{host} has started")
            self.assertTrue(node.is_running, node.text)
            self.listen(host)
        for stream in self.streams.values():
            stream.expect_item(lambda i: i["event"] == "snapshot", "the stream is live")

    def names(self, hosts):
        return {f"h{host}" for host in hosts}

    def story(self, target, hosts=None):
        """What each node says of one: for the message of a test that failed."""
        asked = hosts or self.nodes
        return "\n".join(f"--- h{host}: {self.nodes[host].ask('explain', target)}" for host in asked if self.nodes[host].is_running)

    # What they see

    def ask(self, host, verb):
        """An answer of the client protocol, without a process for it: it is asked for very often."""
        with Client(self.nodes[host].socket) as client:
            return client.ask(verb=verb)

    def see(self, host, alive, dead=()):
        """The node holds exactly these for alive and those for dead."""
        members = self.ask(host, "members")["members"]
        return {member["name"]: member["status"] for member in members} == {
            **dict.fromkeys(self.names(alive), "alive"), **dict.fromkeys(self.names(dead), "dead"),
        }

    def member(self, host, other):
        """The other as the node sees it."""
        return next(member for member in self.ask(host, "members")["members"] if member["name"] == f"h{other}")

    def views(self):
        return "\n".join(f"h{host}: {node.ask('members')}" for host, node in self.nodes.items() if node.is_running)

    def all_see_all(self, patience=HEALED_MOST):
        """Everybody holds everybody for alive, and knows the same of everybody."""
        for host in self.network.hosts:
            wait_until(lambda h=host: self.see(h, self.network.hosts), lambda h=host: f"h{h} sees all:\n{self.views()}", patience)
        wait_until(lambda: len(self.hashes()) == 1, lambda: f"all know the same: {self.hashes()}", patience)

    def hashes(self):
        return {self.ask(host, "info")["map"]["hash"] for host in self.nodes}

    def events_of(self, host, kind, after=0.0):
        """(time, name) of the events of one kind that a node told."""
        return [(when, i["member"]["name"]) for when, i in self.streams[host].items() if i.get("event") == kind and when >= after]

    def times(self, kind, observers, targets, after, patience=30.0):
        """When each of the observers told this of each of the targets first, in seconds after `after`."""
        found = {}
        for host in observers:
            for name in self.names(targets):
                when, _ = self.streams[host].expect_item(
                    lambda i, n=name: i.get("event") == kind and i["member"]["name"] == n,
                    lambda h=host, n=name: f"h{h} tells {kind} of {n}\n{self.story(n)}", after, patience,
                )
                found[host, name] = when - after
        return list(found.values())

    def assert_deaths(self, allowed):
        """Of whom each node has told that they died: nobody but those that are named for it, ever."""
        for host, stream in [*self.streams.items(), *self.former]:
            self.assertFalse(stream.first(lambda i: i.get("event") == "lagged"), "no event was missed")
            wrong = sorted({
                i["member"]["name"] for _, i in stream.items() if i.get("event") == "member_dead"
            } - self.names(allowed.get(host, ())))
            if wrong:
                stories = "\n".join(self.story(name) for name in wrong)
                self.fail(f"h{host} declared {wrong} dead, who were healthy:\n{stories}\n{stream.text}")

    def set(self, host, key, value="x"):
        answer = self.nodes[host].ask("set", "hosts", key, value)
        self.assertEqual(answer.code, 0, answer)

    def eventually(self, hosts, owner, key, value, patience=5.0):
        """Each of the hosts has the value of the owner; None: it has none."""

        def has(host):
            answer = self.nodes[host].ask("get", f"h{owner}", "hosts", key)
            return answer.code == 2 if value is None else answer.output == f"{value}\n"

        for host in hosts:
            wait_until(lambda h=host: has(h), lambda h=host: f"h{h} has {key} of h{owner} as {value!r}", patience)


class PartitionTests(HostsCase):
    def test_each_side_buries_the_other_and_they_are_one_cluster_after_it_is_healed(self):
        side, other = (1, 2, 3), (4, 5, 6, 7)
        self.start()
        for host in (2, 5):
            self.set(host, "old")
            self.eventually(self.network.hosts, host, "old", "x")
        cut = self.network.split(side, other)
        buried = [*self.times("member_dead", side, other, cut), *self.times("member_dead", other, side, cut)]
        for mine, theirs in ((side, other), (other, side)):
            for host in mine:
                wait_until(lambda h=host, m=mine, t=theirs: self.see(h, m, t), lambda h=host: f"h{h} sees its side:\n{self.views()}", 5)
        # Life goes on on both sides.
        for host, mine, theirs in ((2, side, other), (5, other, side)):
            self.set(host, "new", f"of h{host}")
            self.assertEqual(self.nodes[host].ask("delete", "hosts", "old").code, 0)
            self.eventually(mine, host, "new", f"of h{host}")
            self.eventually(mine, host, "old", None)
            for away in theirs:
                self.assertEqual(self.nodes[away].ask("get", f"h{host}", "hosts", "new").code, 2, "the cut is one")
        healed = self.network.heal()
        self.all_see_all()
        took = time.monotonic() - healed
        for host in (2, 5):
            self.eventually(self.network.hosts, host, "new", f"of h{host}")
            self.eventually(self.network.hosts, host, "old", None)
        self.assertLess(took, HEALED_MOST)
        say("split 3/4: the other side dead", **spread(buried), one_cluster_again_after=seconds(took))
        # Nobody died a second time, nor of the own side at all.
        for host in self.network.hosts:
            self.assertEqual(self.events_of(host, "member_dead", healed), [], self.views())
        self.assert_deaths({**dict.fromkeys(side, other), **dict.fromkeys(other, side)})


class SilentHostTests(HostsCase):
    count = 8

    def test_a_host_without_a_network_is_dead_for_all_within_seconds(self):
        self.start()
        dead, back, allowed = [], [], {host: set() for host in self.network.hosts}
        for victim, cut in ((3, self.network.unplug), (6, self.network.silence), (1, self.network.unplug)):
            others = [host for host in self.network.hosts if host != victim]
            # Each link has its own rhythm again, and it is cut anywhere between two heartbeats.
            moment = time.monotonic() + random.uniform(2, 4)
            wait_until(lambda: time.monotonic() > moment, "some heartbeats have come", 5)
            begin = cut(victim)
            dead += self.times("member_dead", others, [victim], begin)
            for host in others:
                allowed[host].add(victim)
            # Alone it may think what it likes.
            allowed[victim] = set(others)
            healed = self.network.heal()
            self.all_see_all()
            back.append(time.monotonic() - healed)
        say("silent host: dead for all", **spread(dead), back_after_at_most=seconds(max(back)))
        self.assert_deaths(allowed)
        self.assertLess(statistics.median(dead), SILENT_MEDIAN, sorted(dead))
        self.assertLess(max(dead), SILENT_MOST, sorted(dead))
        self.assertLess(max(back), HEALED_MOST, back)


class OneWayTests(HostsCase):
    def test_links_that_are_open_in_one_direction_kill_nobody(self):
        # Longer than the 15 s after which a silent link is closed.
        lasting = 25.0
        self.start()
        closed = ((1, 2), (3, 4), (4, 5), (7, 6))
        begin = self.network.one_way(*closed)
        lags = []
        for number, (sender, receiver) in enumerate(((1, 2), (2, 1), (3, 4), (4, 5), (5, 4), (7, 6))):
            set_at = time.monotonic()
            self.set(sender, f"k{number}")
            self.eventually([receiver], sender, f"k{number}", "x", 10)
            lags.append(time.monotonic() - set_at)
        wait_until(lambda: time.monotonic() - begin > lasting, "the time is over", lasting + 1)
        for host in self.network.hosts:
            wait_until(lambda h=host: self.see(h, self.network.hosts), lambda h=host: f"h{h} holds all for alive:\n{self.views()}", 5)
        for one, two in [*closed, *(reversed(pair) for pair in closed)]:
            self.assertEqual(self.member(one, two)["links"], 0, "half a link is none")
        suspected = sum(len(self.events_of(host, "member_suspect")) for host in self.network.hosts)
        self.assert_deaths({})
        say("4 links open in one direction for 25 s", a_change_still_arrives_within=seconds(max(lags)), suspicions=suspected, deaths=0)
        self.network.heal()
        self.all_see_all()
        self.assert_deaths({})

    def test_a_host_that_hears_and_is_not_heard_dies_alone(self):
        mute, others = 7, (1, 2, 3, 4, 5, 6)
        self.start()
        cut = self.network.mute(mute)
        dead = self.times("member_dead", others, [mute], cut)
        # Its own judgement, wrong as it is, gets to nobody.
        wait_until(lambda: time.monotonic() - cut > 20, "its links have timed out", 21)
        for host in others:
            wait_until(lambda h=host: self.see(h, others, [mute]), lambda h=host: f"h{h} sees the others:\n{self.views()}", 5)
        healed = self.network.heal()
        self.all_see_all()
        took = time.monotonic() - healed
        say("host that is not heard: dead for all", **spread(dead), back_after=seconds(took))
        self.assert_deaths({**dict.fromkeys(others, [mute]), mute: others})
        self.assertLess(max(dead), SILENT_MOST, sorted(dead))
        self.assertLess(took, HEALED_MOST)


class StopTests(HostsCase):
    def test_a_process_that_is_stopped_for_ten_seconds_comes_back_by_itself(self):
        sleeper, others = 4, (1, 2, 3, 5, 6, 7)
        self.start()
        self.set(sleeper, "before")
        stopped = time.monotonic()
        self.nodes[sleeper].send(signal.SIGSTOP)
        noticed = self.times("member_suspect", others, [sleeper], stopped, 10)
        wait_until(lambda: time.monotonic() - stopped > 10, "ten seconds have passed", 11)
        dead = [when - stopped for host in others for when, _ in self.events_of(host, "member_dead")]
        woken = time.monotonic()
        self.nodes[sleeper].send(signal.SIGCONT)
        self.all_see_all(10)
        took = time.monotonic() - woken
        self.set(sleeper, "after")
        self.eventually(self.network.hosts, sleeper, "after", "x")
        self.eventually(self.network.hosts, sleeper, "before", "x")
        # It has time to say something wrong about the others.
        wait_until(lambda: time.monotonic() - woken > 10, "ten more seconds have passed", 11)
        say(
            "stopped for 10 s: suspect for all", **spread(noticed), dead_for=f"{len(dead)} of {len(others)}",
            dead_after=seconds(statistics.median(dead)) if dead else "-", back_after=seconds(took),
        )
        self.assert_deaths({**dict.fromkeys(others, [sleeper]), sleeper: ()})
        self.assertEqual([pair for host in others for pair in self.events_of(host, "member_dead", woken)], [])
        self.assertEqual(self.events_of(sleeper, "member_suspect", woken), [], self.story("h1", [sleeper]))
        self.assertTrue(all(node.is_running for node in self.nodes.values()))


class RestartTests(HostsCase):
    seeds = (1, 2)

    def launch(self, host, *arguments):
        # Either of the seeds founds the cluster where the other does not answer.
        if host in self.seeds:
            self.place.environment["GOFERBROKE_IS_SEED"] = "true"
        try:
            return super().launch(host, *arguments)
        finally:
            self.place.environment.pop("GOFERBROKE_IS_SEED", None)

    def generations(self):
        return {member["name"]: member["generation"] for member in self.ask(3, "members")["members"]}

    def test_a_killed_process_is_dead_at_once_and_its_successor_takes_over(self):
        victim, others = 5, (1, 2, 3, 4, 6, 7)
        self.start()
        self.set(victim, "old")
        self.eventually(self.network.hosts, victim, "old", "x")
        killed = time.monotonic()
        self.nodes[victim].kill()
        dead = self.times("member_dead", others, [victim], killed)
        begun = time.monotonic()
        self.launch(victim).expect(r"\bjoined .*members=")
        back = self.times("member_restarted", others, [victim], begun)
        self.listen(victim)
        self.all_see_all()
        self.set(victim, "new")
        self.eventually(self.network.hosts, victim, "new", "x")
        self.eventually(self.network.hosts, victim, "old", None)
        say("killed process: dead for all", **spread(dead), restarted_seen_after_at_most=seconds(max(back)))
        self.assertLess(max(dead), KILLED_MOST, sorted(dead))
        self.assertLess(max(back), 5.0, sorted(back))
        self.assert_deaths(dict.fromkeys(others, [victim]))

    def test_all_nodes_are_restarted_and_see_all_and_no_ghosts(self):
        self.start()
        keeping = {6: str(self.place.folder / "data-6"), 7: str(self.place.folder / "data-7")}
        for number, end in enumerate((self.kill_all, self.end_all, self.kill_all)):
            for host in (2, 5, 6):
                self.set(host, f"life-{number}", f"of h{host}")
            self.eventually(self.network.hosts, 5, f"life-{number}", "of h5")
            before = self.generations()
            end()
            begun = time.monotonic()
            for host in self.network.hosts:
                self.launch(host, *(["--data-directory", keeping[host]] if host in keeping else []))
            self.listen_to_all()
            self.all_see_all()
            say("all restarted", after=end.__name__.replace("_", " "), all_see_all_after=seconds(time.monotonic() - begun))
            after = self.generations()
            self.assertEqual(set(after), self.names(self.network.hosts), "no ghosts")
            for name, generation in after.items():
                self.assertGreater(generation, before[name])
            # What was said in a former life is gone, but for those who keep it.
            for host in (2, 5):
                self.eventually(self.network.hosts, host, f"life-{number}", None)
            if number > 0:
                self.eventually(self.network.hosts, 6, f"life-{number}", "of h6")

    def kill_all(self):
        for node in self.nodes.values():
            node.send(signal.SIGKILL)
        for node in self.nodes.values():
            node.end()

    def end_all(self):
        for node in self.nodes.values():
            node.send(signal.SIGTERM)
        for node in self.nodes.values():
            self.assertEqual(node.end(), 0, node.text)


class LossTests(HostsCase):
    def test_the_loss_of_a_quarter_of_all_packets_kills_nobody(self):
        lasting = 30.0
        self.start()
        begin = self.network.lose(25)
        self.set(1, "lossy")
        self.eventually(self.network.hosts, 1, "lossy", "x", 15)
        arrived = time.monotonic() - begin
        wait_until(lambda: time.monotonic() - begin > lasting, "the time is over", lasting + 1)
        suspected = sum(len(self.events_of(host, "member_suspect")) for host in self.network.hosts)
        self.network.heal()
        self.all_see_all()
        self.assert_deaths({})
        say("25 % loss on all links for 30 s", a_change_arrives_within=seconds(arrived), suspicions=suspected, deaths=0)


class MeasureTests(unittest.TestCase):
    def test_the_tool_that_measures_loss_sees_it(self):
        reason = network.obstacle()
        if reason:
            self.skipTest(reason)
        command = [ROOT / "scripts/measure-loss", "--loss", "0,50", "--every", "0.2", "--connections", "24", "--dialers", "4", "--seconds", "6"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        calm, lossy = json.loads(done.stdout)["settings"]
        self.assertEqual((calm["loss_percent"], lossy["loss_percent"]), (0, 50))
        for setting in (calm, lossy):
            self.assertGreater(setting["gaps_between_answers_ms"]["count"], 24, setting)
        # With half of all packets lost an answer comes at the first try once in four. A busy machine delays both alike.
        self.assertGreater(lossy["round_trips_ms"]["p90"], calm["round_trips_ms"]["p90"] + 200)
        silent = [setting["gaps_between_answers_ms"]["share_silent_over_1s"] for setting in (calm, lossy)]
        self.assertGreater(silent[1], silent[0] + 0.1)
        answered = [setting["dials_ms"]["share_answered_within_300ms"] for setting in (calm, lossy)]
        self.assertLess(answered[1], answered[0] - 0.2)
