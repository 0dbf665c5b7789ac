// SPDX-License-Identifier: MIT
// ticket_page.c: the view shows what the one that made it writes; nobody else can write.

#include "transport/ticket_page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/base.h"
#include "unit.h"

#define EIGHT_HOURS (8 * 3600 * USEC_PER_SEC)

static void test_turn(void **state)
{
    const struct tls_ticket_page *view = ticket_page_open();
    uint64_t now = base_now_usec();
    struct tls_ticket_secret first, second;

    (void)state;
    assert_non_null(view);
    assert_ptr_equal(ticket_page_open(), view);
    assert_int_equal(view->n, 1);
    first = view->secrets[0];
    ticket_page_turn(now + EIGHT_HOURS / 2); // too early
    assert_memory_equal(&view->secrets[0], &first, sizeof(first));
    ticket_page_turn(now + EIGHT_HOURS + USEC_PER_SEC);
    assert_int_equal(view->n, 2);
    assert_int_equal(view->sequence % 2, 0);
    second = view->secrets[0];
    assert_memory_not_equal(&second, &first, sizeof(first));
    assert_memory_equal(&view->secrets[1], &first, sizeof(first));
    for (uint64_t i = 2; i < 5; i++)
        ticket_page_turn(now + i * (EIGHT_HOURS + USEC_PER_SEC));
    assert_int_equal(view->n, TLS_TICKET_SECRETS);
    for (size_t i = 0; i < TLS_TICKET_SECRETS; i++)
        assert_memory_not_equal(&view->secrets[i], &second, sizeof(second));
}

static void test_a_child(void **state)
{
    const struct tls_ticket_page *view = ticket_page_open();
    uint32_t sequence = view->sequence;
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        bool is_open = mprotect((void *)(uintptr_t)view, 4096, PROT_READ | PROT_WRITE) == 0;

        is_open |= errno != EACCES || view->n == 0;
        ticket_page_forget();
        is_open |= mincore((void *)(uintptr_t)view, 4096, &(unsigned char){0}) == 0;
        _exit(is_open);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(view->sequence, sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_turn), cmocka_unit_test(test_a_child)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
