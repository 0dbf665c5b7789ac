// SPDX-License-Identifier: MIT
// A client's side of TLS 1.3 for the load generator, on sockets that do not block. The first
// certificate is verified, and every other must be the same one: so the server's work is measured,
// not the check of a chain. That the server has its key is verified in every full handshake. All
// servers meet the same cipher and the same group.
#pragma once

#include <err.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "load_socket.h"

#define TLS_NAME   "localhost" // that the certificate must have
#define TLS_RECORD 16384

struct tls {
    SSL *ssl;
    bool is_open;     // the handshake is done
    bool wants_out;   // it cannot go on before something was sent
    size_t n_pending; // of a record that is half on its way: it must be given again
};

static struct {
    SSL_CTX *context;
    X509 *verified;
    SSL_SESSION *session; // that is resumed
    uint64_t n_full, n_resumed;
} tls;

static inline int tls_verify(X509_STORE_CTX *store, void *data)
{
    X509 *shown = X509_STORE_CTX_get0_cert(store);

    (void)data;
    if (tls.verified && X509_cmp(tls.verified, shown) == 0)
        return 1;
    if (X509_verify_cert(store) != 1)
        errx(71, "the certificate: %s",
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
    if (tls.verified)
        errx(71, "the server has another certificate than before");
    (void)X509_up_ref(shown);
    tls.verified = shown;
    return 1;
}

static inline int tls_keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(tls.session);
    tls.session = session;
    return 1;
}

static inline SSL *tls_new(int fd)
{
    SSL *ssl = SSL_new(tls.context);

    if (!ssl || SSL_set_fd(ssl, fd) != 1 ||
        SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)TLS_NAME) != 1 ||
        SSL_set1_host(ssl, TLS_NAME) != 1 ||
        (tls.session && SSL_set_session(ssl, tls.session) != 1))
        errx(71, "OpenSSL has no memory");
    SSL_set_connect_state(ssl);
    return ssl;
}

// Without that OpenSSL takes the session for a broken one, and never resumes it again.
static inline void tls_free(SSL *ssl)
{
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
}

// One echo beforehand, that blocks: its ticket is what all others resume.
static inline void tls_get_session(void)
{
    int fd = socket(option.address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[64] = "a ticket comes with the answer\n", answer[sizeof(text)];
    SSL *ssl = tls_new(fd);
    size_t n, done = 0;

    if (connect(fd, &option.address.any, option.address_size) < 0 ||
        SSL_write_ex(ssl, text, sizeof(text), &n) != 1)
        errx(71, "no connection for a ticket");
    while (done < sizeof(text)) {
        if (SSL_read_ex(ssl, answer + done, sizeof(answer) - done, &n) != 1)
            errx(71, "no answer with a ticket");
        done += n;
    }
    if (!tls.session || memcmp(text, answer, sizeof(text)) != 0)
        errx(71, "the answer has no ticket");
    (void)SSL_shutdown(ssl);
    tls_free(ssl);
    close(fd);
}

// Exits when the file has no certificates, or, to resume, when there is no ticket.
static inline void tls_init(void)
{
    SSL_CTX *context = tls.context = SSL_CTX_new(TLS_client_method());

    if (!context || SSL_CTX_load_verify_file(context, option.ca_file) != 1 ||
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(context, (char *)(uintptr_t) "X25519") != 1)
        errx(71, "%s: no certificates of authorities", option.ca_file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, tls_verify, NULL);
    SSL_CTX_set_read_ahead(context, 1);
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) // OpenSSL calls write(2)
        err(71, "SIGPIPE");
    if (option.resume) {
        (void)SSL_CTX_set_session_cache_mode(context,
                                             SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, tls_keep_session);
        tls_get_session();
    }
    // With a cache OpenSSL would resume a session but once.
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline void tls_open(struct tls *t, int fd)
{
    *t = (struct tls){.ssl = tls_new(fd), .wants_out = true};
}

// Tells the server that this is the end, if it is one.
static inline void tls_end(struct tls *t)
{
    ERR_clear_error();
    if (t->is_open && t->n_pending == 0 && !(SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN))
        (void)SSL_shutdown(t->ssl);
}

// What a call that gave nothing means: 0 at the server's close_notify, or -1 and errno; ENODATA for
// an end without one.
static inline ssize_t tls_explain(struct tls *t, int error)
{
    int what = SSL_get_error(t->ssl, 0);

    t->wants_out = what == SSL_ERROR_WANT_WRITE;
    if (what == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE)
        errno = EAGAIN;
    else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        errno = ENODATA;
    else
        errno = what == SSL_ERROR_SYSCALL && error ? error : EPROTO;
    return -1;
}

// 1: bytes may go both ways, else as tls_explain().
static inline ssize_t tls_begin(struct tls *t)
{
    if (t->is_open)
        return 1;
    ERR_clear_error();
    errno = 0;
    if (SSL_do_handshake(t->ssl) != 1)
        return tls_explain(t, errno);
    t->is_open = true;
    if (SSL_session_reused(t->ssl)) {
        tls.n_resumed++;
        return 1;
    }
    tls.n_full++;
    errno = EKEYREJECTED;
    return option.resume ? -1 : 1;
}

// As recv(2), of as many records as have come.
static inline ssize_t tls_receive(struct tls *t, char *data, size_t size)
{
    ssize_t r = tls_begin(t);
    size_t done = 0, n;

    if (r <= 0)
        return r;
    ERR_clear_error();
    errno = 0;
    do {
        if (SSL_read_ex(t->ssl, data + done, size - done, &n) != 1)
            return done > 0 ? (ssize_t)done : tls_explain(t, errno);
        done += n;
    } while (done < size && SSL_has_pending(t->ssl));
    return (ssize_t)done;
}

// As send(2), a record at a time.
static inline ssize_t tls_send(struct tls *t, const char *data, size_t size)
{
    size_t done = 0, n;

    if (!t->is_open && !t->wants_out) {
        errno = EAGAIN; // the server has the word
        return -1;
    }
    if (tls_begin(t) <= 0)
        return -1;
    ERR_clear_error();
    while (done < size) {
        size_t left = size - done;

        if (t->n_pending == 0)
            t->n_pending = left < TLS_RECORD ? left : TLS_RECORD;
        errno = 0;
        if (SSL_write_ex(t->ssl, data + done, t->n_pending, &n) != 1)
            return done > 0 ? (ssize_t)done : tls_explain(t, errno);
        t->n_pending = 0;
        done += n;
    }
    return (ssize_t)done;
}
