# SPDX-License-Identifier: Apache-2.0
"""A small failure detector with fixed timeouts, as Examples/c/detector.c: facts in, actions out.

A silent member is probed. If no probe is answered it is accused, in a delta that everybody gets. It is dead when a majority of
its judges accuse it and nothing refuted that for `suspicion`; at once, when a majority says that it crashed: its connection was
reset and its address refuses.
"""

import goferbroke as gb

FULL_MESH_MAX = 16
MICROSECONDS = 1_000_000


class Accuser:
    """An accusation as it stands."""

    def __init__(self, own_generation, generation, incarnation, reason, has_verdict=False):
        self.own_generation = own_generation
        self.generation = generation
        self.incarnation = incarnation
        self.reason = reason
        self.has_verdict = has_verdict


class Member:
    """What the detector knows of a member in its present life."""

    def __init__(self, name):
        self.name = name
        self.accusers = {}
        self.generation = 0
        self.is_self = self.has_detector = False
        self.begin_life(0, 0)

    def begin_life(self, generation, now):
        self.generation = generation
        self.incarnation = 0
        self.status = gb.ALIVE
        self.is_diallable = self.is_linked = self.was_reset = self.is_probed = False
        self.heard = now
        self.probe_after = self.suspect_since = 0

    @property
    def is_live(self):
        return self.status in (gb.ALIVE, gb.SUSPECT)


class Detector:
    """`act(kind, name, generation, incarnation, reason)` carries out an action. Times are seconds."""

    def __init__(self, act, silence=6.0, suspicion=3.0):
        self.act = act
        self.silence = silence * MICROSECONDS
        self.suspicion = suspicion * MICROSECONDS
        self.members = {}
        self.me = b""
        self.now = 0
        self.last_tick = 0

    # Judges

    def neighbours(self, member, among=None):
        names = [
            other.name
            for other in self.members.values()
            if (other.is_live and other.has_detector and (among is None or other.name in among)) or other is member
        ]
        return gb.ring_neighbours(names, member.name, FULL_MESH_MAX)

    def counts(self, member, name):
        """Whether the accusation of `member` by `name` counts: a live accuser, the present life and incarnation."""
        standing = member.accusers.get(name)
        if standing is None or (standing.generation, standing.incarnation) != (member.generation, member.incarnation):
            return False
        by = self.members.get(name)
        return by is not None and (by.is_self or (by.is_live and by.generation == standing.own_generation))

    def component(self):
        """Self, and whoever is watched from inside without being accused by the watcher."""
        inside, frontier = {self.me}, [self.me]
        while frontier:
            watcher = self.members[frontier.pop()]
            if not watcher.has_detector:
                continue
            for name in self.neighbours(watcher):
                if name not in inside and not self.counts(self.members[name], watcher.name):
                    inside.add(name)
                    frontier.append(name)
        return inside

    # Judgement

    def declare(self, member, status):
        if member.status != status:
            member.status = status
            member.suspect_since = self.now
            kind = {gb.ALIVE: gb.ACT_ALIVE, gb.SUSPECT: gb.ACT_SUSPECT, gb.DEAD: gb.ACT_DEAD}[status]
            self.act(kind, member.name, member.generation, member.incarnation)

    def judge(self, member):
        if member.is_self or member.status == gb.LEFT or self.me not in self.members:
            return
        standing = [name for name in member.accusers if self.counts(member, name)]
        if not standing:
            # A dead member comes back by being heard, not by forgotten accusations.
            if member.status == gb.SUSPECT:
                self.declare(member, gb.ALIVE)
            return
        if member.status == gb.ALIVE:
            self.declare(member, gb.SUSPECT)
        if member.status == gb.DEAD:
            return
        judges = self.neighbours(member)
        crashed = [n for n in standing if n in judges and member.accusers[n].reason == gb.ACCUSE_CRASHED]
        if len(crashed) * 2 > len(judges):
            self.declare(member, gb.DEAD)
            return
        judges = self.neighbours(member, self.component())
        accusing = [n for n in standing if n in judges]
        verdicts = [n for n in accusing if member.accusers[n].has_verdict]
        wait = self.suspicion * (3 if len(judges) == 1 else 1)
        is_time = self.now - member.suspect_since >= wait or len(verdicts) * 2 > len(judges)
        if len(accusing) * 2 > len(judges) and is_time:
            self.declare(member, gb.DEAD)

    def accuse(self, member, reason):
        own = member.accusers.get(self.me)
        if not member.is_live or (own is not None and own.reason >= reason):
            return
        member.accusers[self.me] = Accuser(0, member.generation, member.incarnation, reason)
        self.act(gb.ACT_ACCUSE, member.name, member.generation, member.incarnation, reason)
        self.judge(member)

    def retract(self, member):
        if member.accusers.pop(self.me, None) is not None:
            self.act(gb.ACT_RETRACT, member.name, member.generation, member.incarnation)

    def probe(self, member):
        if not member.is_probed:
            member.is_probed = True
            member.probe_after = self.now + MICROSECONDS
            self.act(gb.ACT_PROBE, member.name, member.generation, member.incarnation)

    # Facts

    def handle(self, event):
        """Every event of the node's queue, in order; those that are no facts are ignored."""
        self.now = max(self.now, event.time_us)
        if event.kind == gb.EVENT_MEMBER:
            self.on_member(event)
        elif event.kind == gb.EVENT_TICK:
            self.on_tick()
        elif event.kind in (gb.EVENT_ACCUSATION, gb.EVENT_RETRACTION):
            self.on_accusation(event)
        elif gb.EVENT_LINK_OPENED <= event.kind <= gb.EVENT_PROBE_RESULT:
            member = self.members.get(event.name.bytes())
            if member is not None and not member.is_self and member.generation == event.generation:
                self.on_fact(event, member)

    def on_member(self, event):
        name = event.name.bytes()
        if event.change == gb.CHANGE_FORGOTTEN:
            member = self.members.pop(name, None)
            if member is not None:
                self.retract(member)
            return
        member = self.members.setdefault(name, Member(name))
        if event.generation < member.generation:
            return
        if event.generation > member.generation:
            self.retract(member)
            member.begin_life(event.generation, self.now)
            if event.status == gb.DEAD:
                # It died before we came: those who were there have judged it.
                member.status = gb.DEAD
        if event.incarnation > member.incarnation:
            # It refutes: what was said of the earlier incarnation does not count any more.
            self.retract(member)
            member.incarnation = event.incarnation
        member.has_detector = bool(event.flags & gb.MEMBER_HAS_DETECTOR)
        member.is_diallable = member.is_diallable or bool(event.flags & gb.MEMBER_IS_DIALLABLE)
        if event.flags & gb.MEMBER_IS_SELF:
            member.is_self = True
            self.me = name
        if event.status == gb.LEFT:
            self.retract(member)
            member.status = gb.LEFT
        self.judge(member)

    def on_fact(self, event, member):
        if event.kind == gb.EVENT_LINK_CLOSED:
            if event.cause != gb.CLOSE_REPLACED:
                member.is_linked = False
                member.was_reset = event.cause in (gb.CLOSE_ENDED, gb.CLOSE_RESET)
                if member.is_live and (member.was_reset or event.cause == gb.CLOSE_TIMED_OUT):
                    self.probe(member)
        elif event.kind == gb.EVENT_PROBE_RESULT:
            if event.accuser.len == 0:
                self.on_probed(event, member)
        else:
            member.is_linked, member.was_reset = True, False
            self.on_heard(member)

    def on_heard(self, member):
        member.heard = self.now
        self.retract(member)
        if member.status == gb.DEAD and not member.accusers:
            self.declare(member, gb.ALIVE)
        self.judge(member)

    def on_probed(self, event, member):
        member.is_probed = False
        if event.outcome == gb.PROBE_ANSWERED:
            member.is_diallable = True
            self.on_heard(member)
        elif event.outcome == gb.PROBE_NEWER_GENERATION:
            if event.newer_generation > member.generation and member.is_live:
                self.declare(member, gb.DEAD)
        elif event.outcome in (gb.PROBE_REFUSED, gb.PROBE_OTHER_IDENTITY):
            self.accuse(member, gb.ACCUSE_CRASHED if member.was_reset and member.is_diallable else gb.ACCUSE_SILENT)
        else:
            self.accuse(member, gb.ACCUSE_SILENT)

    def on_accusation(self, event):
        member, by = self.members.get(event.name.bytes()), event.accuser.bytes()
        if member is None or member.is_self or by == self.me:
            return
        if event.kind == gb.EVENT_RETRACTION:
            member.accusers.pop(by, None)
        else:
            has_verdict = bool(event.flags & gb.ACCUSE_VERDICT)
            member.accusers[by] = Accuser(event.accuser_generation, event.generation, event.incarnation, event.reason, has_verdict)
        self.judge(member)

    def on_tick(self):
        # A judge that did not run for a second blames nobody for the silence.
        was_paused = self.last_tick and self.now - self.last_tick > MICROSECONDS
        self.last_tick = self.now
        for member in list(self.members.values()):
            if member.is_self or not member.is_live:
                continue
            if was_paused:
                member.heard = self.now
            quiet = self.now - member.heard
            is_silent = member.is_linked and quiet > self.silence
            # Others accuse it, and our word is asked for.
            is_asked = (
                member.status == gb.SUSPECT
                and self.me not in member.accusers
                and (not member.is_linked or quiet > MICROSECONDS / 2)
                and self.me in self.neighbours(member)
            )
            if (is_silent or is_asked) and self.now >= member.probe_after:
                self.probe(member)
            if member.status == gb.SUSPECT:
                self.judge(member)
