// SPDX-License-Identifier: MIT
// node_page.c: who reads has what was written last, whole; and nobody but the one that made it can
// write.

#include "board/node_page.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/base.h"
#include "unit.h"

static void test_without(void **state)
{
    (void)state;
    check_number("no page", node_page_assign("web"), NODE_NO_SLOT);
    check_number("no page", node_page_find("web"), NODE_NO_SLOT);
    check_number("no page", node_page_read(0, "web").state, NODE_ABSENT);
    node_page_write(0, &(struct node_news){.state = NODE_SERVING});
    node_page_keep(NULL, 0);
    node_page_forget();
}

static const struct {
    const char *name;
    struct node_news news;
} rows[] = {
    {"serving", {NODE_SERVING, 100, 256, 7, ""}},
    {"the least", {NODE_DRAINING, 10, 1, 0, ""}},
    {"the most", {NODE_FAILING, 100, 30000, UINT32_MAX, ""}},
    {"for a reason", {NODE_MAINTENANCE, 40, 9, 8, "by root: a new disk"}},
    {"for another one", {NODE_MAINTENANCE, 40, 9, 8, "by root: a new disc"}},
    {"serving again", {NODE_SERVING, 100, 9, 9, ""}},
};

static void test_news(void **state)
{
    size_t web = (assert_int_equal(node_page_open(), 0), node_page_assign("web"));
    size_t mail = node_page_assign("mail");

    (void)state;
    assert_int_equal(node_page_open(), 0); // again
    assert_true(web != mail && web < NODE_SLOTS && mail < NODE_SLOTS);
    check_number("nothing yet", node_page_read(web, "web").state, NODE_ABSENT);
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct node_news got;

        node_page_write(web, &rows[i].news);
        got = node_page_read(node_page_find("web"), "web");
        check_number(rows[i].name, got.state, rows[i].news.state);
        check_number(rows[i].name, got.weight, rows[i].news.weight);
        check_number(rows[i].name, got.max, rows[i].news.max);
        check_number(rows[i].name, got.second, rows[i].news.second);
        check_text(rows[i].name, got.why, rows[i].news.why);
    }
    check_number("the other one", node_page_read(mail, "mail").state, NODE_ABSENT);
    check_number("its name counts", node_page_read(web, "mail").state, NODE_ABSENT);
}

static void test_slots(void **state)
{
    size_t kept = (assert_int_equal(node_page_open(), 0), node_page_assign("kept"));
    char name[16];

    (void)state;
    node_page_write(kept, &(struct node_news){.state = NODE_SERVING});
    node_page_keep(&kept, 1);
    for (unsigned i = 0; i < NODE_SLOTS - 1; i++) {
        (void)snprintf(name, sizeof(name), "s%u", i);
        check_true(name, node_page_assign(name) < NODE_SLOTS);
    }
    check_number("all are taken", node_page_assign("more"), NODE_NO_SLOT);
    check_number("what has one keeps it", node_page_assign("kept"), kept);
    node_page_keep((size_t[]){NODE_NO_SLOT, kept}, 2);
    check_number("it is free again", node_page_find("s0"), NODE_NO_SLOT);
    check_true("and goes to others", node_page_assign("more") < NODE_SLOTS);
    check_number("what is kept is as it was", node_page_read(kept, "kept").state, NODE_SERVING);
}

static int look(void *address, size_t size, bool *ret_writable)
{
    *ret_writable = mprotect(address, size, PROT_READ | PROT_WRITE) == 0;
    return errno;
}

// Where "nodes" is mapped, how, and how often.
static unsigned find_mappings(char modes[2][8], void *places[2])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned n = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps))
        if (strstr(line, "memfd:nodes") && n < 2 &&
            sscanf(line, "%p-%*p %7s", &places[n], modes[n]) == 2)
            n++;
    (void)fclose(maps);
    return n;
}

static void test_child(void **state)
{
    int status;
    pid_t pid = (assert_int_equal(node_page_open(), 0), fork());

    (void)state;
    if (pid == 0) {
        char modes[2][8];
        void *places[2];
        bool is_writable;
        int bad = find_mappings(modes, places) != 1 || strcmp(modes[0], "r--s") != 0;

        bad |= (look(places[0], 4096, &is_writable) != EACCES || is_writable) << 1;
        node_page_forget();
        bad |= (find_mappings(modes, places) != 0) << 2;
        _exit(bad);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    check_number("in the child", status, 0);
}

// Reasons that change all the time are never mixed. Each is one letter throughout.
static void test_race(void **state)
{
    size_t slot = (assert_int_equal(node_page_open(), 0), node_page_assign("race"));
    struct node_news news = {.state = NODE_MAINTENANCE};
    int status, seen[2];
    struct pollfd has_seen = {.events = POLLIN};
    pid_t pid;

    (void)state;
    assert_int_equal(pipe2(seen, O_CLOEXEC), 0);
    has_seen.fd = seen[0];
    node_page_write(slot, &news);
    pid = fork();
    if (pid == 0)
        for (unsigned n = 0, n_texts = 0;; n++) {
            struct node_news got = node_page_read(slot, "race");
            size_t length = strlen(got.why);

            if (got.state == NODE_SERVING)
                _exit(0);
            n_texts += length > 0;
            if (n_texts == 100 && write(seen[1], "", 1) != 1)
                _exit(2);
            if (length > 0 && strspn(got.why, (char[]){got.why[0], 0}) != length)
                _exit(1);
        }
    for (unsigned i = 0; i < 400000 || poll(&has_seen, 1, 0) == 0; i++) {
        memset(news.why, (int)('a' + i % 26), NODE_WHY_MAX - i % 100);
        news.why[NODE_WHY_MAX - i % 100] = '\0';
        node_page_write(slot, &news);
    }
    news.state = NODE_SERVING;
    node_page_write(slot, &news);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    check_number("the reader", status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without), cmocka_unit_test(test_news), cmocka_unit_test(test_slots),
        cmocka_unit_test(test_child),   cmocka_unit_test(test_race),
    };

    return cmocka_run_group_tests_name("node_page", tests, NULL, NULL);
}
