// SPDX-License-Identifier: MIT
// An SSL on a lower end: OpenSSL's BIO for it, and its errors as those of recv(2) and send(2). Of
// what the peer sends nothing comes into a text. SSL_get_error(3), BIO_meth_new(3).

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "transport/tls/tls_private.h"

#define IDLE_RECORDS_MAX 32

// ---- The BIO ------------------------------------------------------------------------------------

static bool is_later(int error)
{
    return error == EAGAIN || error == EINTR;
}

static int bio_read(BIO *bio, char *data, size_t size, size_t *ret_n)
{
    struct tls_link *link = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    *ret_n = 0;
    if (link->n_idle_records > IDLE_RECORDS_MAX) {
        link->error = EPROTO;
        return 0;
    }
    n = link->below.take(link->below.cookie, data, size, link->flags);
    *ret_n = n > 0 ? (size_t)n : 0;
    link->n_received += *ret_n;
    if (n > 0)
        return 1;
    link->is_eof = n == 0;
    link->error = n < 0 ? errno : 0;
    if (n < 0 && is_later(errno))
        BIO_set_retry_read(bio);
    return 0;
}

static int bio_write(BIO *bio, const char *data, size_t size, size_t *ret_n)
{
    struct tls_link *link = BIO_get_data(bio);
    ssize_t n = link->below.give(link->below.cookie, data, size, link->flags);

    BIO_clear_retry_flags(bio);
    *ret_n = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return 1;
    link->error = n < 0 ? errno : EAGAIN;
    if (is_later(link->error))
        BIO_set_retry_write(bio);
    return -1; // after 0 SSL_shutdown(3) would believe that its close_notify was sent
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_link *link = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_FLUSH)
        return 1;
    return command == BIO_CTRL_EOF && link->is_eof;
}

static const BIO_METHOD *method(void)
{
    static BIO_METHOD *made;

    if (made)
        return made;
    made = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "tcpd");
    if (!made || !BIO_meth_set_read_ex(made, bio_read) || !BIO_meth_set_write_ex(made, bio_write) ||
        !BIO_meth_set_ctrl(made, bio_control)) {
        BIO_meth_free(made);
        made = NULL;
    }
    return made;
}

// Counts records that bring nothing, as updates of keys do: OpenSSL takes any number of them.
static void watch(int is_sent, int version, int type, const void *data, size_t size, SSL *ssl,
                  void *pointer)
{
    struct tls_link *link = pointer;

    (void)version;
    (void)data;
    (void)size;
    (void)ssl;
    link->n_idle_records += !is_sent && type == SSL3_RT_HEADER && link->has_begun;
}

// ---- Its life -----------------------------------------------------------------------------------

bool tls_link_open(struct tls_link *link, SSL_CTX *context, struct stage_end below)
{
    BIO *bio;

    tls_link_close(link);
    *link = (struct tls_link){.below = below, .ssl = SSL_new(context)};
    bio = link->ssl && method() ? BIO_new(method()) : NULL;
    if (!bio) {
        link->is_broken = true;
        (void)snprintf(link->wrong, sizeof(link->wrong), "no memory for it");
        return false;
    }
    BIO_set_data(bio, link);
    BIO_set_init(bio, 1);
    SSL_set_bio(link->ssl, bio, bio);
    SSL_set_msg_callback(link->ssl, watch);
    SSL_set_msg_callback_arg(link->ssl, link);
    return true;
}

void tls_link_close(struct tls_link *link)
{
    SSL_free(link->ssl);
    link->ssl = NULL;
}

static const char ended_within[] = "the peer has ended in the middle of it";

// ---- Calls --------------------------------------------------------------------------------------

static void begin_call(struct tls_link *link, int flags)
{
    ERR_clear_error();
    link->flags = flags;
    link->error = 0;
}

// OpenSSL's reason without its name of the place: "no shared cipher". For an alert that no RFC has
// it knows no words.
static void note_reason(struct tls_link *link)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);
    int alert = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;

    if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        reason = ended_within;
    else if (ERR_GET_REASON(error) == SSL_R_CALLBACK_FAILED) // tls_server.c, choose_name()
        reason = "no certificate has the name that the client asks for";
    if (!reason && alert >= 0 && alert < 256)
        (void)snprintf(link->wrong, sizeof(link->wrong), "alert %d", alert);
    else
        (void)snprintf(link->wrong, sizeof(link->wrong), "%s",
                       reason ? reason : "an unknown error");
}

// What a call that gave nothing means: -1 and errno; of a peer that has ended 0. *wants: events.
static int explain(struct tls_link *link, int result, short *wants)
{
    int what = SSL_get_error(link->ssl, result);

    if (what == SSL_ERROR_ZERO_RETURN) {
        link->is_cut = link->is_eof; // SSL_OP_IGNORE_UNEXPECTED_EOF
        return 0;
    }
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
        *wants = what == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        errno = link->error == EINTR ? EINTR : EAGAIN;
        return -1;
    }
    if (link->error == EPROTO) {
        link->is_broken = true;
        (void)snprintf(link->wrong, sizeof(link->wrong), "too many records without data");
    }
    // What OpenSSL complains of is final, also where there was no room for the alert.
    if (link->error != 0 && what != SSL_ERROR_SSL) { // of one way: the other may still tell why
        errno = link->error;
        return -1;
    }
    link->is_broken = true;
    link->is_cut = link->is_eof;
    note_reason(link);
    errno = EPROTO;
    return -1;
}

int tls_link_begin(struct tls_link *link, int flags)
{
    int r;

    if (link->is_broken) {
        errno = link->ssl ? EKEYREJECTED : ENOMEM;
        return -1;
    }
    begin_call(link, flags);
    r = SSL_do_handshake(link->ssl);
    link->read_wants = 0;
    link->has_begun = r == 1;
    if (r == 1)
        return 1;
    r = explain(link, r, &link->read_wants);
    if (link->is_eof && link->n_received == 0) { // somebody has looked whether there is a server
        link->is_broken = true;
        return 0;
    }
    if (r == 0)
        (void)snprintf(link->wrong, sizeof(link->wrong), "%s", ended_within);
    if (r == 0 || errno == EPROTO)
        errno = EKEYREJECTED;
    return -1;
}

ssize_t tls_link_take(struct tls_link *link, void *data, size_t size, int flags)
{
    size_t n = 0;
    int r;

    if (link->is_broken) {
        errno = link->is_cut ? ECONNRESET : EPROTO;
        return -1;
    }
    begin_call(link, flags);
    link->read_wants = 0;
    r = SSL_read_ex(link->ssl, data, size, &n);
    link->has_more = r == 1 && SSL_has_pending(link->ssl);
    if (r == 1) {
        link->n_idle_records = 0;
        return (ssize_t)n;
    }
    r = explain(link, r, &link->read_wants);
    if (r < 0 && errno == EPROTO && link->is_cut)
        errno = ECONNRESET;
    return r;
}

ssize_t tls_link_give(struct tls_link *link, const void *data, size_t size, int flags)
{
    size_t n = 0;
    int r;

    if (link->is_broken) {
        errno = EPIPE;
        return -1;
    }
    if (size == 0)
        return 0;
    begin_call(link, flags);
    link->write_wants = 0;
    r = SSL_write_ex(link->ssl, data, size, &n);
    if (r == 1)
        return (ssize_t)n;
    r = explain(link, r, &link->write_wants);
    if (r == 0) // a close_notify ends the peer's way alone
        errno = EPIPE;
    return -1;
}

int tls_link_end(struct tls_link *link, int flags)
{
    int r;

    if (!link->ssl || link->is_broken || !link->has_begun || link->has_ended)
        return 0;
    begin_call(link, flags);
    r = SSL_shutdown(link->ssl); // again after EAGAIN: only then the rest of it is sent
    link->has_ended = r >= 0;
    return r >= 0 ? 0 : explain(link, r, &link->write_wants);
}

short tls_link_wants(const struct tls_link *link, short events)
{
    short wanted = events & (short)~(POLLIN | POLLOUT);

    if (events & POLLIN)
        wanted |= link->read_wants ? link->read_wants : POLLIN;
    if (events & POLLOUT)
        wanted |= link->write_wants ? link->write_wants : POLLOUT;
    return wanted;
}
