/* SPDX-License-Identifier: Apache-2.0 */
/* receive.c: frames of a link, dispatched by state, role and type. */
#include "engine/internal.h"

/* Other bytes than heartbeats count as life too; told now and then, not for each read. */
static void note_activity(gb_engine *e, gb_link *link)
{
    if (!e->has_detector || e->now < link->activity_at) {
        return;
    }
    link->activity_at = e->now + ENGINE_ACTIVITY_PAUSE;
    gb_event event = event_make(e, GB_EVENT_ACTIVITY);
    event.name = peer_name(e, link->peer);
    event.generation = link->peer->generation;
    effect_notify(e, &event);
}

/* Unknown types are skipped where they say that they may be. */
static void receive_unknown(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    if ((frame->flags & GB_FRAME_OPTIONAL) != 0) {
        e->stats.frames_ignored++;
        return;
    }
    link_fail(e, link, GB_ETYPE_UNKNOWN, "unknown frame type");
}

static void receive_bye(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_notice notice;
    if (gb_notice_decode(frame->payload, &notice) != GB_OK) {
        link_fail(e, link, GB_EMALFORMED, "malformed BYE");
        return;
    }
    link_doom(link, GB_CLOSE_BYE);
}

/* Every list message has the same skeleton: decode whole, then hand over. */
static void receive_list(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    gb_list_cursor cursor;
    gb_err err;
    switch (frame->type) {
    case GB_FRAME_INDEX:
        err = gb_index_decode(frame->payload, &cursor);
        break;
    case GB_FRAME_PRUNE:
        err = gb_prune_decode(frame->payload, &cursor);
        break;
    case GB_FRAME_GRAFT:
        err = gb_graft_decode(frame->payload, &cursor);
        break;
    default:
        err = gb_lane_list_decode(frame->type, frame->payload, &cursor);
        break;
    }
    if (err != GB_OK) {
        link_fail(e, link, err, "malformed list");
        return;
    }
    switch (frame->type) {
    case GB_FRAME_INDEX:
        know_index(e, link, &cursor);
        break;
    case GB_FRAME_PRUNE:
        push_prune(e, link, &cursor);
        break;
    case GB_FRAME_GRAFT:
        push_graft(e, link, &cursor);
        break;
    case GB_FRAME_I_HAVE:
        push_i_have(e, link, &cursor);
        break;
    case GB_FRAME_PULL:
        pull_serve(e, link, &cursor);
        break;
    case GB_FRAME_PULL_CANCEL:
        pull_cancel(e, link, &cursor);
        break;
    default:
        GB_UNREACHABLE();
    }
}

static void receive_member(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    bool is_ping = frame->type == GB_FRAME_PING || frame->type == GB_FRAME_PONG;
    if (is_ping && frame->payload.len != 0) {
        link_fail(e, link, GB_EMALFORMED, "PING and PONG have no payload");
        return;
    }
    switch (frame->type) {
    case GB_FRAME_PING:
        (void)link_encoded(e, link, gb_empty_encode(&link->out, GB_FRAME_PONG, frame->request_id));
        return;
    case GB_FRAME_PONG:
        link_pong(e, link, frame->request_id);
        probe_pong(e, link, frame->request_id);
        return;
    case GB_FRAME_HEARTBEAT:
    case GB_FRAME_HEARTBEAT_ACK:
        gossip_heartbeat(e, link, frame);
        return;
    case GB_FRAME_DELTAS:
        push_deltas(e, link, frame);
        return;
    case GB_FRAME_SYN:
    case GB_FRAME_SYN_ACK:
    case GB_FRAME_ACK:
        gossip_digest(e, link, frame);
        return;
    case GB_FRAME_INDEX:
    case GB_FRAME_PRUNE:
    case GB_FRAME_GRAFT:
    case GB_FRAME_I_HAVE:
    case GB_FRAME_PULL:
    case GB_FRAME_PULL_CANCEL:
        receive_list(e, link, frame);
        return;
    case GB_FRAME_PROBE:
        probe_requested(e, link, frame);
        return;
    case GB_FRAME_PROBE_RESULT:
        probe_result(e, link, frame);
        return;
    case GB_FRAME_BYE:
        receive_bye(e, link, frame);
        return;
    case GB_FRAME_ERROR:
        link_doom(link, GB_CLOSE_PROTOCOL);
        return;
    case GB_FRAME_HELLO:
    case GB_FRAME_WELCOME:
    case GB_FRAME_REJECT:
    case GB_FRAME_CLIENT_REQUEST:
    case GB_FRAME_CLIENT_RESPONSE:
    case GB_FRAME_CLIENT_ITEM:
    case GB_FRAME_CLIENT_CANCEL:
        link_fail(e, link, GB_EUNEXPECTED, "message not allowed on an open member link");
        return;
    default:
        receive_unknown(e, link, frame);
        return;
    }
}

static void receive_client(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    switch (frame->type) {
    case GB_FRAME_CLIENT_REQUEST:
    case GB_FRAME_CLIENT_CANCEL: {
        gb_event event =
            event_make(e, frame->type == GB_FRAME_CLIENT_REQUEST ? GB_EVENT_CLIENT_REQUEST
                                                                 : GB_EVENT_CLIENT_CANCEL);
        event.link = link->id;
        event.request_id = frame->request_id;
        event.payload = frame->payload;
        effect_notify(e, &event);
        return;
    }
    case GB_FRAME_PING:
        (void)link_encoded(e, link, gb_empty_encode(&link->out, GB_FRAME_PONG, frame->request_id));
        return;
    case GB_FRAME_BYE:
        receive_bye(e, link, frame);
        return;
    default:
        if (frame->type <= GB_FRAME_ERROR || frame->type == GB_FRAME_CLIENT_RESPONSE ||
            frame->type == GB_FRAME_CLIENT_ITEM) {
            link_fail(e, link, GB_EUNEXPECTED, "message not allowed on a client link");
        } else {
            receive_unknown(e, link, frame);
        }
        return;
    }
}

static void receive_frame(gb_engine *e, gb_link *link, const gb_frame *frame)
{
    switch (link->state) {
    case LINK_OPEN:
        if (link->queued + link->out.len > ENGINE_OWED_MAX) {
            link_fail(e, link, GB_EFULL, "the peer asks for more than it reads");
            return;
        }
        if (link->role == GB_ROLE_CLIENT) {
            receive_client(e, link, frame);
        } else {
            note_activity(e, link);
            receive_member(e, link, frame);
        }
        return;
    case LINK_HELLO_WAIT:
        if (frame->type == GB_FRAME_HELLO) {
            handshake_hello(e, link, frame);
        } else {
            link_fail(e, link, GB_EUNEXPECTED, "HELLO must come first");
        }
        return;
    case LINK_HELLO_SENT:
        if (frame->type == GB_FRAME_WELCOME) {
            handshake_welcome(e, link, frame);
        } else if (frame->type == GB_FRAME_REJECT) {
            handshake_reject(e, link, frame);
        } else {
            link_fail(e, link, GB_EUNEXPECTED, "WELCOME or REJECT must come first");
        }
        return;
    case LINK_HELD:
        link_fail(e, link, GB_EUNEXPECTED, "the answer to HELLO must be awaited");
        return;
    case LINK_DIALLING:
    case LINK_CLOSING:
        return;
    }
}

void receive_bytes(gb_engine *e, gb_link *link, gb_slice bytes)
{
    while (!link->is_doomed && link->state != LINK_CLOSING) {
        gb_frame frame;
        gb_err err = gb_parser_next(link->parser, &bytes, &frame);
        if (err == GB_EAGAIN) {
            return;
        }
        if (err != GB_OK) {
            link_fail(e, link, err, gb_strerror(err));
            return;
        }
        e->stats.frames_received++;
        receive_frame(e, link, &frame);
        if (e->is_stopped) {
            return;
        }
    }
}
