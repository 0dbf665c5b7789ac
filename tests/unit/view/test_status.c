// SPDX-License-Identifier: MIT
// status.c: whether clients should come, by state and by what is drained.

#include "view/status.h"

#include "unit.h"

static bool tells(const char *service, const void *data)
{
    return strcmp(service, data) == 0;
}

static const struct {
    const char *name, *state, *nodes[3]; // of "a", "b" and "agent"; "paused" is none of them
    bool is_healthy;
} rows[] = {
    {"all serve", "running", {"ready", "ready", "ready"}, true},
    {"while it reloads", "reloading", {"ready", "ready", "ready"}, true},
    {"before it runs", "starting", {"ready", "ready", "ready"}, false},
    {"while it stops", "stopping", {"ready", "ready", "ready"}, false},
    {"of another version", "", {"ready", "ready", "ready"}, false},
    {"one is drained", "running", {"drain", "ready", "ready"}, true},
    {"the other is in maintenance", "running", {"ready", "maint", "ready"}, true},
    {"both are kept from clients", "running", {"drain", "maint", "ready"}, false},
    {"one is paused", "running", {"ready", "paused", "ready"}, true},
    {"one is paused, the other drained", "running", {"drain", "paused", "ready"}, false},
    {"both are paused", "running", {"paused", "paused", "ready"}, false},
    {"nobody says so", "running", {"", "", ""}, true},
};

static void test_health(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct status_pool pools[] = {{"a", "", rows[i].nodes[0], false},
                                      {"b", "", rows[i].nodes[1], false},
                                      {"agent", "", rows[i].nodes[2], false}};
        const struct status status = {
            .daemon = {.state = rows[i].state}, .pools = pools, .n_pools = ELEMENTS(pools)};

        for (size_t k = 0; k < ELEMENTS(pools); k++)
            pools[k].paused = strcmp(pools[k].node, "paused") == 0;
        check_true(rows[i].name, status_is_healthy(&status, tells, "agent") == rows[i].is_healthy);
    }
}

// Nothing but what tells: nobody comes for anything else.
static void test_alone(void **state)
{
    struct status_pool pool = {"agent", "", "ready", false};
    const struct status status = {.daemon = {.state = "running"}, .pools = &pool, .n_pools = 1};

    (void)state;
    assert_true(status_is_healthy(&status, tells, "agent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_health), cmocka_unit_test(test_alone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
