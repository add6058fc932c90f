#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed corpora of fuzz_parser and fuzz_messages from the golden vectors.

usage: seed.py VECTORS-FOLDER PARSER-CORPUS MESSAGES-CORPUS
"""

import pathlib
import sys

HEADER_SIZE = 16
# As in codec_walk.h.
WALK_NODE_RECORD, WALK_ACCUSATION, WALK_VALUE = 200, 201, 202


def vectors(path):
    for line in path.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            name, data = line.split("  ")
            yield name, bytes.fromhex(data)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    source, parser, messages = (pathlib.Path(argument) for argument in sys.argv[1:])
    for folder in (parser, messages):
        folder.mkdir(parents=True, exist_ok=True)

    stream = b""
    for name, frame in vectors(source / "frames.txt"):
        stream += frame
        # Pieces of 3 and 7 bytes, then the stream.
        (parser / name).write_bytes(bytes([2, 3, 7]) + frame)
        (messages / name).write_bytes(frame[3:4] + frame[HEADER_SIZE:])
    (parser / "all").write_bytes(bytes([3, 1, 20, 100]) + stream)

    for name, value in vectors(source / "records.txt"):
        kind = WALK_ACCUSATION if name.startswith("accusation") else WALK_NODE_RECORD
        (messages / name).write_bytes(bytes([kind]) + value)
    for kind, size in enumerate([3, 3, 8, 1, 8, 2, 4, 1, 2, 4, 8, 8, 1]):
        (messages / f"value_{kind}").write_bytes(bytes([WALK_VALUE, kind]) + bytes(size))


main()
