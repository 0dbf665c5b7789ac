// SPDX-License-Identifier: MIT
// holder.c: sockets of this process, of a child and of nobody are found and told.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/holder.h"
#include "unit.h"

#define LIMIT (10 * USEC_PER_SEC)

static struct address make(const char *text)
{
    struct address_spec spec;
    struct address address;

    assert_null(address_parse(text, &spec));
    assert_int_equal(address_resolve(&spec, AF_UNSPEC, true, &address, 1), 1);
    return address;
}

// The address of a socket, or another host with its port.
static struct address at_port_of(int fd, const char *host)
{
    struct address address = {.length = sizeof(address.storage)};
    char text[64];

    assert_int_equal(getsockname(fd, &address.any, &address.length), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &address.type, &(socklen_t){sizeof(int)}),
                     0);
    (void)snprintf(text, sizeof(text), "%s%s:%u", address.type == SOCK_DGRAM ? "udp:" : "", host,
                   address_port(&address.any));
    return make(text);
}

static int bound(const char *text)
{
    struct address address = make(text);
    int fd = socket(address.any.sa_family, address.type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (address.any.sa_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){!address.dual_stack}, sizeof(int));
    assert_int_equal(bind(fd, &address.any, address.length), 0);
    return fd;
}

static int listening(const char *text)
{
    int fd = bound(text);

    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static enum holder_kind kind_of(int fd, const char *host)
{
    struct address address = at_port_of(fd, host);
    struct holder holder;

    holder_find(&address, LIMIT, &holder);
    assert_int_equal(holder.pid, holder.kind == HOLDER_UNSEEN ? 0 : getpid());
    assert_int_equal(holder_has_listener(getpid(), &address), holder.kind == HOLDER_LISTENER);
    return holder.kind;
}

static void test_overlaps(void **state)
{
    int v4 = listening("127.0.0.1:0"), all = listening("*:0"), udp = bound("udp:127.0.0.1:0");
    int v6 = listening("[::1]:0");

    (void)state;
    assert_int_equal(kind_of(v4, "127.0.0.1"), HOLDER_LISTENER);
    assert_int_equal(kind_of(v4, "0.0.0.0"), HOLDER_LISTENER);
    assert_int_equal(kind_of(v4, "*"), HOLDER_LISTENER);
    assert_int_equal(kind_of(v4, "127.0.0.2"), HOLDER_UNSEEN);
    assert_int_equal(kind_of(v4, "[::1]"), HOLDER_UNSEEN);
    assert_int_equal(kind_of(all, "127.0.0.1"), HOLDER_LISTENER);
    assert_int_equal(kind_of(all, "[::1]"), HOLDER_LISTENER);
    assert_int_equal(kind_of(v6, "[::1]"), HOLDER_LISTENER);
    assert_int_equal(kind_of(v6, "[::]"), HOLDER_LISTENER);
    assert_int_equal(kind_of(v6, "[::2]"), HOLDER_UNSEEN);
    assert_int_equal(kind_of(udp, "127.0.0.1"), HOLDER_LISTENER);
    for (int fd = v4; fd <= v6; fd++)
        (void)close(fd);
}

static void test_path(void **state)
{
    char text[64], words[HOLDER_TEXT_MAX], wanted[64];
    struct address address;
    struct holder holder;
    int fd;

    (void)state;
    (void)snprintf(text, sizeof(text), "unix:/tmp/tcpd-test-holder.%d", getpid());
    address = make(text);
    fd = listening(text);
    holder_find(&address, LIMIT, &holder);
    (void)unlink(text + strlen("unix:"));
    assert_int_equal(holder.kind, HOLDER_LISTENER);
    assert_int_equal(holder.pid, getpid());
    assert_string_equal(holder.name, "test_holder");
    (void)snprintf(wanted, sizeof(wanted), "test_holder, process %d, listens there", getpid());
    assert_string_equal(holder_describe(&holder, &address, words, sizeof(words)), wanted);
    (void)close(fd);
    holder_find(&address, LIMIT, &holder);
    assert_int_equal(holder.kind, HOLDER_UNSEEN);
}

// A connection's local end, though the listener has a hundred more of them.
static void test_connections(void **state)
{
    int listener = listening("127.0.0.1:0"), ends[40];
    struct address server = at_port_of(listener, "127.0.0.1"), local;
    char words[HOLDER_TEXT_MAX], peer[ADDRESS_TEXT_MAX];
    struct holder holder;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(ends); i++) {
        ends[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(ends[i], &server.any, server.length), 0);
        if (i % 8 == 7)
            for (int k = 0; k < 8; k++)
                (void)close(accept(listener, NULL, NULL));
    }
    assert_int_equal(kind_of(listener, "127.0.0.1"), HOLDER_LISTENER);
    local = at_port_of(ends[0], "127.0.0.1");
    holder_find(&local, LIMIT, &holder);
    assert_int_equal(holder.kind, HOLDER_CONNECTION);
    assert_int_equal(holder.pid, getpid());
    assert_string_equal(holder.peer,
                        address_format(&server.any, server.length, peer, sizeof(peer)));
    (void)holder_describe(&holder, &local, words, sizeof(words));
    assert_non_null(strstr(words, "nobody listens there, but test_holder"));
    assert_non_null(strstr(words, "ip_local_reserved_ports="));
    for (size_t i = 0; i < ELEMENTS(ends); i++)
        (void)close(ends[i]);
    (void)close(listener);
}

// A socket that parent and child have is the parent's, whichever has made it.
static void test_family(void **state)
{
    int fd = listening("127.0.0.1:0");
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    assert_int_equal(kind_of(fd, "127.0.0.1"), HOLDER_LISTENER);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)close(fd);
}

static const struct {
    const char *address;
    struct holder holder;
    const char *words;
} told[] = {
    {"*:7",
     {.kind = HOLDER_UNSEEN},
     "another program has it, and root sees which: ss -tanp 'sport = :7'"},
    {"*:7",
     {.kind = HOLDER_LISTENER},
     "another program listens there, and root sees which: ss -tlnp 'sport = :7'"},
    {"udp:*:7",
     {.kind = HOLDER_LISTENER},
     "another program listens there, and root sees which: ss -ulnp 'sport = :7'"},
    {"unix:/run/a",
     {.kind = HOLDER_LISTENER},
     "another program listens there, and root sees which: ss -xlp 'src = /run/a'"},
    {"*:7",
     {.kind = HOLDER_LISTENER, .pid = 5, .name = "tcpd"},
     "another tcpd, process 5, listens there"},
    {"*:7",
     {.kind = HOLDER_LISTENER, .pid = 5, .name = "tcpd-run"},
     "another tcpd-run, process 5, listens there"},
    {"*:7",
     {.kind = HOLDER_LISTENER, .pid = 1, .name = "systemd"},
     "systemd (process 1) listens there, for a socket unit that systemctl list-sockets shows"},
    {"*:7",
     {.kind = HOLDER_CLOSED, .peer = "1.2.3.4:5"},
     "nobody listens there, but a connection with 1.2.3.4:5 from there has just ended; it is free "
     "within a minute"},
};

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(told); i++) {
        struct address address = make(told[i].address);
        char words[HOLDER_TEXT_MAX];

        assert_string_equal(holder_describe(&told[i].holder, &address, words, sizeof(words)),
                            told[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlaps), cmocka_unit_test(test_path),
                                       cmocka_unit_test(test_connections),
                                       cmocka_unit_test(test_family), cmocka_unit_test(test_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
