// SPDX-License-Identifier: MIT
// recent.c: the last sessions are there whole, older ones are not, and what a worker writes
// otherwise has a family that is one.

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "board/recent.h"
#include "unit.h"

// A record all of whose members follow from the number.
static struct recent_record record_of(uint64_t number)
{
    struct recent_record record = {
        .end_realtime_usec = number,
        .duration_usec = number * 3,
        .received = number * 5,
        .sent = number * 7,
        .number = (uint32_t)number,
        .wait_usec = RECENT_UNKNOWN,
        .reply_usec = (uint32_t)number,
        .port = (uint16_t)number,
        .family = AF_INET6,
        .result = (uint8_t)(number % 16),
    };

    memset(record.ip, (int)(number % 256), sizeof(record.ip));
    return record;
}

static void check_record(const char *row, const struct recent *recent, uint64_t number)
{
    struct recent_record got, want = record_of(number);

    check_true(row, recent_get(recent, number, &got));
    check_bytes(row, &got, sizeof(got), &want, sizeof(want));
}

static void test_ring(void **state)
{
    static const struct {
        const char *name;
        uint64_t first, last;
    } rows[] = {
        {"one", 1, 1},
        {"a full ring", 1, RECENT_MAX},
        {"one more", 1, RECENT_MAX + 1},
        {"many", 1, 100000},
        {"beyond 32 bits", UINT64_C(0xfffffffe), UINT64_C(0x100000040)},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        static struct recent recent;
        struct recent_record record;
        uint64_t last = rows[i].last;

        memset(&recent, 0, sizeof(recent));
        check_number(rows[i].name, recent_ended(&recent), 0);
        check_true(rows[i].name, !recent_get(&recent, 0, &record));
        check_true(rows[i].name, !recent_get(&recent, 1, &record));
        for (uint64_t n = rows[i].first; n <= last; n++) {
            record = record_of(n);
            recent_put(&recent, n, &record);
        }
        check_number(rows[i].name, recent_ended(&recent), last);
        for (uint64_t n = last; n >= rows[i].first && n + RECENT_MAX > last; n--)
            if ((uint32_t)n != 0) // whose number is that of one being written
                check_record(rows[i].name, &recent, n);
        check_true(rows[i].name, !recent_get(&recent, last + 1, &record));
        if (last >= RECENT_MAX)
            check_true(rows[i].name, !recent_get(&recent, last - RECENT_MAX, &record));
        recent_set_logged(&recent, last);
        check_number(rows[i].name, recent_logged(&recent), last);
    }
}

static void test_garbage(void **state)
{
    static struct recent recent;

    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        uint64_t number = (uint64_t)byte * 0x01010101;
        struct recent_record got = {0};

        memset(&recent, byte, sizeof(recent));
        check_true("its number", recent_get(&recent, number, &got));
        check_true("family", got.family == AF_UNSPEC || got.family == AF_INET ||
                                 got.family == AF_INET6 || got.family == AF_UNIX);
        check_true("another number", !recent_get(&recent, number + 1, &got));
    }
}

static void test_times(void **state)
{
    static const struct {
        uint64_t usec;
        uint32_t want;
    } rows[] = {{0, 0},
                {1, 1},
                {UINT32_MAX - 1, UINT32_MAX - 1},
                {UINT32_MAX, UINT32_MAX - 1},
                {UINT64_MAX, UINT32_MAX - 1}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        check_number("usec", recent_usec(rows[i].usec), rows[i].want);
}

// While a worker writes as fast as it can, whoever finds a record has all of it.
static void test_torn(void **state)
{
    struct recent *recent = mmap(NULL, sizeof(*recent), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t n_found = 0;
    pid_t pid;

    (void)state;
    check_true("memory", recent != MAP_FAILED);
    pid = fork();
    if (pid == 0)
        for (uint64_t n = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;; n++) {
            struct recent_record record = record_of(n);

            recent_put(recent, n, &record);
        }
    for (uint64_t deadline = base_now_usec() + 10 * USEC_PER_SEC;
         n_found < 100000 && base_now_usec() < deadline;) {
        uint64_t ended = recent_ended(recent);
        uint64_t n = ended > RECENT_MAX / 2 ? ended - RECENT_MAX / 2 : ended;
        struct recent_record got, want = record_of(n);

        if (!recent_get(recent, n, &got))
            continue;
        n_found++;
        check_bytes("whole", &got, sizeof(got), &want, sizeof(want));
    }
    (void)kill(pid, SIGKILL);
    check_number("reaped", waitpid(pid, NULL, 0), pid);
    check_true("some were found", n_found > 1000);
    (void)munmap(recent, sizeof(*recent));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_torn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
