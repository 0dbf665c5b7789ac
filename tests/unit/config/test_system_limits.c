// SPDX-License-Identifier: MIT
// system_limits.c: texts of /proc and /sys, and what a limit means for a need.

#include "config/system_limits.h"

#include "unit.h"

static const struct {
    const char *text;
    bool want;
    uint64_t number;
} numbers[] = {
    {"4915\n", true, 4915}, {"0\n", true, 0},
    {"max\n", false, 0},    {"", false, 0},
    {"-1", false, 0},       {"9223372036854771712\n", true, UINT64_C(9223372036854771712)},
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(numbers); i++) {
        uint64_t number = 0;

        check_true(numbers[i].text,
                   system_limits_number(numbers[i].text, &number) == numbers[i].want);
        check_number(numbers[i].text, number, numbers[i].number);
    }
}

static const struct {
    const char *text;
    uint64_t want;
} loads[] = {{"0.00 0.01 0.05 1/345 6789\n", 345}, {"", 0}, {"nonsense\n", 0}};

static void test_tasks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(loads); i++)
        check_number(loads[i].text, system_limits_tasks(loads[i].text), loads[i].want);
}

#define STATUS "Name:\tUid: 9\nUid:\t1000\t1001\nThreads:\t3\nCapEff:\t0000000001000000\n"

static const struct {
    const char *name;
    int base;
    bool want;
    uint64_t number;
} lines[] = {
    {"Uid", 10, true, 1000},  {"Threads", 10, true, 3},       {"CapEff", 16, true, 0x1000000},
    {"Thread", 10, false, 0}, {"MemAvailable", 10, false, 0},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        uint64_t number = 0;

        check_true(lines[i].name, system_limits_line(STATUS, lines[i].name, lines[i].base,
                                                     &number) == lines[i].want);
        check_number(lines[i].name, number, lines[i].number);
    }
}

static const struct {
    const char *name, *text, *controller, *want; // NULL: none
    bool unified;
} groups[] = {
    {"version 2", "0::/system.slice/tcpd.service\n", "pids", "/system.slice/tcpd.service", true},
    {"version 1", "9:name=systemd:/a\n8:pids:/b\n0::/c\n", "pids", "/b", false},
    {"version 1 after the other", "0::/c\n8:pids:/b\n", "pids", "/b", false},
    {"several controllers", "4:cpu,pids,x:/b\n0::/c\n", "pids", "/b", false},
    {"part of a name", "4:pids2,apids:/b\n0::/c\n", "pids", "/c", true},
    {"without controllers of its own", "1:name=pids:/b\n0::/c\n", "pids", "/c", true},
    {"the top", "0::/\n", "memory", "/", true},
    {"outside of what is mounted", "0::/../other\n", "pids", NULL, true},
    {"none", "1:name=systemd:/a\n", "pids", NULL, false},
    {"empty", "", "pids", NULL, false},
    {"broken", "what\n", "pids", NULL, false},
};

static void test_groups(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(groups); i++) {
        char path[128] = "";
        bool unified = false;
        bool found = system_limits_group(groups[i].text, groups[i].controller, path, sizeof(path),
                                         &unified);

        check_true(groups[i].name, found == (groups[i].want != NULL));
        if (!found)
            continue;
        check_text(groups[i].name, path, groups[i].want);
        check_true(groups[i].name, unified == groups[i].unified);
    }
}

// 10 to 100 workers, 3 listeners, a backlog of 4096.
static const struct {
    const char *name;
    struct system_limit limit;
    enum limit_verdict want;
    const char *says[3];
} verdicts[] = {
    {"room for a reload", {LIMIT_USER_TASKS, 201, 0, ""}, LIMIT_ENOUGH, {NULL}},
    {"one less",
     {LIMIT_USER_TASKS, 200, 0, ""},
     LIMIT_SHORT_OF_RELOAD,
     {"max_workers of all pools together needs 100",
      "RLIMIT_NPROC (ulimit -u) is 200: ", "to at least 201"}},
    {"room for max", {LIMIT_USER_TASKS, 101, 0, ""}, LIMIT_SHORT_OF_RELOAD, {NULL}},
    {"one less than max", {LIMIT_USER_TASKS, 100, 0, ""}, LIMIT_SHORT_OF_MAX, {NULL}},
    {"room for min", {LIMIT_USER_TASKS, 11, 0, ""}, LIMIT_SHORT_OF_MAX, {NULL}},
    {"one less than min",
     {LIMIT_USER_TASKS, 10, 0, ""},
     LIMIT_SHORT_OF_MIN,
     {"min_workers of all pools together needs 10 "}},
    {"with others",
     {LIMIT_GROUP_TASKS, 40, 30, "/a.slice/b.service"},
     LIMIT_SHORT_OF_MIN,
     {"pids.max of /a.slice/b.service is 40, of which 30 are in use",
      "set TasksMax=", "to at least 231"}},
    {"more others than there may be", {LIMIT_GROUP_TASKS, 40, 50, "/"}, LIMIT_SHORT_OF_MIN, {NULL}},
    {"the system's",
     {LIMIT_SYSTEM_TASKS, 300, 150, ""},
     LIMIT_SHORT_OF_RELOAD,
     {"kernel.threads-max is 300"}},
    {"some numbers are reserved",
     {LIMIT_PIDS, 500, 0, ""},
     LIMIT_SHORT_OF_RELOAD,
     {"kernel.pid_max is 500, of which 300"}},
    {"all numbers are reserved", {LIMIT_PIDS, 200, 0, ""}, LIMIT_SHORT_OF_MIN, {NULL}},
    {"files", {LIMIT_FILES, 163, 0, ""}, LIMIT_ENOUGH, {NULL}},
    {"few files",
     {LIMIT_FILES, 162, 0, ""},
     LIMIT_SHORT_OF_MAX,
     {"(ulimit -n) is 162", "least 163"}},
    {"file size", {LIMIT_FILE_SIZE, 272629760, 0, ""}, LIMIT_ENOUGH, {NULL}},
    {"small files",
     {LIMIT_FILE_SIZE, 272629759, 0, ""},
     LIMIT_SHORT_OF_MIN,
     {"RLIMIT_FSIZE (ulimit -f) is 272629759 bytes", "LimitFSIZE=", "least 272629760 bytes"}},
    {"backlog", {LIMIT_BACKLOG, 4096, 0, ""}, LIMIT_ENOUGH, {NULL}},
    {"backlog cut",
     {LIMIT_BACKLOG, 128, 0, ""},
     LIMIT_SHORT_OF_MAX,
     {"backlog = 4096", "net.core.somaxconn, which is 128", "least 4096"}},
    {"memory", {LIMIT_MEMORY, 13000, 0, ""}, LIMIT_ENOUGH, {NULL}},
    {"little memory", {LIMIT_MEMORY, 12999, 0, ""}, LIMIT_SHORT_OF_MAX, {"MemAvailable is 12 MiB"}},
    {"little memory of a group",
     {LIMIT_GROUP_MEMORY, 2048, 0, "/a"},
     LIMIT_SHORT_OF_MAX,
     {"memory.max of /a is 2 MiB"}},
};

static void test_verdicts(void **state)
{
    const struct system_need need = {.min = 10, .max = 100, .listeners = 3, .backlog = 4096};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(verdicts); i++) {
        char text[512] = "";

        check_number(verdicts[i].name,
                     system_limits_judge(&verdicts[i].limit, &need, text, sizeof(text)),
                     verdicts[i].want);
        for (size_t j = 0; j < ELEMENTS(verdicts[i].says) && verdicts[i].says[j]; j++)
            if (!strstr(text, verdicts[i].says[j]))
                fail_msg("%s: \"%s\" is not in \"%s\"", verdicts[i].name, verdicts[i].says[j],
                         text);
    }
}

// A service that gets its sockets handed over has one at least.
static void test_need(void **state)
{
    struct service services[] = {
        {.listen.n = 2, .min_workers = 3, .max_workers = 50, .backlog = 10},
        {.listen.n = 0, .min_workers = 4, .max_workers = 7, .backlog = 20},
    };
    const struct config config = {.services = services, .n_services = 2};
    struct system_need need = system_limits_need(&config);

    (void)state;
    check_number("min", need.min, 10);
    check_number("max", need.max, 107);
    check_number("listeners", need.listeners, 3);
    check_number("backlog", need.backlog, 20);
}

// Processes besides the workers.
static void test_programs(void **state)
{
    static const struct {
        unsigned n_idle, n_busy;
        uint64_t min, max;
    } modes[] = {{0, 1, 4, 14}, {1, 2, 8, 21}, {0, 0, 4, 7}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(modes); i++) {
        struct service service = {.listen.n = 1,
                                  .min_workers = 4,
                                  .max_workers = 7,
                                  .n_idle_beside = modes[i].n_idle,
                                  .n_busy_beside = modes[i].n_busy};
        struct system_need need = system_limits_need(
            &(struct config){.services = &service, .n_services = 1});

        check_number("min", need.min, modes[i].min);
        check_number("max", need.max, modes[i].max);
    }
}

// The system that this runs on: it is within its limits.
static void test_read(void **state)
{
    struct system_limit list[SYSTEM_LIMITS_MAX];
    size_t n = system_limits_read(0, list);

    (void)state;
    check_true("some", n > 0 && n <= SYSTEM_LIMITS_MAX);
    for (size_t i = 0; i < n; i++)
        if (list[i].kind <= LIMIT_PIDS)
            check_true("a process runs", list[i].others < list[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_tasks),    cmocka_unit_test(test_lines),
        cmocka_unit_test(test_groups),   cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_need),     cmocka_unit_test(test_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
