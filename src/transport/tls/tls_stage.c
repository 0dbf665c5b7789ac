// SPDX-License-Identifier: MIT
// The stage: one SSL after the other, on the socket of each session. What a session needs is made
// when it begins; a worker that waits for its first has written nothing of it, which would cost it
// a page.

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "transport/tls/tls_private.h"

#define FACTS     10
#define FACT_ROOM 1024

static struct tls_stage {
    const struct tls_front *front;
    struct tls_link link;
    bool is_open;      // the SSL is of this session
    bool wants_ticket; // the client gets one with the first answer
    bool was_cut;      // the client's end came without close_notify
    size_t n_facts;
    const char *facts[FACTS + 1];
    char room[FACTS][FACT_ROOM];
} current;

static void start(struct stage *stage)
{
    struct tls_stage *tls = &current;

    tls->front = (const struct tls_front *)stage; // its first member
    tls->is_open = tls->wants_ticket = tls->was_cut = false;
    tls->n_facts = 0;
    tls->facts[0] = NULL;
    tls->link.wrong[0] = '\0';
    tls->link.has_more = false;
    tls->link.read_wants = tls->link.write_wants = 0;
}

// What is too long is left out, as a part of a name is another name.
static void note(struct tls_stage *tls, const char *name, const char *value)
{
    char *room = tls->room[tls->n_facts];

    if (!value || *value == '\0' || snprintf(room, FACT_ROOM, "%s=%s", name, value) >= FACT_ROOM)
        return;
    tls->facts[tls->n_facts++] = room;
    tls->facts[tls->n_facts] = NULL;
}

// A name of a host: letters, digits, hyphens and dots.
static const char *name_of_host(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

    return text && strlen(text) < 256 && text[strspn(text, allowed)] == '\0' ? text : NULL;
}

// As printable ASCII, the rest escaped: RFC 2253.
static void note_name(struct tls_stage *tls, const char *fact, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;

    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0 &&
        BIO_write(bio, "", 1) == 1 && BIO_get_mem_data(bio, &text) > 0)
        note(tls, fact, text);
    BIO_free(bio);
}

static void note_client(struct tls_stage *tls)
{
    X509 *shown = SSL_get0_peer_certificate(tls->link.ssl);
    BIGNUM *serial = shown ? ASN1_INTEGER_to_BN(X509_get0_serialNumber(shown), NULL) : NULL;
    char *digits = serial ? BN_bn2hex(serial) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hash[8 + 2 * EVP_MAX_MD_SIZE] = "SHA256:";
    unsigned n = 0;

    note(tls, "SSL_CLIENT_VERIFY", shown ? "SUCCESS" : "NONE");
    if (shown) {
        note_name(tls, "SSL_CLIENT_S_DN", X509_get_subject_name(shown));
        note(tls, "SSL_CLIENT_M_SERIAL", digits);
        if (X509_digest(shown, EVP_sha256(), digest, &n) != 1)
            n = 0;
        for (unsigned i = 0; i < n; i++)
            (void)snprintf(hash + 7 + 2 * i, 3, "%02x", digest[i]);
        note(tls, "SSL_PEER_CERT_HASH", n > 0 ? hash : NULL);
    }
    OPENSSL_free(digits);
    BN_free(serial);
}

// The names are those of s6-tlsd(1) and of mod_ssl.
static void note_all(struct tls_stage *tls)
{
    SSL *ssl = tls->link.ssl;

    note(tls, "SSL_PROTOCOL", SSL_get_version(ssl));
    note(tls, "SSL_CIPHER", SSL_get_cipher_name(ssl));
    note(tls, "SSL_SESSION_RESUMED", SSL_session_reused(ssl) ? "Resumed" : "Initial");
    note(tls, "SSL_TLS_SNI_SERVERNAME",
         name_of_host(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
    if (tls->front->server->clients != TLS_ANY_CLIENT)
        note_client(tls);
}

static int begin(struct stage *stage, int flags)
{
    struct tls_stage *tls = &current;
    int r;

    if (!tls->is_open) {
        tls->is_open = true;
        if (!tls_link_open(&tls->link, tls->front->server->contexts[0], stage->below)) {
            errno = ENOMEM;
            return -1;
        }
        SSL_set_accept_state(tls->link.ssl);
    }
    if (tls->n_facts > 0)
        return 1;
    r = tls_link_begin(&tls->link, flags);
    if (r <= 0)
        return r;
    // Not where the client's first data has come with its last word: our answer is soon enough.
    if (stage->below.acknowledge && !SSL_has_pending(tls->link.ssl) &&
        (SSL_version(tls->link.ssl) >= TLS1_3_VERSION || SSL_session_reused(tls->link.ssl)))
        stage->below.acknowledge(stage->below.cookie);
    note_all(tls);
    tls->wants_ticket |= !SSL_session_reused(tls->link.ssl);
    tls->wants_ticket &= tls->front->server->tickets &&
                         SSL_version(tls->link.ssl) >= TLS1_3_VERSION;
    return r;
}

void tls_stage_wants_ticket(void)
{
    current.wants_ticket = true;
}

bool tls_stage_is_http(void)
{
    return current.front->is_http;
}

static ssize_t take(struct stage *stage, void *data, size_t size, int flags, bool *ret_last)
{
    struct tls_stage *tls = &current;
    ssize_t n = tls_link_take(&tls->link, data, size, flags);

    (void)stage;
    *ret_last = false;
    if (n == 0 && tls->link.is_cut && !tls->was_cut) {
        tls->was_cut = true;
        note(tls, "TLS_END", "truncated");
    }
    if (n < 0 && errno == ECONNRESET && tls->link.is_cut)
        errno = EPROTO; // tls_end = strict
    return n;
}

static ssize_t give(struct stage *stage, const void *data, size_t size, int flags, bool is_last)
{
    struct tls_stage *tls = &current;

    (void)stage;
    (void)is_last;
    // Not in the handshake: who sends much and reads nothing meanwhile would lose some of it to the
    // reset that an unread ticket may bring.
    if (tls->wants_ticket && size > 0) {
        tls->wants_ticket = false;
        (void)SSL_new_session_ticket(tls->link.ssl);
    }
    return tls_link_give(&tls->link, data, size, flags);
}

static int end(struct stage *stage, enum stage_ending ending, int flags)
{
    (void)stage;
    (void)ending;
    return current.is_open ? tls_link_end(&current.link, flags) : 0;
}

static bool has_more(const struct stage *stage)
{
    (void)stage;
    return current.link.has_more;
}

static short wants(const struct stage *stage, short events)
{
    (void)stage;
    return tls_link_wants(&current.link, events);
}

static const char *wrong(const struct stage *stage)
{
    (void)stage;
    return current.link.wrong[0] ? current.link.wrong : NULL;
}

static const char *const *facts(const struct stage *stage)
{
    (void)stage;
    return current.facts;
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

void tls_stage_make(struct tls_front *ret, const struct tls_server *server, struct stage_end below,
                    bool is_http)
{
    *ret = (struct tls_front){
        .stage = {.ops = &ops, .below = below}, .server = server, .is_http = is_http};
}
