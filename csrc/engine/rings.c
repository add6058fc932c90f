/* SPDX-License-Identifier: Apache-2.0 */
/* rings.c: who is linked with whom. Every node knows every member, so the overlay needs no
 * protocol: members sorted by K hashes of their names; a node dials its successor on each ring. */
#include "engine/internal.h"

#include <string.h>

static uint64_t place_of_hash(uint64_t name_hash, uint32_t ring)
{
    return gb_hash_mix(name_hash ^ (UINT64_C(0x9e3779b97f4a7c15) * (ring + 1)));
}

uint64_t gb_ring_place(gb_slice name, uint32_t ring)
{
    return place_of_hash(gb_fnv1a(GB_FNV1A_BASIS, name), ring);
}

/* ---- Judges
 * ------------------------------------------------------------------------------------------ */

/* Order on a ring: by place, then by name. */
static int ring_compare(uint64_t place_a, gb_slice name_a, uint64_t place_b, gb_slice name_b)
{
    if (place_a != place_b) {
        return place_a < place_b ? -1 : 1;
    }
    return gb_slice_compare(name_a, name_b);
}

/* Successor and predecessor of a place while members are offered one by one, in any order. */
typedef struct ring_search {
    uint64_t place;
    gb_slice name;
    uint32_t after, before; /* nearest on either side; UINT32_MAX: none */
    uint64_t after_place, before_place;
    gb_slice after_name, before_name;
    uint32_t first, last; /* of the whole ring, for wrapping round */
    uint64_t first_place, last_place;
    gb_slice first_name, last_name;
} ring_search;

static void search_begin(ring_search *s, uint64_t place, gb_slice name)
{
    memset(s, 0, sizeof *s);
    s->place = place;
    s->name = name;
    s->after = s->before = s->first = s->last = UINT32_MAX;
}

static void search_offer(ring_search *s, uint32_t item, uint64_t place, gb_slice name)
{
    if (s->first == UINT32_MAX || ring_compare(place, name, s->first_place, s->first_name) < 0) {
        s->first = item;
        s->first_place = place;
        s->first_name = name;
    }
    if (s->last == UINT32_MAX || ring_compare(place, name, s->last_place, s->last_name) > 0) {
        s->last = item;
        s->last_place = place;
        s->last_name = name;
    }
    if (ring_compare(place, name, s->place, s->name) > 0) {
        if (s->after == UINT32_MAX ||
            ring_compare(place, name, s->after_place, s->after_name) < 0) {
            s->after = item;
            s->after_place = place;
            s->after_name = name;
        }
    } else if (s->before == UINT32_MAX ||
               ring_compare(place, name, s->before_place, s->before_name) > 0) {
        s->before = item;
        s->before_place = place;
        s->before_name = name;
    }
}

static void search_end(ring_search *s)
{
    if (s->after == UINT32_MAX) {
        s->after = s->first;
        s->after_place = s->first_place;
    }
    if (s->before == UINT32_MAX) {
        s->before = s->last;
        s->before_place = s->last_place;
    }
}

static uint32_t add_once(uint32_t *out, uint32_t count, uint32_t item)
{
    for (uint32_t i = 0; i < count; i++) {
        if (out[i] == item) {
            return count;
        }
    }
    out[count] = item;
    return count + 1;
}

uint32_t gb_ring_neighbours(const gb_slice *names, uint32_t count, gb_slice target,
                            uint32_t full_mesh_max, uint32_t *out)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < count; i++) {
        others += gb_slice_equal(names[i], target) ? 0 : 1;
    }
    uint32_t found = 0;
    if (others + 1 <= full_mesh_max) {
        for (uint32_t i = 0; i < count; i++) {
            if (!gb_slice_equal(names[i], target)) {
                out[found] = i;
                found++;
            }
        }
        return found;
    }
    for (uint32_t ring = 0; ring < GB_RING_COUNT; ring++) {
        ring_search search;
        search_begin(&search, gb_ring_place(target, ring), target);
        for (uint32_t i = 0; i < count; i++) {
            if (!gb_slice_equal(names[i], target)) {
                search_offer(&search, i, gb_ring_place(names[i], ring), names[i]);
            }
        }
        search_end(&search);
        if (search.after != UINT32_MAX) {
            found = add_once(out, found, search.after);
            found = add_once(out, found, search.before);
        }
    }
    return found;
}

/* ---- Our neighbours
 * ------------------------------------------------------------------------------------ */

static bool is_other_live(const gb_engine *e, const gb_peer *peer)
{
    return peer != NULL && !peer_is_self(e, peer) && peer_is_live(peer) && peer->is_announced;
}

static bool peer_has_detector(const gb_peer *peer)
{
    return (peer->record_flags & GB_NODE_RECORD_HAS_DETECTOR) != 0;
}

static void want_mesh(gb_engine *e)
{
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (is_other_live(e, peer)) {
            peer->is_wanted = true;
            peer->is_successor = gb_slice_compare(engine_name(e), peer_name(e, peer)) < 0;
        }
    }
}

/* Between `from` and `to` on a ring, both excluded, wrapping round. */
static bool is_between(uint64_t place, uint64_t from, uint64_t to)
{
    return from < to ? place > from && place < to : place > from || place < to;
}

static void want_ring(gb_engine *e, uint32_t ring, bool judges_only)
{
    uint64_t own_place = place_of_hash(e->self->name_hash, ring);
    ring_search search;
    search_begin(&search, own_place, engine_name(e));
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        if (is_other_live(e, peer) && (!judges_only || peer_has_detector(peer))) {
            const gb_participant *p = peer_participant(e, peer);
            search_offer(&search, slot, place_of_hash(p->name_hash, ring), gb_participant_name(p));
        }
    }
    search_end(&search);
    if (!judges_only) {
        if (search.after != UINT32_MAX) {
            e->ring_after[ring] = search.after_place;
            e->ring_before[ring] = search.before_place;
            e->peers[search.after]->is_wanted = true;
            e->peers[search.after]->is_successor = true;
            e->peers[search.before]->is_wanted = true;
        }
        return;
    }
    /* Members without a detector lie on the ring of those who have one: a judge watches those
     * between itself and the next judges. */
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (!is_other_live(e, peer) || peer_has_detector(peer)) {
            continue;
        }
        uint64_t place = place_of_hash(peer_participant(e, peer)->name_hash, ring);
        bool is_mine = search.after == UINT32_MAX ||
                       is_between(place, own_place, search.after_place) ||
                       is_between(place, search.before_place, own_place);
        if (is_mine) {
            peer->is_wanted = true;
            peer->is_successor = true;
        }
    }
}

void ring_update(gb_engine *e)
{
    e->is_ring_dirty = false;
    e->alive_count = 0;
    e->blind_count = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL) {
            continue;
        }
        peer->is_wanted = false;
        peer->is_successor = false;
        if (is_other_live(e, peer)) {
            e->alive_count++;
            e->blind_count += peer_has_detector(peer) ? 0 : 1;
        }
    }
    /* Hysteresis, so that a cluster at the border does not re-link at each join and leave. */
    uint32_t mesh_max =
        e->settings.full_mesh_max + (e->is_mesh ? e->settings.full_mesh_max / 4 : 0);
    e->is_mesh = e->alive_count + 1 <= mesh_max;
    if (e->is_leaving || e->is_stopped) {
        return;
    }
    if (e->is_mesh) {
        want_mesh(e);
    } else {
        for (uint32_t ring = 0; ring < GB_RING_COUNT; ring++) {
            want_ring(e, ring, false);
            if (e->has_detector && e->blind_count > 0) {
                want_ring(e, ring, true);
            }
        }
    }
    e->dial_check_at = e->now;
}

/* Would it be, or is it, next to us on a ring? Also where places are equal, and names would decide.
 */
static bool is_next_to_us(const gb_engine *e, const gb_peer *peer)
{
    uint64_t name_hash = peer_participant(e, peer)->name_hash;
    for (uint32_t ring = 0; ring < GB_RING_COUNT; ring++) {
        uint64_t own = place_of_hash(e->self->name_hash, ring);
        uint64_t place = place_of_hash(name_hash, ring);
        bool is_far = place != own && place != e->ring_after[ring] &&
                      place != e->ring_before[ring] &&
                      !is_between(place, own, e->ring_after[ring]) &&
                      !is_between(place, e->ring_before[ring], own);
        if (!is_far) {
            return true;
        }
    }
    return false;
}

/* Are rings all that our neighbours follow from, and are they up to date? */
static bool are_plain_rings(const gb_engine *e, const gb_peer *peer)
{
    return !e->is_ring_dirty && !e->is_mesh && !e->is_leaving && !e->is_stopped &&
           e->alive_count > 1 &&
           !(e->has_detector && (e->blind_count > 0 || !peer_has_detector(peer)));
}

void ring_joined(gb_engine *e, const gb_peer *peer)
{
    if (!are_plain_rings(e, peer) || is_next_to_us(e, peer)) {
        e->is_ring_dirty = true;
        return;
    }
    e->alive_count++;
    e->blind_count += peer_has_detector(peer) ? 0 : 1;
}

void ring_left(gb_engine *e, const gb_peer *peer)
{
    if (!are_plain_rings(e, peer) || is_next_to_us(e, peer) ||
        e->alive_count <= e->settings.full_mesh_max) {
        e->is_ring_dirty = true;
        return;
    }
    e->alive_count--;
    e->blind_count -= peer_has_detector(peer) ? 0 : 1;
}

void ring_check(const gb_engine *e)
{
    if (e->is_ring_dirty || e->is_leaving || e->is_stopped) {
        return;
    }
    uint32_t alive = 0;
    uint32_t blind = 0;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        const gb_peer *peer = e->peers[slot];
        if (is_other_live(e, peer)) {
            alive++;
            blind += peer_has_detector(peer) ? 0 : 1;
        }
        bool is_plain = !e->is_mesh && !(e->has_detector && e->blind_count > 0);
        if (peer != NULL && is_plain && e->alive_count > 1 && !peer_is_self(e, peer)) {
            GB_ASSERT(peer->is_wanted == (is_other_live(e, peer) && is_next_to_us(e, peer)));
        }
    }
    GB_ASSERT(e->alive_count == alive && e->blind_count == blind);
}

/* ---- Dialling
 * ------------------------------------------------------------------------------------------- */

void ring_dial_failed(gb_engine *e, gb_peer *peer)
{
    uint32_t shift = peer->dial_failures < 6 ? peer->dial_failures : 6;
    gb_time_us pause = ENGINE_DIAL_BACKOFF_MIN << shift;
    if (pause > ENGINE_DIAL_BACKOFF_MAX) {
        pause = ENGINE_DIAL_BACKOFF_MAX;
    }
    peer->dial_failures++;
    peer->is_visit_due = false;
    peer->dial_at = e->now + pause / 2 + gb_rng_below(&e->rng, pause / 2 + 1);
    e->dial_check_at = e->now;
}

bool ring_dial(gb_engine *e, gb_peer *peer, gb_link_purpose purpose)
{
    gb_node_record memory;
    const gb_address *addresses;
    uint8_t count = peer_addresses(e, peer, &memory, &addresses);
    if (count == 0) {
        ring_dial_failed(e, peer);
        return false;
    }
    const gb_address *address = &addresses[peer->dial_failures % count];
    gb_link *link = link_dial(e, purpose, address->host, address->port);
    if (link == NULL) {
        peer->dial_at = e->now + ENGINE_DIAL_BACKOFF_MIN;
        return false;
    }
    link->expected_slot = peer->slot;
    link->expected_generation = peer->generation;
    peer->dialling = link;
    return true;
}

/* Links of the rings are open, so that no seed is needed any more. */
static bool is_settled(const gb_engine *e)
{
    uint32_t count = 0;
    GB_LIST_EACH(node, &e->links)
    {
        const gb_link *link = link_of(node);
        count += link_is_member(link) && link->peer->is_wanted ? 1 : 0;
    }
    return count >= ENGINE_SETTLED_LINKS;
}

/* Our link is outside the rings: its dialler closes it after a grace. Returns when. */
static gb_time_us drop_unwanted(gb_engine *e, gb_link *link)
{
    if (!link_is_member(link) || !link->is_dialled || link->purpose == PURPOSE_VISIT ||
        link->peer->is_wanted) {
        link->unwanted_since = GB_NO_TIME;
        return GB_NO_TIME;
    }
    bool is_seed = link->purpose == PURPOSE_SEED;
    if (link->pull_count > 0) {
        link->unwanted_since = GB_NO_TIME;
        return e->now + (is_seed ? ENGINE_S : ENGINE_UNWANTED_GRACE); /* it is of use for now */
    }
    if (link->unwanted_since == GB_NO_TIME) {
        link->unwanted_since = e->now;
    }
    gb_time_us at = link->unwanted_since + (is_seed ? ENGINE_SEED_GRACE : ENGINE_UNWANTED_GRACE);
    if (at > e->now) {
        return at;
    }
    if (is_seed && !is_settled(e) && e->now < link->unwanted_since + ENGINE_UNWANTED_GRACE) {
        return e->now + ENGINE_S;
    }
    link_bye(e, link, GB_CLOSE_BY_US, GB_OK, "outside the rings");
    return GB_NO_TIME;
}

static gb_time_us dial_wanted(gb_engine *e)
{
    gb_time_us next = GB_NO_TIME;
    for (uint32_t slot = 0; slot < e->peer_count; slot++) {
        gb_peer *peer = e->peers[slot];
        if (peer == NULL || !peer->is_wanted || peer->link != NULL || peer->dialling != NULL) {
            continue;
        }
        gb_time_us at = peer->dial_at;
        if (!peer->is_successor && at < peer->known_since + ENGINE_DIAL_PATIENCE) {
            at = peer->known_since + ENGINE_DIAL_PATIENCE;
        }
        if (at <= e->now) {
            (void)ring_dial(e, peer, PURPOSE_RING);
            at = peer->dialling != NULL ? GB_NO_TIME : peer->dial_at;
        }
        next = at < next ? at : next;
    }
    return next;
}

gb_time_us ring_due(gb_engine *e)
{
    if (!(e->is_joining || e->is_joined)) {
        return GB_NO_TIME;
    }
    if (e->now < e->dial_check_at) {
        return e->dial_check_at;
    }
    gb_time_us next = dial_wanted(e);
    ENGINE_EACH_LINK(e, link)
    {
        gb_time_us at = drop_unwanted(e, link);
        next = at < next ? at : next;
    }
    e->dial_check_at = next;
    return next;
}
