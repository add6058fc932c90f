# SPDX-License-Identifier: Apache-2.0
"""The part of the C library that a member of a cluster needs, through ctypes.

The structures are those of include/goferbroke/{types,message,event,engine,node}.h, field by field. The library is
libgoferbroke.so from the loader's path, or the file that GOFERBROKE_LIBRARY names.

No callback runs inside the library's loop: events are taken from a queue, so a slow interpreter delays nobody but itself.
"""

import ctypes
import os
from ctypes import POINTER, Structure, byref, c_bool, c_char, c_char_p, c_int, c_int32, c_size_t
from ctypes import c_uint8, c_uint16, c_uint32, c_uint64, c_void_p

# gb_err
OK, EAGAIN = 0, -4
# Status of a member.
ALIVE, SUSPECT, DEAD, LEFT = range(4)
STATUS = ("alive", "suspect", "dead", "left")
# Kinds of events.
EVENT_JOINED, EVENT_SEED_FAILED, EVENT_REJECTED, EVENT_REPLACED, EVENT_LEFT = range(1, 6)
EVENT_MEMBER, EVENT_DELTA, EVENT_LAGGED = 7, 8, 9
EVENT_LINK_OPENED, EVENT_LINK_CLOSED, EVENT_HEARTBEAT, EVENT_ACTIVITY, EVENT_PROBE_RESULT = range(20, 25)
EVENT_ACCUSATION, EVENT_RETRACTION, EVENT_TICK = 25, 26, 28
# What changed, in EVENT_MEMBER.
CHANGE_UPDATED, CHANGE_FORGOTTEN = 3, 5
MEMBER_HAS_DETECTOR, MEMBER_IS_DIALLABLE, MEMBER_IS_SELF = 1, 2, 4
# Why a link ended.
CLOSE_ENDED, CLOSE_RESET, CLOSE_TIMED_OUT, CLOSE_REPLACED = 1, 2, 3, 5
# How a probe ended.
PROBE_ANSWERED, PROBE_REFUSED, PROBE_UNREACHABLE, PROBE_OTHER_IDENTITY, PROBE_NEWER_GENERATION = range(5)
# What a detector answers.
ACT_PROBE, ACT_ACCUSE, ACT_RETRACT, ACT_SUSPECT, ACT_DEAD, ACT_ALIVE = 1, 3, 4, 5, 6, 7
ACCUSE_SILENT, ACCUSE_CRASHED, ACCUSE_VERDICT = 1, 2, 1
LANE_USER = 3
VALUE_STRING, VALUE_BYTES, VALUE_INT, VALUE_INT64, VALUE_FLOAT64, VALUE_BOOL = 0, 1, 2, 4, 11, 12
UNSIGNED = (7, 8, 9, 10)
SIGNED = (2, 3, 4, 5, 6)


class Slice(Structure):
    """gb_slice; `keep` holds the bytes for as long as the slice is used."""

    _fields_ = [("base", c_void_p), ("len", c_size_t)]

    @classmethod
    def of(cls, data):
        buffer = ctypes.create_string_buffer(data, max(len(data), 1))
        result = cls(ctypes.cast(buffer, c_void_p), len(data))
        result.keep = buffer
        return result

    def bytes(self):
        return ctypes.string_at(self.base, self.len) if self.len else b""


class ErrInfo(Structure):
    _fields_ = [("code", c_int), ("system_code", c_int), ("text", c_char * 256)]


class Endpoint(Structure):
    _fields_ = [("host", c_char_p), ("port", c_uint16)]


class EngineSettings(Structure):
    _fields_ = [
        (name, c_uint64)
        for name in (
            "gossip_interval_us", "heartbeat_interval_us", "probe_timeout_us", "dial_timeout_us", "link_timeout_us",
            "tombstone_grace_us", "departed_retention_us", "detector_tick_us", "pull_stall_us", "reconnect_interval_us",
            "leave_timeout_us",
        )
    ] + [
        (name, c_uint32)
        for name in ("exchanges_per_round", "key_count_max", "value_size_max", "link_queue_max", "full_mesh_max")
    ] + [
        ("is_push_disabled", c_bool), ("gossip_mode", c_uint8), ("delta_order", c_uint8), ("delta_limit", c_uint32),
        ("is_flow_disabled", c_bool), ("flow_rate_max", c_uint32), ("flow_decrease_ppm", c_uint32),
        ("flow_increase_ppm", c_uint32), ("flow_step_micro", c_uint64), ("flow_over_count", c_uint32),
        ("flow_under_count", c_uint32),
    ]


class NodeOptions(Structure):
    _fields_ = [
        ("size", c_size_t), ("cluster", c_char_p), ("name", c_char_p), ("listen", Endpoint),
        ("advertised", POINTER(Endpoint)), ("advertised_count", c_uint32),
        ("seeds", POINTER(Endpoint)), ("seed_count", c_uint32),
        ("client_listen", Endpoint), ("client_socket", c_char_p), ("data_directory", c_char_p),
        ("generation", c_uint64), ("seed", c_uint64), ("has_detector", c_bool), ("no_delta_events", c_bool),
        ("participant_count_max", c_uint32), ("link_count_max", c_uint32), ("client_count_max", c_uint32),
        ("event_count_max", c_uint32), ("settings", EngineSettings),
    ]


class Event(Structure):
    _fields_ = [
        ("kind", c_uint32), ("time_us", c_uint64), ("name", Slice), ("generation", c_uint64), ("incarnation", c_uint64),
        ("status", c_uint8), ("change", c_uint8), ("cause", c_uint8), ("outcome", c_uint8), ("reason", c_uint8),
        ("lane", c_uint8), ("flags", c_uint32), ("newer_generation", c_uint64), ("accuser", Slice),
        ("accuser_generation", c_uint64), ("duration_us", c_uint64), ("count", c_uint64), ("tau_micro", c_uint64),
        ("rho_micro", c_uint64), ("code", c_int32),
        ("text", Slice), ("host", Slice), ("port", c_uint16), ("link", c_uint64), ("request_id", c_uint32),
        ("payload", Slice), ("record", c_void_p), ("before", c_void_p),
    ]


class Action(Structure):
    _fields_ = [
        ("kind", c_uint8), ("reason", c_uint8), ("name", Slice), ("generation", c_uint64), ("incarnation", c_uint64),
        ("helper", Slice), ("timeout_us", c_uint64),
    ]


class Member(Structure):
    _fields_ = [
        ("name", Slice), ("generation", c_uint64), ("incarnation", c_uint64), ("status", c_uint8), ("flags", c_uint32),
        ("host", Slice), ("port", c_uint16), ("accusers", c_uint32),
    ]


class Delta(Structure):
    _fields_ = [
        ("version", c_uint64), ("type", c_uint8), ("ttl_ms", c_uint64), ("group", Slice), ("key", Slice), ("value", Slice),
    ]


MemberVisitor = ctypes.CFUNCTYPE(c_bool, c_void_p, POINTER(Member))


def _load():
    library = ctypes.CDLL(os.environ.get("GOFERBROKE_LIBRARY", "libgoferbroke.so.0"))
    pointer = POINTER(c_void_p)
    for name, result, arguments in (
        ("gb_strerror", c_char_p, (c_int,)),
        ("gb_loop_open", c_int, (c_void_p, pointer, POINTER(ErrInfo))),
        ("gb_loop_close", c_int, (c_void_p,)),
        ("gb_node_open", c_int, (c_void_p, POINTER(NodeOptions), pointer, POINTER(ErrInfo))),
        ("gb_node_close", c_int, (c_void_p,)),
        ("gb_node_join", c_int, (c_void_p,)),
        ("gb_node_leave", c_int, (c_void_p,)),
        ("gb_node_act", c_int, (c_void_p, POINTER(Action))),
        ("gb_node_port", c_uint16, (c_void_p,)),
        ("gb_node_set", c_int, (c_void_p, c_uint8, Slice, Slice, c_uint8, Slice, c_uint64)),
        ("gb_node_delete", c_int, (c_void_p, c_uint8, Slice, Slice)),
        ("gb_node_get", c_int, (c_void_p, Slice, c_uint8, Slice, Slice, pointer, POINTER(c_uint64))),
        ("gb_node_record_release", None, (c_void_p, c_void_p)),
        ("gb_record_view", None, (c_void_p, POINTER(Delta))),
        ("gb_node_members", None, (c_void_p, MemberVisitor, c_void_p)),
        ("gb_node_event_fd", c_int, (c_void_p,)),
        ("gb_node_event_next", c_int, (c_void_p, POINTER(POINTER(Event)))),
        ("gb_event_release", None, (c_void_p, POINTER(Event))),
        ("gb_ring_neighbours", c_uint32, (POINTER(Slice), c_uint32, Slice, c_uint32, POINTER(c_uint32))),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


lib = _load()


class Error(Exception):
    """A call that failed; the text is one sentence."""


def check(code, text=""):
    if code != OK:
        raise Error(text or lib.gb_strerror(code).decode())


def value_of(kind, data):
    """The value of a wire type as Python has it; the library has checked that the bytes fit."""
    if kind == VALUE_STRING:
        return data.decode()
    if kind == VALUE_BOOL:
        return data != b"\0"
    if kind in SIGNED or kind in UNSIGNED:
        return int.from_bytes(data, "big", signed=kind in SIGNED)
    return data


def view(record):
    """(group, key, value) of a record that is still held."""
    delta = Delta()
    lib.gb_record_view(record, byref(delta))
    return delta.group.bytes(), delta.key.bytes(), value_of(delta.type, delta.value.bytes())


def ring_neighbours(names, target, full_mesh_max):
    """The judges of `target` among `names`, as a list of names."""
    slices = (Slice * max(len(names), 1))()
    held = [Slice.of(name) for name in names]
    for index, item in enumerate(held):
        slices[index] = item
    found = (c_uint32 * max(len(names), 1))()
    count = lib.gb_ring_neighbours(slices, len(names), Slice.of(target), full_mesh_max, found)
    return [names[found[index]] for index in range(count)]


class Node:
    """A node on a loop of its own. Closed by `close`."""

    def __init__(self, cluster, name, listen=("127.0.0.1", 0), seeds=()):
        info = ErrInfo()
        self._loop = c_void_p()
        check(lib.gb_loop_open(None, byref(self._loop), byref(info)), info.text.decode())
        addresses = (Endpoint * max(len(seeds), 1))(*[Endpoint(host.encode(), port) for host, port in seeds])
        options = NodeOptions(
            size=ctypes.sizeof(NodeOptions), cluster=cluster.encode(), name=name.encode(),
            listen=Endpoint(listen[0].encode(), listen[1]), seeds=addresses, seed_count=len(seeds), has_detector=True,
        )
        self._node = c_void_p()
        code = lib.gb_node_open(self._loop, byref(options), byref(self._node), byref(info))
        if code != OK:
            lib.gb_loop_close(self._loop)
            raise Error(info.text.decode())

    def close(self):
        lib.gb_node_close(self._node)
        lib.gb_loop_close(self._loop)

    @property
    def port(self):
        return lib.gb_node_port(self._node)

    def fileno(self):
        """Readable while events wait: for select and its kin."""
        return lib.gb_node_event_fd(self._node)

    def join(self):
        check(lib.gb_node_join(self._node))

    def leave(self):
        check(lib.gb_node_leave(self._node))

    def set(self, group, key, value):
        data = value.encode()
        check(lib.gb_node_set(self._node, LANE_USER, Slice.of(group.encode()), Slice.of(key.encode()), VALUE_STRING, Slice.of(data), 0))

    def delete(self, group, key):
        check(lib.gb_node_delete(self._node, LANE_USER, Slice.of(group.encode()), Slice.of(key.encode())))

    def get(self, name, group, key):
        record = c_void_p()
        check(
            lib.gb_node_get(
                self._node, Slice.of(name.encode()), LANE_USER, Slice.of(group.encode()), Slice.of(key.encode()),
                byref(record), None,
            )
        )
        try:
            return view(record)[2]
        finally:
            lib.gb_node_record_release(self._node, record)

    def members(self):
        """(name, generation, status, host, port) of everybody known."""
        result = []

        def visit(_, member):
            m = member.contents
            result.append((m.name.bytes(), m.generation, m.status, m.host.bytes(), m.port))
            return True

        lib.gb_node_members(self._node, MemberVisitor(visit), None)
        return result

    def act(self, kind, name, generation, incarnation, reason=0):
        target = Slice.of(name)
        action = Action(kind=kind, reason=reason, name=target, generation=generation, incarnation=incarnation)
        # A node that is closing has nobody to act for it.
        lib.gb_node_act(self._node, byref(action))

    def events(self):
        """The events that wait now; each is lent until the next one is asked for."""
        event = POINTER(Event)()
        while lib.gb_node_event_next(self._node, byref(event)) == OK:
            try:
                yield event.contents
            finally:
                lib.gb_event_release(self._node, event)
