// SPDX-License-Identifier: MIT
// session_proxy.c: whom a header makes the client, what is known of it, and what is said of what is
// no header.

#include <errno.h>
#include <sys/un.h>

#include "pair.h"
#include "proxy_vectors.h"
#include "session/session_proxy.h"

#define SENDER "10.0.0.5:51200"

static struct address address_of(const char *text)
{
    struct address address = {.length = sizeof(sa_family_t)};
    struct address_spec spec;

    address.any.sa_family = AF_UNIX;
    if (strcmp(text, "unix:") == 0)
        return address; // as accept(2) gives it
    check_text(text, address_parse(text, &spec), NULL);
    check_number(text, address_resolve(&spec, AF_UNSPEC, false, &address, 1), 1);
    return address;
}

// As accept(2) of a dual-stack socket has it.
static struct address mapped(const struct address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = in->sin_port};
    struct address ret = {.length = sizeof(in6)};

    memset(&in6.sin6_addr.s6_addr[10], 0xff, 2);
    memcpy(&in6.sin6_addr.s6_addr[12], &in->sin_addr, sizeof(in->sin_addr));
    memcpy(&ret.storage, &in6, sizeof(in6));
    return ret;
}

// A session whose sender has sent these bytes, and ended if told to.
static bool take(struct tcpd_session *session, const struct service *service,
                 const struct address *sender, const char *input, bool ends)
{
    struct pair pair = pair_open(PAIR_UNIX);
    uint8_t data[VECTOR_MAX];
    size_t n = vector_bytes(input, data);
    bool taken;

    *session = (struct tcpd_session){.peer_length = sender->length};
    memcpy(&session->peer.storage, &sender->storage, sizeof(sender->storage));
    if (n > 0)
        check_number(input, send(pair.client, data, n, MSG_NOSIGNAL), n);
    if (ends)
        (void)shutdown(pair.client, SHUT_WR);
    session_init(session, pair.server, service);
    taken = session_take_header(session);
    pair_close(&pair);
    return taken;
}

static const char *text_of(const struct sockaddr *address, socklen_t length, char *text)
{
    return address_format(address, length, text, ADDRESS_TEXT_MAX);
}

static const struct {
    const char *name, *sender, *input;
    const char *client, *destination; // destination NULL: the socket's own
    enum proxy_kind kind;
    bool speaks_for_itself;
} rows[] = {
    {"V1", SENDER, P4 "' crlf", "192.0.2.1:40000", "198.51.100.2:443", PROXY_V1, false},
    {"V28", SENDER, "S 2111 000c A4", "192.0.2.1:40000", "198.51.100.2:443", PROXY_V2, false},
    {"V29", SENDER, "S 2121 0024 A6", "[2001:db8::1]:40000", "[2001:db8::2]:443", PROXY_V2, false},
    {"V3 zeros", SENDER, "'PROXY TCP4 0.0.0.0 0.0.0.0 0 0' crlf", "0.0.0.0:0", "0.0.0.0:0",
     PROXY_V1, false},
    {"V4", SENDER, "'PROXY UNKNOWN' crlf", SENDER, NULL, PROXY_UNKNOWN, true},
    {"V31", SENDER, "S 2000 0000", SENDER, NULL, PROXY_LOCAL, true},
    {"V32", SENDER, "S 2011 000c 00*12", SENDER, NULL, PROXY_LOCAL, true},
    {"V9 IPv6", SENDER, "'PROXY TCP6 ::1 2001:db8::2 1 2' crlf", SENDER, NULL, PROXY_UNKNOWN, true},
    {"V9 IPv4", SENDER, "'PROXY TCP4 127.0.0.9 192.0.2.2 1 2' crlf", SENDER, NULL, PROXY_UNKNOWN,
     true},
    {"V9 mapped", SENDER, "'PROXY TCP6 ::ffff:127.0.0.1 2001:db8::2 1 2' crlf", SENDER, NULL,
     PROXY_UNKNOWN, true},
    {"loopback of loopback", "127.0.0.1:9", "'PROXY TCP4 127.0.0.9 192.0.2.2 1 2' crlf",
     "127.0.0.9:1", "192.0.2.2:2", PROXY_V1, false},
    {"loopback of IPv6's", "[::1]:9", "'PROXY TCP4 127.0.0.9 192.0.2.2 1 2' crlf", "127.0.0.9:1",
     "192.0.2.2:2", PROXY_V1, false},
    {"loopback of a unix socket", "unix:", "'PROXY TCP4 127.0.0.9 192.0.2.2 1 2' crlf",
     "127.0.0.9:1", "192.0.2.2:2", PROXY_V1, false},
    {"V27", SENDER, "'PROXY TCP4 10.0.0.5 192.0.2.2 51200 2' crlf", SENDER, NULL, PROXY_V1, true},
    {"V27 another port", SENDER, "'PROXY TCP4 10.0.0.5 192.0.2.2 51201 2' crlf", "10.0.0.5:51201",
     "192.0.2.2:2", PROXY_V1, false},
    {"V67", "unix:", P4 "' crlf", "192.0.2.1:40000", "198.51.100.2:443", PROXY_V1, false},
    {"LOCAL of a unix socket", "unix:", "S 2000 0000", "unix:", NULL, PROXY_LOCAL, true},
};

static const struct service accepting = {
    .proxy = {.timeout_usec = 20 * USEC_PER_SEC, .takes_unknown = 1}};

static void check_row(size_t i, const struct address *sender)
{
    char text[ADDRESS_TEXT_MAX], sender_text[ADDRESS_TEXT_MAX];
    struct tcpd_session session;
    struct sockaddr_storage local;
    const char *row = rows[i].name;
    const struct sockaddr *any;
    socklen_t length;

    check_true(row, take(&session, &accepting, sender, rows[i].input, false));
    any = tcpd_peer(&session, &length);
    check_text(row, text_of(any, length, text), rows[i].client);
    any = tcpd_proxy(&session, &length);
    check_true(row, any != NULL);
    check_text(row, text_of(any, length, sender_text),
               sender->any.sa_family == AF_UNIX ? "unix:" : rows[i].sender);
    check_number(row, session.proxy_kind, rows[i].kind);
    check_number(row, session.speaks_for_itself, rows[i].speaks_for_itself);
    check_number(row, session.is_unix, sender->any.sa_family == AF_UNIX);
    if (rows[i].destination) {
        check_number(row, tcpd_local(&session, &local, &length), 0);
        check_text(row, text_of((struct sockaddr *)&local, length, text), rows[i].destination);
    }
    check_number(row, session.destination.length > 0, rows[i].destination != NULL);
    check_text(row, session_header_wrong(), "");
    check_number(row, session.bytes_in, 0);
}

static void test_identity(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct address sender = address_of(rows[i].sender), other;

        check_row(i, &sender);
        if (sender.any.sa_family != AF_INET)
            continue;
        other = mapped(&sender); // V65
        check_row(i, &other);
    }
}

static void test_none(void **state)
{
    struct tcpd_session session = {.peer_length = sizeof(struct sockaddr_in)};
    struct pair pair = pair_open(PAIR_UNIX);
    socklen_t length = 99;

    (void)state;
    session_init(&session, pair.server, &accepting);
    check_true("no header", tcpd_proxy(&session, &length) == NULL);
    check_number("no header", length, 0);
    check_true("no header", session_fact(&session, 0) == NULL);
    pair_close(&pair);
}

// --- Facts ---

static const char *const *stage_facts(const struct stage *stage)
{
    static const char *const facts[] = {"SSL_PROTOCOL=TLSv1.2", "HTTP_HOST=a", NULL};

    (void)stage;
    return facts;
}

static void test_facts(void **state)
{
    static const char *const want[] = {"SSL_PROTOCOL=TLSv1.3", "SSL_CIPHER=TLS_AES_256_GCM_SHA384",
                                       "SSL_PEER_CERT_CN=example.com"};
    static const char *const want_stage[] = {"SSL_PROTOCOL=TLSv1.2", "HTTP_HOST=a",
                                             "SSL_CIPHER=TLS_AES_256_GCM_SHA384",
                                             "SSL_PEER_CERT_CN=example.com"};
    static const struct stage_ops ops = {.name = "test", .facts = stage_facts};
    struct stage stage = {.ops = &ops};
    struct address sender = address_of(SENDER);
    struct tcpd_session session;

    (void)state;
    check_true("V56", take(&session, &accepting, &sender,
                           "S 2111 0045 A4 200036 07 00000000 210007 'TLSv1.3' 22000b "
                           "'example.com' 230016 'TLS_AES_256_GCM_SHA384'",
                           false));
    for (size_t i = 0; i < ELEMENTS(want); i++)
        check_text("V56", session_fact(&session, i), want[i]);
    check_text("V56", session_fact(&session, ELEMENTS(want)), NULL);
    check_text("V56", tcpd_fact(&session, "SSL_CIPHER"), "TLS_AES_256_GCM_SHA384");
    check_text("V56", tcpd_fact(&session, "SSL"), NULL);
    session.stage = &stage; // which knows the protocol of this end better
    for (size_t i = 0; i < ELEMENTS(want_stage); i++)
        check_text("with a stage", session_fact(&session, i), want_stage[i]);
    check_text("with a stage", session_fact(&session, ELEMENTS(want_stage)), NULL);
    check_true("V28", take(&session, &accepting, &sender, "S 2111 000c A4", false));
    check_text("V28", session_fact(&session, 0), NULL); // nothing of the one before
    check_true("V45", take(&session, &accepting, &sender, "S 2111 0014 A4 020005 '12345'", false));
    check_text("V45", tcpd_fact(&session, "SSL_TLS_SNI_SERVERNAME"), "12345");
}

// --- What is no header ---

static const struct service refusing = {
    .proxy = {.timeout_usec = 60 * USEC_PER_MSEC, .versions = PROXY_V2_ALONE}};

static const struct {
    const char *name, *input;
    bool ends;
    const char *wrong;
} bads[] = {
    {"V21", "'GET / HTTP/1.1' crlf", false,
     "not a PROXY header: 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a"},
    {"V21 more", "'GET / HTTP/1.1' crlf 'Host: a'", false,
     "not a PROXY header: 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a"},
    {"V63", P4 "' crlf", false,
     "a version that is not taken: 50 52 4f 58 59 20 54 43 50 34 20 31 39 32 2e 30"},
    {"V22 in the middle", "S 2111", true, "the sender has ended within its PROXY header"},
    {"V22 at once", "", true, ""},
    {"V23 nothing", "", false,
     "no PROXY header within 60ms (an AWS NLB sends it with the client's first byte unless "
     "header_placement is on_first_ack)"},
    {"V23 a part", "S", false, "no PROXY header within 60ms, only the beginning of one"},
    {"unspecified", "S 2100 0000", false, "a PROXY header that names no client"},
};

static void test_bad(void **state)
{
    struct address sender = address_of(SENDER);

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bads); i++) {
        struct tcpd_session session;

        check_true(bads[i].name, !take(&session, &refusing, &sender, bads[i].input, bads[i].ends));
        check_text(bads[i].name, session_header_wrong(), bads[i].wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
