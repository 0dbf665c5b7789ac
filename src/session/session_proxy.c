// SPDX-License-Identifier: MIT
// Whom a header makes the session's client. It is believed, as its sender has been found in
// proxy_trusted before; but it makes nobody of this machine out of a client of another one.

#include "session/session_proxy.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"
#include "process/process.h"
#include "session/proxy_reader.h"

#define SHOWN_MAX 16 // bytes of what is no header
#define FACTS_MAX 4
#define FACT_SIZE (255 + sizeof("SSL_TLS_SNI_SERVERNAME="))

// The worker's, of the session that it serves.
static struct proxy_reader reader;
static char wrong[256];
static char facts[FACTS_MAX][FACT_SIZE];
static size_t n_facts;

const char *session_header_wrong(void)
{
    return wrong;
}

// --- Facts ---

static void add_fact(const char *name, struct proxy_bytes value)
{
    if (value.data)
        (void)snprintf(facts[n_facts++], FACT_SIZE, "%s=%.*s", name, (int)value.length,
                       (const char *)value.data);
}

static bool is_named(const char *fact, const char *other)
{
    size_t length = strcspn(fact, "=") + 1;

    return strncmp(fact, other, length) == 0;
}

// What a stage knows by itself counts, not what the sender says of its own side.
static bool is_known_better(const struct tcpd_session *session, const char *fact)
{
    const char *other;

    for (size_t i = 0; (other = stage_fact(session->stage, i)); i++)
        if (is_named(fact, other))
            return true;
    return false;
}

const char *session_fact(const struct tcpd_session *session, size_t i)
{
    const char *fact = stage_fact(session->stage, i);
    size_t n = 0;

    if (fact || !session->header)
        return fact;
    while (stage_fact(session->stage, n))
        n++;
    for (size_t k = 0; k < n_facts; k++)
        if (!is_known_better(session, facts[k]) && n++ == i)
            return facts[k];
    return NULL;
}

const char *tcpd_fact(const struct tcpd_session *session, const char *name)
{
    size_t length = strlen(name);
    const char *fact;

    for (size_t i = 0; (fact = session_fact(session, i)); i++)
        if (strncmp(fact, name, length) == 0 && fact[length] == '=')
            return fact + length + 1;
    return NULL;
}

// --- Identity ---

static bool is_loopback(const struct address *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&address->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;

    if (address->any.sa_family == AF_INET)
        return ntohl(in->sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

// The other end of the socket, IPv4 as such.
static struct address sender_of(const struct tcpd_session *session)
{
    struct address sender = {.length = session->peer_length, .type = SOCK_STREAM};

    memcpy(&sender.storage, &session->peer.storage, sizeof(sender.storage));
    address_unmap(&sender);
    return sender;
}

static bool is_same_end(const struct address *a, const struct address *b)
{
    return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}

// What the header comes to: a sender of elsewhere cannot speak for a client of this machine, and
// one that announces its own end, as checks of version 1 do, speaks for itself.
static enum proxy_kind kind_of(const struct proxy_header *header, const struct address *sender)
{
    bool is_here = is_loopback(sender) || sender->any.sa_family == AF_UNIX;

    if (header->kind != PROXY_V1 && header->kind != PROXY_V2)
        return header->kind;
    return is_loopback(&header->client) && !is_here ? PROXY_UNKNOWN : header->kind;
}

static void accept_header(struct tcpd_session *session, const struct proxy_header *header)
{
    struct address sender = sender_of(session);

    session->header = header;
    session->ready_usec = base_now_usec();
    session->sender = sender;
    session->proxy_kind = kind_of(header, &sender);
    session->speaks_for_itself = (session->proxy_kind != PROXY_V1 &&
                                  session->proxy_kind != PROXY_V2) ||
                                 is_same_end(&header->client, &sender);
    n_facts = 0;
    add_fact("SSL_PROTOCOL", header->tls_version);
    add_fact("SSL_CIPHER", header->tls_cipher);
    add_fact("SSL_TLS_SNI_SERVERNAME", header->authority);
    add_fact("SSL_PEER_CERT_CN", header->tls_name);
    if (session->speaks_for_itself)
        return;
    memcpy(&session->peer.storage, &header->client.storage, sizeof(session->peer.storage));
    session->peer_length = header->client.length;
    session->destination = header->destination;
}

// --- Waiting ---

// When the header must be there. A sender that has not sent it is owed nothing, once tcpd stops.
static uint64_t header_due(const struct tcpd_session *session, uint64_t *stop_usec)
{
    uint64_t due = session->started_usec + session->service->proxy.timeout_usec;

    if (process_idle_usec() > 0 && *stop_usec == USEC_NEVER)
        *stop_usec = base_now_usec() + process_idle_usec();
    due = due < session->deadline_usec ? due : session->deadline_usec;
    return due < *stop_usec ? due : *stop_usec;
}

static void say_late(const struct tcpd_session *session)
{
    char span[TIMESPAN_TEXT_MAX];

    (void)snprintf(wrong, sizeof(wrong), "no PROXY header within %s%s",
                   timespan_format(session->service->proxy.timeout_usec, span, sizeof(span)),
                   reader.n_held > 0 ? ", only the beginning of one"
                                     : " (an AWS NLB sends it with the client's first byte unless "
                                       "header_placement is on_first_ack)");
}

// In numbers: a log shows no byte of who may be anybody.
static void say_bad(void)
{
    int n = snprintf(wrong, sizeof(wrong), "%s:", proxy_reason_words[reader.header.reason]);

    for (size_t i = 0; i < reader.n_seen && i < SHOWN_MAX; i++)
        n += snprintf(wrong + n, sizeof(wrong) - (size_t)n, " %02x", reader.bytes[i]);
}

static void say_failed(int error)
{
    if (reader.n_held > 0)
        (void)snprintf(wrong, sizeof(wrong), "the sender has %s within its PROXY header",
                       error == 0 ? "ended" : "reset the connection");
}

static enum proxy_read read_header(const struct tcpd_session *session)
{
    uint64_t stop_usec = USEC_NEVER;

    proxy_reader_open(&reader, (enum proxy_versions)session->service->proxy.versions);
    for (;;) {
        uint64_t due = header_due(session, &stop_usec);
        enum proxy_read read = proxy_reader_run(&reader, session->fd, due);

        if (read != PROXY_READ_WAIT || base_now_usec() >= due)
            return read;
    }
}

bool session_take_header(struct tcpd_session *session)
{
    enum proxy_read read = read_header(session);

    wrong[0] = '\0';
    switch (read) {
    case PROXY_READ_WHOLE:
        accept_header(session, &reader.header);
        if (session->proxy_kind != PROXY_UNKNOWN || session->service->proxy.takes_unknown)
            return true;
        (void)snprintf(wrong, sizeof(wrong), "a PROXY header that names no client");
        return false;
    case PROXY_READ_WAIT:
        if (process_idle_usec() == 0)
            say_late(session);
        return false;
    case PROXY_READ_BAD:
        say_bad();
        return false;
    case PROXY_READ_ENDED:
        say_failed(0);
        return false;
    case PROXY_READ_FAILED:
        say_failed(reader.error);
        return false;
    }
    return false;
}
