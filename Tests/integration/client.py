# SPDX-License-Identifier: Apache-2.0
"""The client protocol, written from docs/WIRE.md and docs/CLIENT.md alone: many requests over one connection."""

import json
import socket
import struct

HEADER = struct.Struct(">HBBB3sII")
MAGIC, VERSION = 0x4742, 1
HELLO, WELCOME, REQUEST, RESPONSE = 1, 2, 64, 65
ROLE_CLIENT = 3


def _table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(*parts):
    value = 0xFFFFFFFF
    for part in parts:
        for byte in part:
            value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def frame(kind, request_id, payload):
    header = HEADER.pack(MAGIC, VERSION, kind, 0, len(payload).to_bytes(3, "big"), request_id, 0)
    return header[:12] + struct.pack(">I", crc32c(header[:12], payload)) + payload


def hello():
    """A client of protocol 1 without name, cluster, generation and addresses."""
    return bytes([1, 1, 0, ROLE_CLIENT, 0, 0, 0, 0]) + bytes(16) + bytes([0]) + bytes([0, 0, 0])


class Client:
    """A connection to a node's Unix socket."""

    def __init__(self, path, timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.last_id = 0
        self.socket.sendall(frame(HELLO, 0, hello()))
        kind, _, payload = self.receive()
        if kind != WELCOME:
            raise AssertionError(f"HELLO was answered by frame {kind}: {payload!r}")

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def receive(self):
        header = self.stream.read(HEADER.size)
        if len(header) != HEADER.size:
            raise AssertionError("the node closed the connection")
        magic, version, kind, _, size, request_id, checksum = HEADER.unpack(header)
        if (magic, version) != (MAGIC, VERSION):
            raise AssertionError(f"this is no frame: {header.hex()}")
        payload = self.stream.read(int.from_bytes(size, "big"))
        # The checksum of a megabyte takes long here; the library's own tests check those.
        if len(payload) < 4096 and crc32c(header[:12], payload) != checksum:
            raise AssertionError("the checksum is wrong")
        return kind, request_id, payload

    def send(self, message):
        self.last_id += 1
        self.socket.sendall(frame(REQUEST, self.last_id, json.dumps(message).encode()))
        return self.last_id

    def answer(self, request_id):
        while True:
            kind, answered, payload = self.receive()
            if kind == RESPONSE and answered == request_id:
                return json.loads(payload)

    def ask(self, **message):
        return self.answer(self.send(message))
