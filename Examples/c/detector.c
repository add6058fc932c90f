/* SPDX-License-Identifier: Apache-2.0 */
/* detector.c: facts in, actions out; see detector.h. */
#include "detector.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 255
/* Members in a full mesh judge each other all; above that the rings say who judges whom. As in the
 * library: everybody must agree on it. */
#define FULL_MESH_MAX 16
/* A judge that did not run for this long blames nobody for the silence. */
#define PAUSE_US UINT64_C(1000000)
/* Between two probes of one member. */
#define PROBE_PAUSE_US UINT64_C(1000000)
/* A suspect that was heard more lately than this needs no probe. */
#define FRESH_US UINT64_C(500000)
/* Judges of a member are fewer than this. */
#define ACCUSERS_MAX 32

typedef struct accuser {
    char name[NAME_MAX_BYTES + 1];
    uint64_t own_generation; /* of the accuser */
    uint64_t generation;     /* of the accused */
    uint64_t incarnation;
    uint8_t reason;
    bool has_verdict;
} accuser;

typedef struct member {
    char name[NAME_MAX_BYTES + 1];
    uint64_t generation;
    uint64_t incarnation;
    uint8_t status; /* GB_STATUS_…, as we declared it; left as the library says */
    bool is_self;
    bool has_detector;
    bool is_diallable; /* it answered at its address in this generation */
    bool is_linked;
    bool was_reset; /* its last link broke, not ended in order */
    bool is_probed; /* a result is awaited */
    bool in_component;
    gb_time_us heard;
    gb_time_us probe_after; /* no further probe before this */
    gb_time_us suspect_since;
    accuser accusers[ACCUSERS_MAX];
    uint32_t accuser_count;
} member;

struct detector {
    uint64_t silence_us;
    uint64_t suspicion_us;
    detector_act_fn act;
    void *user;
    gb_time_us now;
    gb_time_us last_tick;
    member **members;
    uint32_t count;
    uint32_t room;
    /* Room for `room` each, for one computation at a time. */
    gb_slice *names;
    uint32_t *places;
    uint32_t *found;
    uint32_t *frontier;
};

detector *detector_open(uint64_t silence_us, uint64_t suspicion_us, detector_act_fn act, void *user)
{
    detector *d = calloc(1, sizeof *d);
    if (d != NULL) {
        d->silence_us = silence_us;
        d->suspicion_us = suspicion_us;
        d->act = act;
        d->user = user;
    }
    return d;
}

void detector_close(detector *d)
{
    if (d == NULL) {
        return;
    }
    for (uint32_t i = 0; i < d->count; i++) {
        free(d->members[i]);
    }
    free(d->members);
    free(d->names);
    free(d->places);
    free(d->found);
    free(d->frontier);
    free(d);
}

/* ---- Members --------------------------------------------------------------------------------- */

static member *find(const detector *d, gb_slice name)
{
    for (uint32_t i = 0; i < d->count; i++) {
        if (gb_slice_equal(gb_slice_from_str(d->members[i]->name), name)) {
            return d->members[i];
        }
    }
    return NULL;
}

/* The member in that very life; NULL for what is over, and for self. */
static member *find_life(const detector *d, const gb_event *event)
{
    member *m = find(d, event->name);
    return m == NULL || m->is_self || m->generation != event->generation ? NULL : m;
}

static bool grow(void **array, size_t size)
{
    void *larger = realloc(*array, size);
    if (larger != NULL) {
        *array = larger;
    }
    return larger != NULL;
}

/* NULL: out of memory; the member is then judged by others alone. */
static member *add(detector *d, gb_slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES) {
        return NULL;
    }
    if (d->count == d->room) {
        uint32_t room = d->room == 0 ? 16 : d->room * 2;
        if (!grow((void **)&d->members, room * sizeof *d->members) ||
            !grow((void **)&d->names, room * sizeof *d->names) ||
            !grow((void **)&d->places, room * sizeof *d->places) ||
            !grow((void **)&d->found, room * sizeof *d->found) ||
            !grow((void **)&d->frontier, room * sizeof *d->frontier)) {
            return NULL;
        }
        d->room = room;
    }
    member *m = calloc(1, sizeof *m);
    if (m != NULL) {
        memcpy(m->name, name.base, name.len);
        d->members[d->count] = m;
        d->count++;
    }
    return m;
}

static bool is_live(const member *m)
{
    return m->status == GB_STATUS_ALIVE || m->status == GB_STATUS_SUSPECT;
}

static void act(detector *d, uint8_t kind, const member *m, uint8_t reason)
{
    gb_action action = {.kind = kind,
                        .reason = reason,
                        .name = gb_slice_from_str(m->name),
                        .generation = m->generation,
                        .incarnation = m->incarnation};
    d->act(d->user, &action);
}

static const char *self_name(const detector *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->members[i]->is_self) {
            return d->members[i]->name;
        }
    }
    return "";
}

/* ---- Accusations ----------------------------------------------------------------------------- */

static accuser *find_accuser(member *m, const char *name)
{
    for (uint32_t i = 0; i < m->accuser_count; i++) {
        if (strcmp(m->accusers[i].name, name) == 0) {
            return &m->accusers[i];
        }
    }
    return NULL;
}

static void remove_accuser(member *m, const char *name)
{
    accuser *a = find_accuser(m, name);
    if (a != NULL) {
        m->accuser_count--;
        *a = m->accusers[m->accuser_count];
    }
}

/* By a live accuser in its present life, of the present life and incarnation. */
static bool counts(const detector *d, const member *m, const accuser *a)
{
    if (a->generation != m->generation || a->incarnation != m->incarnation) {
        return false;
    }
    const member *by = find(d, gb_slice_from_str(a->name));
    return by != NULL && (by->is_self || (is_live(by) && by->generation == a->own_generation));
}

static bool is_accused_by(const detector *d, const member *m, const char *name)
{
    accuser *a = find_accuser((member *)m, name);
    return a != NULL && counts(d, m, a);
}

static void put_accuser(member *m, const accuser *news)
{
    accuser *a = find_accuser(m, news->name);
    if (a == NULL && m->accuser_count < ACCUSERS_MAX) {
        a = &m->accusers[m->accuser_count];
        m->accuser_count++;
    }
    if (a != NULL) {
        *a = *news;
    }
}

static void retract(detector *d, member *m)
{
    if (find_accuser(m, self_name(d)) != NULL) {
        remove_accuser(m, self_name(d));
        act(d, GB_ACT_RETRACT, m, 0);
    }
}

/* ---- Who judges ------------------------------------------------------------------------------ */

/* The neighbours of `m` among the live (or, of those, the component) that have a detector: places
 * in d->members, in d->found. */
static uint32_t neighbours(detector *d, const member *m, bool of_component)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        const member *other = d->members[i];
        if ((is_live(other) && other->has_detector && (!of_component || other->in_component)) ||
            other == m) {
            d->names[count] = gb_slice_from_str(other->name);
            d->places[count] = i;
            count++;
        }
    }
    uint32_t found =
        gb_ring_neighbours(d->names, count, gb_slice_from_str(m->name), FULL_MESH_MAX, d->found);
    for (uint32_t i = 0; i < found; i++) {
        d->found[i] = d->places[d->found[i]];
    }
    return found;
}

/* Self, and whoever is watched from inside without being accused by the watcher: those whose word
 * can reach us. A majority of all members would wait for votes from beyond a split for ever. */
static void find_component(detector *d)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        d->members[i]->in_component = d->members[i]->is_self;
        if (d->members[i]->is_self) {
            d->frontier[end] = i;
            end++;
        }
    }
    for (uint32_t at = 0; at < end; at++) {
        const member *watcher = d->members[d->frontier[at]];
        if (!watcher->has_detector) {
            continue;
        }
        uint32_t found = neighbours(d, watcher, false);
        for (uint32_t i = 0; i < found; i++) {
            member *m = d->members[d->found[i]];
            if (!m->in_component && !is_accused_by(d, m, watcher->name)) {
                m->in_component = true;
                d->frontier[end] = d->found[i];
                end++;
            }
        }
    }
}

static bool is_judged_by_self(detector *d, const member *m)
{
    uint32_t found = neighbours(d, m, false);
    for (uint32_t i = 0; i < found; i++) {
        if (d->members[d->found[i]]->is_self) {
            return true;
        }
    }
    return false;
}

/* ---- Judgement ------------------------------------------------------------------------------- */

typedef struct votes {
    uint32_t judges, accusing, crashed, verdicts;
} votes;

static votes count_votes(detector *d, member *m, bool of_component)
{
    votes v = {.judges = neighbours(d, m, of_component)};
    for (uint32_t i = 0; i < v.judges; i++) {
        const accuser *a = find_accuser(m, d->members[d->found[i]]->name);
        if (a != NULL && counts(d, m, a)) {
            v.accusing++;
            v.crashed += a->reason == GB_ACCUSE_CRASHED;
            v.verdicts += a->has_verdict;
        }
    }
    return v;
}

static void declare(detector *d, member *m, uint8_t status)
{
    static const uint8_t kinds[] = {GB_ACT_ALIVE, GB_ACT_SUSPECT, GB_ACT_DEAD};
    if (m->status != status) {
        m->status = status;
        m->suspect_since = d->now;
        act(d, kinds[status], m, 0);
    }
}

/* Bring the status of `m` in line with the accusations that count. */
static void judge(detector *d, member *m)
{
    if (m->is_self || m->status == GB_STATUS_LEFT) {
        return;
    }
    bool is_accused = false;
    for (uint32_t i = 0; i < m->accuser_count; i++) {
        is_accused = is_accused || counts(d, m, &m->accusers[i]);
    }
    if (!is_accused) {
        /* A dead member comes back by being heard, not by forgotten accusations. */
        if (m->status == GB_STATUS_SUSPECT) {
            declare(d, m, GB_STATUS_ALIVE);
        }
        return;
    }
    if (m->status == GB_STATUS_ALIVE) {
        declare(d, m, GB_STATUS_SUSPECT);
    }
    if (m->status == GB_STATUS_DEAD) {
        return;
    }
    votes all = count_votes(d, m, false);
    if (all.crashed * 2 > all.judges) {
        declare(d, m, GB_STATUS_DEAD);
        return;
    }
    find_component(d);
    votes v = count_votes(d, m, true);
    uint64_t wait = v.judges == 1 ? 3 * d->suspicion_us : d->suspicion_us;
    bool is_time = d->now - m->suspect_since >= wait || v.verdicts * 2 > v.judges;
    if (v.accusing * 2 > v.judges && is_time) {
        declare(d, m, GB_STATUS_DEAD);
    }
}

static void accuse(detector *d, member *m, uint8_t reason)
{
    const accuser *own = find_accuser(m, self_name(d));
    if (!is_live(m) || (own != NULL && own->reason >= reason)) {
        return;
    }
    accuser news = {.generation = m->generation, .incarnation = m->incarnation, .reason = reason};
    strcpy(news.name, self_name(d));
    put_accuser(m, &news);
    act(d, GB_ACT_ACCUSE, m, reason);
    judge(d, m);
}

static void probe(detector *d, member *m)
{
    if (!m->is_probed) {
        m->is_probed = true;
        m->probe_after = d->now + PROBE_PAUSE_US;
        act(d, GB_ACT_PROBE, m, 0);
    }
}

/* ---- Facts ----------------------------------------------------------------------------------- */

static void on_heard(detector *d, member *m)
{
    m->heard = d->now;
    retract(d, m);
    if (m->status == GB_STATUS_DEAD && m->accuser_count == 0) {
        declare(d, m, GB_STATUS_ALIVE);
    }
    judge(d, m);
}

static void begin_life(detector *d, member *m, uint64_t generation)
{
    if (m->generation != 0) {
        retract(d, m);
    }
    m->generation = generation;
    m->incarnation = 0;
    m->status = GB_STATUS_ALIVE;
    m->is_diallable = false;
    m->is_linked = false;
    m->was_reset = false;
    m->is_probed = false;
    m->heard = d->now;
    m->probe_after = 0;
}

static void on_forgotten(detector *d, member *m)
{
    retract(d, m);
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->members[i] == m) {
            d->count--;
            d->members[i] = d->members[d->count];
        }
    }
    free(m);
}

static void on_member(detector *d, const gb_event *event)
{
    member *m = find(d, event->name);
    if (event->change == GB_CHANGE_FORGOTTEN) {
        if (m != NULL) {
            on_forgotten(d, m);
        }
        return;
    }
    if (m == NULL) {
        m = add(d, event->name);
    }
    if (m == NULL || event->generation < m->generation) {
        return;
    }
    if (event->generation > m->generation) {
        begin_life(d, m, event->generation);
        if (event->status == GB_STATUS_DEAD) {
            /* It died before we came: those who were there have judged it. */
            m->status = GB_STATUS_DEAD;
        }
    }
    if (event->incarnation > m->incarnation) {
        /* It refutes: what was said of the earlier incarnation does not count any more. */
        retract(d, m);
        m->incarnation = event->incarnation;
    }
    m->is_self = (event->flags & GB_MEMBER_IS_SELF) != 0;
    m->has_detector = (event->flags & GB_MEMBER_HAS_DETECTOR) != 0;
    m->is_diallable = m->is_diallable || (event->flags & GB_MEMBER_IS_DIALLABLE) != 0;
    if (event->status == GB_STATUS_LEFT) {
        retract(d, m);
        m->status = GB_STATUS_LEFT;
    }
    judge(d, m);
}

static void on_link_closed(detector *d, const gb_event *event)
{
    member *m = find_life(d, event);
    if (m == NULL || event->cause == GB_CLOSE_REPLACED) {
        return;
    }
    m->is_linked = false;
    m->was_reset = event->cause == GB_CLOSE_RESET || event->cause == GB_CLOSE_ENDED;
    bool is_suspicious = m->was_reset || event->cause == GB_CLOSE_TIMED_OUT;
    if (is_suspicious && is_live(m)) {
        probe(d, m);
    }
}

static void on_probe_result(detector *d, const gb_event *event)
{
    member *m = find_life(d, event);
    if (m == NULL || event->accuser.len != 0) {
        return;
    }
    m->is_probed = false;
    switch (event->outcome) {
    case GB_PROBE_ANSWERED:
        m->is_diallable = true;
        on_heard(d, m);
        break;
    case GB_PROBE_NEWER_GENERATION:
        if (event->newer_generation > m->generation && is_live(m)) {
            declare(d, m, GB_STATUS_DEAD);
        }
        break;
    case GB_PROBE_REFUSED:
    case GB_PROBE_OTHER_IDENTITY:
        accuse(d, m, m->was_reset && m->is_diallable ? GB_ACCUSE_CRASHED : GB_ACCUSE_SILENT);
        break;
    default:
        accuse(d, m, GB_ACCUSE_SILENT);
        break;
    }
}

static void on_accusation(detector *d, const gb_event *event)
{
    member *m = find(d, event->name);
    if (m == NULL || m->is_self || event->accuser.len > NAME_MAX_BYTES) {
        return;
    }
    accuser news = {.own_generation = event->accuser_generation,
                    .generation = event->generation,
                    .incarnation = event->incarnation,
                    .reason = event->reason,
                    .has_verdict = (event->flags & GB_ACCUSE_VERDICT) != 0};
    if (event->accuser.len != 0) {
        memcpy(news.name, event->accuser.base, event->accuser.len);
    }
    if (strcmp(news.name, self_name(d)) == 0) {
        return; /* our own word, told back */
    }
    put_accuser(m, &news);
    judge(d, m);
}

static void on_retraction(detector *d, const gb_event *event)
{
    member *m = find(d, event->name);
    if (m == NULL || m->is_self || event->accuser.len > NAME_MAX_BYTES) {
        return;
    }
    char name[NAME_MAX_BYTES + 1] = {0};
    if (event->accuser.len != 0) {
        memcpy(name, event->accuser.base, event->accuser.len);
    }
    if (strcmp(name, self_name(d)) != 0) {
        remove_accuser(m, name);
        judge(d, m);
    }
}

static void on_tick(detector *d)
{
    bool was_paused = d->last_tick != 0 && d->now - d->last_tick > PAUSE_US;
    d->last_tick = d->now;
    for (uint32_t i = 0; i < d->count; i++) {
        member *m = d->members[i];
        if (m->is_self || !is_live(m)) {
            continue;
        }
        if (was_paused) {
            m->heard = d->now;
        }
        bool is_silent = m->is_linked && d->now - m->heard > d->silence_us;
        /* Others accuse it, and our word is asked for. */
        bool is_asked = m->status == GB_STATUS_SUSPECT && find_accuser(m, self_name(d)) == NULL &&
                        (!m->is_linked || d->now - m->heard > FRESH_US) && is_judged_by_self(d, m);
        if ((is_silent || is_asked) && d->now >= m->probe_after) {
            probe(d, m);
        }
        if (m->status == GB_STATUS_SUSPECT) {
            judge(d, m);
        }
    }
}

void detector_handle(detector *d, const gb_event *event)
{
    d->now = event->time_us > d->now ? event->time_us : d->now;
    member *m;
    switch (event->kind) {
    case GB_EVENT_MEMBER:
        on_member(d, event);
        break;
    case GB_EVENT_LINK_OPENED:
    case GB_EVENT_HEARTBEAT:
    case GB_EVENT_ACTIVITY:
        m = find_life(d, event);
        if (m != NULL) {
            m->is_linked = true;
            m->was_reset = false;
            on_heard(d, m);
        }
        break;
    case GB_EVENT_LINK_CLOSED:
        on_link_closed(d, event);
        break;
    case GB_EVENT_PROBE_RESULT:
        on_probe_result(d, event);
        break;
    case GB_EVENT_ACCUSATION:
        on_accusation(d, event);
        break;
    case GB_EVENT_RETRACTION:
        on_retraction(d, event);
        break;
    case GB_EVENT_TICK:
        on_tick(d);
        break;
    default:
        break;
    }
}
