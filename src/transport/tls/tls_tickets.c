// SPDX-License-Identifier: MIT
// The keys of a service's tickets are made of the master's secrets and of all that a ticket vouches
// for, so that none is of use at another service, or after who may come in has changed
// (CVE-2025-23419). SSL_CTX_set_tlsext_ticket_key_evp_cb(3).

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>

#include "transport/tls/tls_private.h"

#define TICKET_LIFE_SEC (12 * 3600)
#define TRIES           3

enum { OLD = 2, RIGHT = 1, NONE = 0, FAILED = -1 }; // what OpenSSL wants to hear

// A whole one; false: the master writes again and again, or has written none.
static bool read_page(const struct tls_ticket_page *page, struct tls_ticket_page *ret)
{
    for (int i = 0; i < TRIES; i++) {
        uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_acquire);

        memcpy(ret->secrets, page->secrets, sizeof(ret->secrets));
        ret->n = page->n;
        atomic_thread_fence(memory_order_acquire);
        if (sequence % 2 == 0 &&
            sequence == atomic_load_explicit(&page->sequence, memory_order_relaxed))
            return ret->n > 0 && ret->n <= TLS_TICKET_SECRETS;
    }
    return false;
}

// The key of one purpose, 32 bytes.
static bool derive(const struct tls_server *server, const struct tls_ticket_secret *secret,
                   unsigned char purpose, unsigned char *ret)
{
    unsigned char about[sizeof(server->policy) + 1];
    unsigned n = 0;

    memcpy(about, server->policy, sizeof(server->policy));
    about[sizeof(server->policy)] = purpose;
    return HMAC(EVP_sha256(), secret->secret, sizeof(secret->secret), about, sizeof(about), ret,
                &n) &&
           n == 32;
}

static bool set_keys(const struct tls_server *server, const struct tls_ticket_secret *secret,
                     unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seals)
{
    static char digest[] = "SHA256";
    unsigned char key[32];
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    bool is_right = derive(server, secret, 'e', key) &&
                    EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key, iv, seals) == 1 &&
                    derive(server, secret, 'm', key) &&
                    EVP_MAC_init(mac, key, sizeof(key), parameters) == 1;

    OPENSSL_cleanse(key, sizeof(key));
    return is_right;
}

static int choose_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int seals)
{
    const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct tls_ticket_page page;
    uint32_t i = 0;
    int r = NONE;

    if (!read_page(server->tickets, &page))
        return seals ? FAILED : NONE;
    if (seals && RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1) {
        memcpy(name, page.secrets[0].name, sizeof(page.secrets[0].name));
        r = RIGHT;
    } else if (seals) {
        r = FAILED;
    } else {
        while (i < page.n &&
               CRYPTO_memcmp(name, page.secrets[i].name, sizeof(page.secrets[i].name)))
            i++;
        r = i == page.n ? NONE : i == 0 ? RIGHT : OLD;
    }
    if (r > 0 && !set_keys(server, &page.secrets[i], iv, cipher, mac, seals))
        r = FAILED;
    OPENSSL_cleanse(&page, sizeof(page));
    if (r == OLD)
        tls_stage_wants_ticket();
    return r;
}

static bool make_policy(struct tls_server *server, const struct tls_settings *settings)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const struct tls_file *files[] = {&settings->client_ca, &settings->client_crl};
    const uint8_t clients = (uint8_t)settings->clients;
    unsigned n = 0;
    bool is_right = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                    EVP_DigestUpdate(digest, settings->service, strlen(settings->service) + 1) ==
                        1 &&
                    EVP_DigestUpdate(digest, &clients, sizeof(clients)) == 1;

    for (size_t i = 0; i < 2 && is_right; i++)
        is_right = EVP_DigestUpdate(digest, &files[i]->n, sizeof(files[i]->n)) == 1 &&
                   (files[i]->n == 0 ||
                    EVP_DigestUpdate(digest, files[i]->bytes, files[i]->n) == 1);
    is_right = is_right && EVP_DigestFinal_ex(digest, server->policy, &n) == 1;
    EVP_MD_CTX_free(digest);
    return is_right;
}

bool tls_tickets_load(struct tls_server *server, const struct tls_settings *settings)
{
    server->tickets = settings->tickets;
    return make_policy(server, settings);
}

bool tls_tickets_set(SSL_CTX *context, const struct tls_server *server)
{
    (void)SSL_CTX_set_app_data(context, (void *)(uintptr_t)server);
    (void)SSL_CTX_set_timeout(context, TICKET_LIFE_SEC);
    if (!server->tickets)
        (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    // Of TLS 1.3 they are sent with the first answer: tls_stage.c.
    return SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_session_id_context(context, server->policy, sizeof(server->policy)) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(context, choose_key) == 1;
}
