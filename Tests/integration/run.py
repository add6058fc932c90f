#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the integration tests: a line each with its seconds, then what failed, then a line that counts.

usage: run.py [MODULE | MODULE.CLASS | MODULE.CLASS.TEST]...     without arguments: every test_*.py but the examples' and the hosts'
"""

import pathlib
import sys
import time
import unittest


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed = 0
        self.begin = 0.0
        self.reasons = set()

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def say(self, word, test):
        print(f"{word:4} {time.monotonic() - self.begin:6.1f} s  {test.id()}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAIL", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.say("FAIL", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skip", test)
        self.reasons.add(reason)


def main():
    folder = pathlib.Path(__file__).parent
    sys.path.insert(0, str(folder))
    # Those are stages of their own.
    apart = ("test_examples", "test_hosts")
    names = sys.argv[1:] or sorted(p.stem for p in folder.glob("test_*.py") if p.stem not in apart)
    suite = unittest.defaultTestLoader.loadTestsFromNames(names)
    result = Result()
    suite.run(result)
    bad = result.failures + result.errors
    for test, trace in bad:
        print(f"\n=== {test.id()}\n{trace}")
    for reason in sorted(result.reasons):
        print(f"skipped: {reason}")
    print(f"{result.passed} passed, {len(bad)} failed, {len(result.skipped)} skipped")
    # No test at all is a mistake; tests that can't run here are none.
    return 1 if bad or result.passed + len(result.skipped) == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
