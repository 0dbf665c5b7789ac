// SPDX-License-Identifier: MIT
// notify.c: a manager that does not read, or is not there, is told what still holds as soon as it
// is: each step once, in an order that makes sense, and the newest status.

#include "log/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "unit.h"

// Calls, a letter each: R ready, L reloading, S stopping, E failure, w watchdog, 0 to 9 a status;
// A, B: that name is stored, a, b: removed. Messages that come out of it, in the same letters.
static const struct {
    const char *name, *calls, *messages, *status;
} rows[] = {
    {"nothing", "", "", NULL},
    {"a step", "R", "R", "R"},
    {"the newest status", "0123456789012345678907", "0", "7"},
    {"a step with a later status", "R0123456", "R", "6"},
    {"a reload", "LR", "LR", "R"},
    {"a reload that goes on", "RL1", "L", "1"},
    {"reloads", "RLRLRLR", "LR", "R"},
    {"started and stopped", "R1S2", "RS", "2"},
    {"reload and stop", "LRS", "LRS", "S"},
    {"a failed start", "ES", "ES", "S"},
    {"the clock's are not owed", "wwwR", "R", "R"},
    {"stored", "AB", "AB", NULL},
    {"stored and removed", "ABa", "Ba", NULL},
    {"removed and stored", "aA", "aA", NULL},
    {"removed twice", "aAaA", "aA", NULL},
    {"stored again", "Bb", "b", NULL},
    {"steps before what is stored", "ARbS", "RSAb", "S"},
};

static int manager = -1, full = -1;
static struct sockaddr_un address;
static socklen_t length;

static void open_manager(void)
{
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(manager >= 0);
    assert_int_equal(bind(manager, (const struct sockaddr *)&address, length), 0);
}

static void close_manager(void)
{
    base_close_fd(&manager);
    base_close_fd(&full);
}

static void fill(void)
{
    full = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    while (sendto(full, "x", 1, 0, (const struct sockaddr *)&address, length) == 1)
        ;
    assert_int_equal(errno, EAGAIN);
}

static void call(char letter)
{
    const char status[] = {letter, '\0'}, name[] = {(char)(letter & ~0x20), '\0'};
    int fd;

    switch (letter) {
    case 'R':
        notify_ready(status);
        break;
    case 'L':
        notify_reloading(status);
        break;
    case 'S':
        notify_stopping(status);
        break;
    case 'E':
        notify_failure(EIO, status);
        break;
    case 'w':
        assert_false(notify_watchdog());
        break;
    case 'A':
    case 'B':
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(notify_store(name, fd));
        (void)close(fd); // it is the caller's
        break;
    case 'a':
    case 'b':
        notify_unstore(name);
        break;
    default:
        notify_status(status);
    }
}

static char letter_of(const char *text)
{
    static const struct {
        const char *prefix;
        char letter;
    } known[] = {
        {"READY=1\nSTATUS=", 'R'},
        {"RELOADING=1\nMONOTONIC_USEC=", 'L'},
        {"STOPPING=1\nSTATUS=", 'S'},
        {"ERRNO=5\nSTATUS=", 'E'},
        {"STATUS=", '0'},
        {"FDSTORE=1\nFDNAME=A", 'A'},
        {"FDSTORE=1\nFDNAME=B", 'B'},
        {"FDSTOREREMOVE=1\nFDNAME=A", 'a'},
        {"FDSTOREREMOVE=1\nFDNAME=B", 'b'},
    };

    for (size_t i = 0; i < ELEMENTS(known); i++)
        if (strncmp(text, known[i].prefix, strlen(known[i].prefix)) == 0)
            return known[i].letter;
    return '?';
}

// One message; 0: there is none. Whatever stores a descriptor has one with it.
static char receive(const char *row, char *status, size_t size)
{
    char text[4096], control[256];
    struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(manager, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);
    const char *said;
    char letter;

    if (n < 0)
        return '\0';
    text[n] = '\0';
    letter = letter_of(text);
    if (header)
        (void)close(*(const int *)(const void *)CMSG_DATA(header));
    check_true(row, (header != NULL) == (letter == 'A' || letter == 'B'));
    said = strstr(text, "STATUS=");
    if (said)
        (void)snprintf(status, size, "%s", said + strlen("STATUS="));
    return letter;
}

static void check_messages(const char *row, const char *messages, const char *want_status)
{
    char got[64] = "", status[64] = "", letter;
    size_t n = 0;

    while (n < sizeof(got) - 1 && (letter = receive(row, status, sizeof(status))) != '\0')
        got[n++] = letter;
    check_text(row, got, messages);
    if (want_status)
        check_text(row, status, want_status);
}

static void drop_all(void)
{
    char byte;

    while (recv(manager, &byte, 1, 0) == 1)
        ;
}

static void test_not_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        open_manager();
        fill();
        for (const char *letter = rows[i].calls; *letter; letter++)
            call(*letter);
        notify_tick(); // nor then
        drop_all();
        notify_tick();
        check_messages(rows[i].name, rows[i].messages, rows[i].status);
        notify_tick();
        check_messages(rows[i].name, "", NULL);
        close_manager();
    }
}

static void test_not_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        for (const char *letter = rows[i].calls; *letter; letter++)
            call(*letter);
        open_manager();
        notify_tick();
        check_messages(rows[i].name, rows[i].messages, rows[i].status);
        close_manager();
    }
}

// With a manager that reads, everything is said when it happens.
static void test_read(void **state)
{
    (void)state;
    open_manager();
    for (const char *letter = "R0LRABaA1ES"; *letter; letter++) {
        const char one[] = {*letter == '1' ? '0' : *letter, '\0'};

        call(*letter);
        check_messages("read", one, NULL);
    }
    assert_true(notify_watchdog());
    close_manager();
}

// Who holds a copy of the socket that messages leave through can shut it down: another one is made.
static void test_shut_down(void **state)
{
    (void)state;
    open_manager();
    notify_status("1");
    check_messages("before", "0", "1");
    for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
        if (fd != manager)
            (void)shutdown(fd, SHUT_RDWR); // ENOTSOCK, EBADF: no matter
    for (unsigned i = 0; i < 2; i++) {
        notify_ready("2");
        check_messages("shut down", "R", "2");
    }
    close_manager();
}

// More than fit into the queue at once: they come in turn.
static void test_many(void **state)
{
    char status[64];
    unsigned n = 0;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    open_manager();
    fill();
    for (unsigned i = 0; i < 500; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "A%u", i);
        assert_true(notify_store(name, fd));
    }
    (void)close(fd);
    drop_all();
    for (unsigned tick = 0; tick < 500 && n < 500; tick++) {
        notify_tick();
        while (receive("many", status, sizeof(status)) == 'A')
            n++;
    }
    assert_int_equal(n, 500);
    close_manager();
}

static void test_nobody(void **state)
{
    (void)state;
    (void)unsetenv("NOTIFY_SOCKET");
    for (const char *letter = "R0LRaES"; *letter; letter++)
        call(*letter);
    assert_true(notify_watchdog());
    assert_false(notify_store("A", 0));
    notify_tick();
    (void)setenv("NOTIFY_SOCKET", "@", 1); // no address
    notify_ready("");
}

static int set_up(void **state)
{
    char where[sizeof(address.sun_path) + 2];

    (void)state;
    address.sun_family = AF_UNIX;
    (void)snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "tcpd-notify-%d", getpid());
    length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
    (void)snprintf(where, sizeof(where), "@%s", address.sun_path + 1);
    (void)setenv("NOTIFY_SOCKET", where, 1);
    (void)setenv("FDSTORE", "1000", 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_read), cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_read),     cmocka_unit_test(test_shut_down),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_nobody), // last: it unsets the environment
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
