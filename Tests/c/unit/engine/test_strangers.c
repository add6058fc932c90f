/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that have not said HELLO: they are bounded, and keep nobody out. */
#include "foe.h"

#include <stdio.h>

GB_TEST(strangers, who_says_nothing_gives_way_to_whoever_comes)
{
    gb_engine_options options = {.link_count_max = 1024};
    foe f;
    foe_open(t, &f, &options);
    uint64_t client; /* those at the members' door do not close that of clients */
    expect_ok(
        gb_engine_accepted(f.engine, f.now, GB_ROLE_CLIENT, gb_slice_from_str(""), 0, &client));
    for (uint32_t i = 0; i < 2000; i++) {
        accept_silent(&f);
    }
    expect_uint(f.engine->link_count, GB_HANDSHAKES_MAX + 1);
    drain(&f);
    expect_uint(f.closes, 2000 - GB_HANDSHAKES_MAX);
    expect_uint(f.engine->link_count, GB_HANDSHAKES_MAX + 1);
    greet(&f, "honest", 1);
    expect_uint(f.frames[GB_FRAME_WELCOME], 1);
    /* An open link is no stranger: it stays when more of them come. */
    for (uint32_t i = 0; i < 2 * GB_HANDSHAKES_MAX; i++) {
        accept_silent(&f);
    }
    drain(&f);
    expect_false(f.is_closed);
    gb_engine_check(f.engine);
    foe_close(&f);
}

GB_TEST(strangers, they_leave_room_for_our_own_dials)
{
    gb_engine_options options = {.link_count_max = 40};
    foe f;
    foe_open(t, &f, &options);
    for (uint32_t i = 0; i < 100; i++) {
        accept_silent(&f);
        expect_true(f.engine->link_count <= 30);
    }
    expect_uint(f.engine->link_count, 30);
    foe_close(&f);
}

GB_TEST(strangers, a_door_whose_places_are_all_open_links_refuses)
{
    gb_engine_options options = {.link_count_max = 16};
    foe f;
    foe_open(t, &f, &options);
    for (uint32_t i = 0; i < 12; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "member-%u", i);
        greet(&f, name, 1);
    }
    expect_uint(f.frames[GB_FRAME_WELCOME], 12);
    uint64_t link;
    expect_err(
        gb_engine_accepted(f.engine, f.now, GB_ROLE_MEMBER, gb_slice_from_str("h"), 1, &link),
        GB_EFULL);
    drain(&f);
    expect_uint(f.closes, 0);
    foe_close(&f);
}

GB_TEST(strangers, who_waits_for_its_name_is_not_crowded_out_by_who_says_nothing)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "taken", 1); /* answers no PING from now on */
    greet(&f, "taken", 2);
    expect_uint(f.frames[GB_FRAME_WELCOME], 1); /* of the first; the second is held */
    for (uint32_t i = 0; i < 2 * GB_HANDSHAKES_MAX; i++) {
        accept_silent(&f);
    }
    wait(&f, WORLD_S);
    expect_false(f.is_closed);
    expect_uint(f.frames[GB_FRAME_WELCOME], 2);
    foe_close(&f);
}

GB_TEST(strangers, who_waits_for_a_name_leaves_places_to_who_has_not_spoken_yet)
{
    foe f;
    foe_open(t, &f, NULL);
    greet(&f, "taken", 1);
    for (uint32_t i = 0; i < GB_HANDSHAKES_MAX; i++) {
        greet(&f, "taken", 2);
    }
    expect_uint(f.closes, 0);
    accept_link(&f);
    uint64_t first = f.link;
    for (uint32_t i = 1; i < GB_HANDSHAKES_SILENT_MIN; i++) {
        accept_silent(&f);
    }
    drain(&f);
    expect_uint(f.closes, GB_HANDSHAKES_SILENT_MIN);
    gb_hello hello = hello_of("honest", 1);
    expect_ok(gb_hello_encode(&f.out, GB_FRAME_HELLO, 0, &hello));
    expect_uint(f.link, first);
    say(&f);
    expect_uint(f.frames[GB_FRAME_WELCOME], 2);
    wait(&f, 6 * WORLD_S);
    gb_engine_check(f.engine);
    foe_close(&f);
}
