// SPDX-License-Identifier: MIT
// The stage: one SSL after the other, on the socket of each session. What a session needs is made
// when it begins; a worker that waits for its first has nothing of it.

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "transport/tls/tls_private.h"

#define FACTS     6
#define FACT_ROOM 320

struct tls_stage {
    struct stage stage; // the first, so that a pointer to it is one to all
    const struct tls_server *server;
    struct tls_link link;
    bool is_open; // the SSL is of this session
    size_t n_facts;
    const char *facts[FACTS + 1];
    char room[FACTS][FACT_ROOM];
};

static struct tls_stage *of(struct stage *stage)
{
    return (struct tls_stage *)stage;
}

static void start(struct stage *stage)
{
    struct tls_stage *tls = of(stage);

    tls->is_open = false;
    tls->n_facts = 0;
    tls->facts[0] = NULL;
    tls->link.wrong[0] = '\0';
    tls->link.has_more = false;
    tls->link.read_wants = tls->link.write_wants = 0;
}

static void note(struct tls_stage *tls, const char *name, const char *value)
{
    if (!value || *value == '\0')
        return;
    (void)snprintf(tls->room[tls->n_facts], FACT_ROOM, "%s=%s", name, value);
    tls->facts[tls->n_facts] = tls->room[tls->n_facts];
    tls->facts[++tls->n_facts] = NULL;
}

// A name of a host: letters, digits, hyphens and dots.
static const char *name_of_host(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

    return text && strlen(text) < 256 && text[strspn(text, allowed)] == '\0' ? text : NULL;
}

// The names are those of s6-tlsd(1) and of mod_ssl.
static void note_all(struct tls_stage *tls)
{
    SSL *ssl = tls->link.ssl;

    note(tls, "SSL_PROTOCOL", SSL_get_version(ssl));
    note(tls, "SSL_CIPHER", SSL_get_cipher_name(ssl));
    note(tls, "SSL_TLS_SNI_SERVERNAME",
         name_of_host(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
}

static int begin(struct stage *stage, int flags)
{
    struct tls_stage *tls = of(stage);
    int r;

    if (!tls->is_open) {
        tls->is_open = true;
        if (!tls_link_open(&tls->link, tls->server->contexts[0], stage->below)) {
            errno = ENOMEM;
            return -1;
        }
        SSL_set_accept_state(tls->link.ssl);
    }
    if (SSL_is_init_finished(tls->link.ssl))
        return 1;
    r = tls_link_begin(&tls->link, flags);
    if (r > 0)
        note_all(tls);
    return r;
}

static ssize_t take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    struct tls_stage *tls = of(stage);
    ssize_t n = tls_link_take(&tls->link, data, size, flags);

    *ret_last = false;
    if (n < 0 && errno == ECONNRESET && tls->link.is_cut)
        errno = EPROTO; // tls_end = strict
    return n;
}

static ssize_t give(struct stage *stage, const void *data, size_t size, int flags, bool is_last)
{
    (void)is_last;
    return tls_link_give(&of(stage)->link, data, size, flags);
}

static int end(struct stage *stage, enum stage_ending ending, int flags)
{
    (void)ending;
    return of(stage)->is_open ? tls_link_end(&of(stage)->link, flags) : 0;
}

static bool has_more(const struct stage *stage)
{
    return ((const struct tls_stage *)stage)->link.has_more;
}

static short wants(const struct stage *stage, short events)
{
    return tls_link_wants(&((const struct tls_stage *)stage)->link, events);
}

static const char *wrong(const struct stage *stage)
{
    const struct tls_stage *tls = (const struct tls_stage *)stage;

    return tls->link.wrong[0] ? tls->link.wrong : NULL;
}

static const char *const *facts(const struct stage *stage)
{
    return ((const struct tls_stage *)stage)->facts;
}

static const struct stage_ops ops = {
    .name = "tls",
    .open = start,
    .begin = begin,
    .take = take,
    .give = give,
    .end = end,
    .has_more = has_more,
    .wants = wants,
    .wrong = wrong,
    .facts = facts,
};

struct stage *tls_stage_make(const struct tls_server *server, struct stage_end below)
{
    static struct tls_stage tls;

    tls.stage = (struct stage){.ops = &ops, .below = below};
    tls.server = server;
    return &tls.stage;
}
