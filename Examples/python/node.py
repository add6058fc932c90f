#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A member of a cluster in Python: joins, sets, reads, watches.

    node.py --cluster CLUSTER --name NAME [--listen HOST:PORT] [--seed HOST:PORT]...

It reads commands from standard input, a line each:

    set GROUP KEY VALUE     an own value; VALUE is the rest of the line
    delete GROUP KEY
    get NODE GROUP KEY
    members
    leave                   also SIGTERM and SIGINT

and prints what happens, a line each. Exit: 0 left, 1 failed, 3 replaced by a later life of this name, 64 wrong command line.
"""

import argparse
import os
import select
import signal
import sys

import goferbroke as gb
from detector import Detector


def shown(data):
    """Text from the cluster; a value must not drive the terminal."""
    text = data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else str(data)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def endpoint(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
    return host, int(port)


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        print(f"node.py: {message}", file=sys.stderr)
        sys.exit(64)


class Program:
    def __init__(self, node):
        self.node = node
        self.detector = Detector(node.act)
        self.buffer = b""
        self.exit_code = None

    def say(self, *words):
        print(*words, flush=True)

    def say_member(self, name, generation, status, host, port):
        self.say("member", shown(name), gb.STATUS[status], f"{shown(host)}:{port}", "generation", generation)

    def command(self, line):
        words = line.split(" ", 3)
        try:
            match words:
                case ["set", group, key, value]:
                    self.node.set(group, key, value)
                case ["delete", group, key]:
                    self.node.delete(group, key)
                case ["get", name, group, key]:
                    self.say("value", shown(self.node.get(name, group, key)))
                    return
                case ["members"]:
                    for member in self.node.members():
                        self.say_member(*member)
                    return
                case ["leave"]:
                    self.node.leave()
                case _:
                    self.say("error the command is not understood")
                    return
        except gb.Error as error:
            self.say(f"error {words[0]}: {error}")
            return
        self.say("ok", words[0])

    def read_input(self):
        """Takes what standard input has; false at its end."""
        data = os.read(0, 65_536)
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            if line.strip():
                self.command(line.decode("utf-8", "replace"))
        return bool(data)

    def on_event(self, event):
        self.detector.handle(event)
        if event.kind == gb.EVENT_JOINED:
            self.say("joined", event.count)
        elif event.kind == gb.EVENT_SEED_FAILED:
            self.say("seed failed:", shown(event.text.bytes()))
        elif event.kind == gb.EVENT_MEMBER and event.change != gb.CHANGE_UPDATED:
            self.say_member(event.name.bytes(), event.generation, event.status, event.host.bytes(), event.port)
        elif event.kind == gb.EVENT_DELTA and event.lane == gb.LANE_USER:
            group, key, value = gb.view(event.record or event.before)
            tail = ["=", shown(value)] if event.record else ["deleted"]
            self.say("delta", shown(event.name.bytes()), shown(group), shown(key), *tail)
        elif event.kind == gb.EVENT_LAGGED:
            self.say("lagged", event.count)
        elif event.kind == gb.EVENT_LEFT:
            self.finish("left", 0)
        elif event.kind == gb.EVENT_REJECTED:
            self.finish(f"rejected: {shown(event.text.bytes())}", 1)
        elif event.kind == gb.EVENT_REPLACED:
            self.finish(f"replaced: {shown(event.text.bytes())}", 3)

    def finish(self, sentence, exit_code):
        self.say(sentence)
        self.exit_code = exit_code

    def run(self):
        """Until the node has left, was refused or replaced."""
        wake, signalled = os.pipe()
        os.set_blocking(signalled, False)
        signal.set_wakeup_fd(signalled)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        sources = [self.node, wake, 0]
        while self.exit_code is None:
            ready, _, _ = select.select(sources, [], [])
            if wake in ready:
                os.read(wake, 64)
                self.node.leave()
            if 0 in ready and not self.read_input():
                sources.remove(0)
            for event in self.node.events():
                self.on_event(event)
                if self.exit_code is not None:
                    break
        return self.exit_code


def main():
    parser = Arguments(description="A member of a GoferBroke cluster in Python.")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--listen", type=endpoint, default=("127.0.0.1", 0))
    parser.add_argument("--seed", type=endpoint, action="append", default=[])
    arguments = parser.parse_args()
    try:
        node = gb.Node(arguments.cluster, arguments.name, arguments.listen, arguments.seed)
    except gb.Error as error:
        print(f"node.py: {error}", file=sys.stderr)
        return 1
    try:
        print(f"listening {arguments.listen[0]}:{node.port}", flush=True)
        program = Program(node)
        node.join()
        return program.run()
    finally:
        node.close()


if __name__ == "__main__":
    sys.exit(main())
