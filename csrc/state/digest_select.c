/* SPDX-License-Identifier: Apache-2.0 */
/* digest_select.c: what digests are made of: the map hash, fingerprints, the order of change. */
#include "state/map_state.h"

#include "platform/assert.h"
#include "platform/hash.h"

/* A sum of independent terms: it does not matter in which order things came to be known, and a
 * changed term is exchanged without looking at the others. */
uint64_t gb_participant_hash(const gb_participant *participant)
{
    uint64_t identity = gb_hash_combine(participant->name_hash, participant->generation);
    uint64_t hash = 0;
    bool is_known = false;
    for (gb_lane lane = 0; lane < GB_LANE_COUNT; lane++) {
        uint64_t version = gb_map_version(participant, lane);
        if (version > 0) {
            is_known = true;
            hash += gb_hash_combine(gb_hash_combine(identity, lane), version);
        }
    }
    return is_known ? hash + identity : 0;
}

static void changed_unlink(gb_map *map, gb_participant *participant)
{
    gb_participant *newer = participant->changed_newer;
    gb_participant *older = participant->changed_older;
    if (newer != NULL) {
        newer->changed_older = older;
    } else if (map->changed_newest == participant) {
        map->changed_newest = older;
    }
    if (older != NULL) {
        older->changed_newer = newer;
    } else if (map->changed_oldest == participant) {
        map->changed_oldest = newer;
    }
    participant->changed_newer = NULL;
    participant->changed_older = NULL;
}

void gb_map_touch(gb_map *map, gb_participant *participant)
{
    map->hash -= participant->hash;
    participant->hash = gb_participant_hash(participant);
    map->hash += participant->hash;
    participant->changed_no = ++map->change_no;
    if (map->changed_newest == participant) {
        return;
    }
    changed_unlink(map, participant);
    participant->changed_older = map->changed_newest;
    if (map->changed_newest != NULL) {
        map->changed_newest->changed_newer = participant;
    } else {
        map->changed_oldest = participant;
    }
    map->changed_newest = participant;
}

void gb_map_untouch(gb_map *map, gb_participant *participant)
{
    changed_unlink(map, participant);
    map->hash -= participant->hash;
    participant->hash = 0;
}

uint64_t gb_map_hash(const gb_map *map)
{
    if (map->hash != 0) {
        return map->hash;
    }
    /* Terms that cancel out are one case in 2^64; 0 is kept for a map that knows nothing. */
    for (const gb_participant *p = map->changed_newest; p != NULL; p = p->changed_older) {
        if (p->hash != 0) {
            return 1;
        }
    }
    return 0;
}

uint64_t gb_map_change_no(const gb_map *map)
{
    return map->change_no;
}

gb_participant *gb_map_changed_last(const gb_map *map)
{
    return map->changed_newest;
}

void gb_map_fingerprints(const gb_map *map, uint8_t bits, uint64_t *out)
{
    GB_ASSERT(bits <= GB_BUCKET_BITS_MAX);
    memset(out, 0, sizeof *out << bits);
    for (const gb_participant *p = map->changed_newest; p != NULL; p = p->changed_older) {
        out[gb_participant_bucket(p, bits)] += p->hash;
    }
}
