/* SPDX-License-Identifier: Apache-2.0 */
/* watcher.c: see watcher.h. */
#include "watcher.h"

#include <string.h>

void watcher_act(world_node *node, uint8_t kind, const char *name, uint8_t reason)
{
    gb_member member;
    if (!gb_engine_member(node->engine, gb_slice_from_str(name), &member)) {
        return;
    }
    gb_action action = {.kind = kind,
                        .name = gb_slice_from_str(name),
                        .generation = member.generation,
                        .incarnation = member.incarnation,
                        .reason = reason};
    gb_engine_act(node->engine, node->world->now, &action);
}

/* Dead when a majority of those who could judge says so. That its accusers go brings nobody back:
 * only evidence of its life, once nobody accuses it any more. */
static void judge(world_node *node, const char *name, bool has_evidence)
{
    gb_member member;
    if (!gb_engine_member(node->engine, gb_slice_from_str(name), &member) ||
        member.status == GB_STATUS_LEFT ||
        (member.status == GB_STATUS_DEAD && (member.accusers > 0 || !has_evidence))) {
        return;
    }
    uint32_t judges = 0;
    gb_member other;
    for (uint32_t i = 0; gb_engine_member_at(node->engine, i, &other); i++) {
        bool is_it = gb_slice_equal(other.name, gb_slice_from_str(name));
        bool is_live = other.status == GB_STATUS_ALIVE || other.status == GB_STATUS_SUSPECT;
        judges += !is_it && is_live && (other.flags & GB_MEMBER_HAS_DETECTOR) != 0 ? 1 : 0;
    }
    watcher_act(node,
                member.accusers > judges / 2 ? GB_ACT_DEAD
                : member.accusers > 0        ? GB_ACT_SUSPECT
                                             : GB_ACT_ALIVE,
                name, 0);
}

static bool is_dead(const world_node *node, const char *name)
{
    gb_member member;
    return gb_engine_member(node->engine, gb_slice_from_str(name), &member) &&
           member.status == GB_STATUS_DEAD;
}

static void judge_all(world_node *node)
{
    gb_member member;
    for (uint32_t i = 0; gb_engine_member_at(node->engine, i, &member); i++) {
        char name[64] = {0};
        memcpy(name, member.name.base, member.name.len < 63 ? member.name.len : 63);
        if ((member.flags & GB_MEMBER_IS_SELF) == 0) {
            judge(node, name, false);
        }
    }
}

void watcher_on_event(world_node *node, const gb_event *event, void *user)
{
    (void)user;
    char name[64] = {0};
    memcpy(name, event->name.base, event->name.len < 63 ? event->name.len : 63);
    switch (event->kind) {
    case GB_EVENT_LINK_CLOSED:
        if (event->cause != GB_CLOSE_BY_US && event->cause != GB_CLOSE_BYE &&
            event->cause != GB_CLOSE_REPLACED) {
            watcher_act(node, GB_ACT_PROBE, name, 0);
        }
        break;
    case GB_EVENT_LINK_OPENED:
        watcher_act(node, GB_ACT_RETRACT, name, 0);
        judge(node, name, true);
        break;
    case GB_EVENT_HEARTBEAT:
        /* The accusations may have gone after its link came: no event tells of those that went with
         * their accuser. */
        if (is_dead(node, name)) {
            judge(node, name, true);
        }
        break;
    case GB_EVENT_PROBE_RESULT:
        if (is_dead(node, name)) {
            break;
        }
        if (event->outcome == GB_PROBE_REFUSED || event->outcome == GB_PROBE_OTHER_IDENTITY) {
            watcher_act(node, GB_ACT_ACCUSE, name, GB_ACCUSE_CRASHED);
        } else if (event->outcome == GB_PROBE_UNREACHABLE) {
            watcher_act(node, GB_ACT_ACCUSE, name, GB_ACCUSE_SILENT);
        }
        judge(node, name, false);
        break;
    case GB_EVENT_ACCUSATION:
        if (!is_dead(node, name) &&
            !gb_slice_equal(event->accuser, gb_slice_from_str(node->name)) &&
            strcmp(name, node->name) != 0) {
            watcher_act(node, GB_ACT_PROBE, name, 0);
        }
        judge(node, name, false);
        break;
    case GB_EVENT_MEMBER:
        if (event->change == GB_CHANGE_RESTARTED || event->change == GB_CHANGE_FORGOTTEN) {
            judge_all(node); /* its accusations are gone with it */
            break;
        }
        judge(node, name, event->change == GB_CHANGE_UPDATED);
        break;
    case GB_EVENT_RETRACTION:
        judge(node, name, true);
        break;
    default:
        break;
    }
}
