// SPDX-License-Identifier: MIT
// Which sockets that were handed over are whose, and which of those that no entry lists are served.

#include <errno.h>

#include "handlers/handlers.h"
#include "listen/listener_handed.h"
#include "listen/listener_match.h"
#include "listen/listener_set.h"

#include "config_dir.h"

static struct listener listener_at(const char *text, enum listener_origin origin)
{
    struct listener listener = {.fd = -1, .origin = origin};
    struct address_spec spec;

    check_text(text, address_parse(text, &spec), NULL);
    check_number(text, address_resolve(&spec, AF_UNSPEC, true, &listener.bound, 1), 1);
    listener.wanted = listener.bound;
    (void)address_spell(&listener.bound, SPEAKS_PLAIN, listener.address, sizeof(listener.address));
    return listener;
}

static const struct {
    const char *socket, *entry;
    bool is_it;
} matches[] = {
    {"127.0.0.1:7", "127.0.0.1:7", true},
    {"127.0.0.1:7", "tls:127.0.0.1:7", true},
    {"127.0.0.1:7", "ws:127.0.0.1:7", true},
    {"127.0.0.1:7", "udp:127.0.0.1:7", false},
    {"udp:127.0.0.1:7", "127.0.0.1:7", false},
    {"udp:127.0.0.1:7", "udp:127.0.0.1:7", true},
    {"0.0.0.0:7", "*:7", true},
    {"[::]:7", "ws:*:7", true},
    {"udp:[::]:7", "*:7", false},
    {"[::]:7", "udp:*:7", false},
    {"udp:0.0.0.0:7", "udp:*:7", true},
    {"unix:/run/x", "ws:unix:/run/x", true},
    {"unix:/run/x", "unix-seqpacket:/run/x", false},
    {"unix-seqpacket:/run/x", "unix-seqpacket:/run/x", true},
    {"unix-dgram:/run/x", "unix-seqpacket:/run/x", false},
    {"unix-dgram:/run/x", "unix-dgram:/run/x", true},
};

static void test_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(matches); i++) {
        struct listener listener = listener_at(matches[i].socket, LISTENER_ACTIVATED);
        struct listener entry = listener_at(matches[i].entry, LISTENER_BOUND);

        check_number(matches[i].entry, match_serves(&listener, &entry.wanted), matches[i].is_it);
    }
}

static const struct {
    const char *a, *b;
    bool overlap;
} neighbours[] = {
    {"*:7", "127.0.0.1:7", true},     {"*:7", "udp:127.0.0.1:7", false},
    {"udp:*:7", "udp:[::1]:7", true}, {"ws:*:7", "[::]:7", true},
    {"tls:*:7", "udp:*:7", false},    {"unix:/x", "unix-seqpacket:/x", true},
};

static void test_overlap(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(neighbours); i++) {
        struct listener a = listener_at(neighbours[i].a, LISTENER_BOUND);
        struct listener b = listener_at(neighbours[i].b, LISTENER_BOUND);
        struct listener_set set = {0};

        listener_set_add(&set, &a, NULL);
        check_number(neighbours[i].b, match_overlaps_any(&set, &b.wanted), neighbours[i].overlap);
        listeners_forget(&set);
    }
}

// What becomes of a socket that no entry lists, for what is listed beside it.
enum fate { SERVED, WARNED, REFUSED };

static const struct {
    const char *listen; // in braces, "": none
    const char *socket;
    enum fate fate;
} unlisted[] = {
    {"", "127.0.0.1:7443", SERVED},
    {"", "unix-seqpacket:/run/s", SERVED},
    {"", "udp:127.0.0.1:7443", REFUSED},
    {"\"h:7\"", "127.0.0.1:7443", WARNED},
    {"\"h:7\", \"unix-seqpacket:/run/x\"", "127.0.0.1:7443", WARNED},
    {"\"h:7\"", "unix-seqpacket:/run/s", WARNED},
    {"\"h:7\"", "udp:127.0.0.1:7443", REFUSED},
    {"\"h:7\"", "unix-dgram:/run/s", REFUSED},
    {"\"tls:h:7\"", "127.0.0.1:7443", REFUSED},
    {"\"h:7\", \"tls:h:8\"", "127.0.0.1:7443", REFUSED},
    {"\"ws:h:7\"", "127.0.0.1:7443", REFUSED},
    {"\"wss:h:7\"", "127.0.0.1:7443", REFUSED},
    {"\"ws:unix:/run/w\"", "unix:/run/s", REFUSED},
    {"\"tls:h:7\"", "unix-seqpacket:/run/s", REFUSED},
};

static void test_unlisted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(unlisted); i++) {
        struct listener listener = listener_at(unlisted[i].socket, LISTENER_ACTIVATED);
        struct problems problems = {0}, unread = {0}, warnings = {0};
        struct listen_plan plan = {0};
        struct listeners_request request = {
            .plan = &plan, .problems = &problems, .warnings = &warnings};
        struct listener_set set = {0};
        struct config *config;
        char text[256], row[256], want[256];

        (void)snprintf(text, sizeof(text), "service \"echo\" { handler = echo %s%s%s }\n",
                       unlisted[i].listen[0] ? "listen = {" : "", unlisted[i].listen,
                       unlisted[i].listen[0] ? "}" : "");
        (void)snprintf(row, sizeof(row), "%s beside %s", unlisted[i].socket, unlisted[i].listen);
        config_dir_write("main.conf", text, strlen(text));
        config = config_read(config_dir_path("main.conf"), handlers, &unread);
        listener_set_add(&set, &listener, &config->services[0]);
        check_number(row, handed_check(&request, &set, &config->services[0]),
                     unlisted[i].fate == REFUSED ? -EDESTADDRREQ : 0);
        check_number(row, problems.n, unlisted[i].fate == REFUSED);
        check_number(row, warnings.n, unlisted[i].fate == WARNED);
        (void)snprintf(want, sizeof(want),
                       "socket %s of echo is in no listen entry, so what it speaks is unknown; it "
                       "is not served",
                       unlisted[i].socket);
        check_true(row, problems.n == 0 || strstr(problems.texts[0], want));
        set.items[0].is_listed = true;
        check_number(row, handed_check(&request, &set, &config->services[0]), 0);
        listeners_forget(&set);
        (void)config_unref(config);
        problems_done(&problems);
        problems_done(&unread);
        problems_done(&warnings);
    }
}

// Names may be mixed up: what another service has TLS on is not served in plain by this one.
static void test_listed_by_another(void **state)
{
    static const char text[] = "service \"echo\" { handler = echo listen = {\"127.0.0.1:7\"} }\n"
                               "service \"web\" { handler = echo listen = {\"%s\"} }\n";
    static const struct {
        const char *entry, *socket;
        bool is_served;
    } rows[] = {{"tls:127.0.0.1:7443", "127.0.0.1:7443", false},
                {"ws:*:7443", "0.0.0.0:7443", false},
                {"ws:unix:/run/x", "unix:/run/x", false},
                {"ws:unix:/run/x", "unix-seqpacket:/run/x", true},
                {"127.0.0.1:7443", "127.0.0.1:7443", true}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct listener listener = listener_at(rows[i].socket, LISTENER_ACTIVATED);
        struct planned planned = {.service = 1};
        struct listen_plan plan = {.items = &planned, .n = 1};
        struct problems problems = {0}, unread = {0}, warnings = {0};
        struct listeners_request request = {
            .plan = &plan, .problems = &problems, .warnings = &warnings};
        struct listener_set set = {0};
        struct config *config;
        char conf[256];

        (void)snprintf(conf, sizeof(conf), text, rows[i].entry);
        config_dir_write("main.conf", conf, strlen(conf));
        config = config_read(config_dir_path("main.conf"), handlers, &unread);
        request.config = config;
        planned.address = listener_at(rows[i].entry, LISTENER_BOUND).wanted;
        listener_set_add(&set, &listener, &config->services[0]);
        check_number(rows[i].entry, handed_check(&request, &set, &config->services[0]),
                     rows[i].is_served ? 0 : -EDESTADDRREQ);
        listeners_forget(&set);
        (void)config_unref(config);
        problems_done(&problems);
        problems_done(&unread);
        problems_done(&warnings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test_setup_teardown(test_unlisted, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_listed_by_another, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
