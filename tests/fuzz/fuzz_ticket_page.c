// SPDX-License-Identifier: MIT
// tls_tickets.c: a worker reads the page of tickets, whatever is in it. A page that is not whole
// gives no ticket and opens none; a whole one seals with its first secret and opens what was sealed
// with any of its own, and nothing else.

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "transport/tls/tls_private.h"

#include "fuzz.h"

enum { OLD = 2, RIGHT = 1, NONE = 0, FAILED = -1 };

#define BLOCK 16 // of the cipher, which gets one
#define MAC   32

typedef int callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seals);

static callback *choose_key; // that of tls_tickets.c

// In OpenSSL's place, which tells nobody what it was given.
int SSL_CTX_set_tlsext_ticket_key_evp_cb(SSL_CTX *context, callback *given)
{
    (void)context;
    choose_key = given;
    return 1;
}

static struct tls_ticket_page page;
static struct tls_server server = {.tickets = &page};
static SSL *ssl;
static EVP_CIPHER_CTX *cipher;
static EVP_MAC_CTX *mac;

// What a ticket has.
struct sealed {
    uint8_t name[16], iv[16], text[BLOCK], mac[MAC];
};

static const uint8_t secret_text[BLOCK] = "what was agreed";

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    EVP_MAC *method = EVP_MAC_fetch(NULL, "HMAC", NULL);

    (void)argc, (void)argv;
    MUST(context && method && tls_tickets_set(context, &server) && choose_key);
    ssl = SSL_new(context);
    cipher = EVP_CIPHER_CTX_new();
    mac = EVP_MAC_CTX_new(method);
    MUST(ssl && cipher && mac);
    SSL_CTX_free(context);
    EVP_MAC_free(method);
    return 0;
}

static void compute_mac(const struct sealed *sealed, uint8_t *ret)
{
    size_t n = 0;

    MUST(EVP_MAC_update(mac, sealed->text, BLOCK) == 1);
    MUST(EVP_MAC_final(mac, ret, &n, MAC) == 1 && n == MAC);
}

static int seal(struct sealed *ret)
{
    int r = choose_key(ssl, ret->name, ret->iv, cipher, mac, 1), n = 0;

    if (r <= 0)
        return r;
    MUST(EVP_CIPHER_CTX_set_padding(cipher, 0) == 1);
    MUST(EVP_EncryptUpdate(cipher, ret->text, &n, secret_text, BLOCK) == 1 && n == BLOCK);
    compute_mac(ret, ret->mac);
    return r;
}

// What the callback has said; > 0: *ret_is_right, what was in it is the text.
static int unseal(const struct sealed *sealed, bool *ret_is_right)
{
    struct sealed copy = *sealed;
    uint8_t computed[MAC], text[BLOCK];
    int r = choose_key(ssl, copy.name, copy.iv, cipher, mac, 0), n = 0;

    if (r <= 0)
        return r;
    compute_mac(sealed, computed);
    MUST(EVP_CIPHER_CTX_set_padding(cipher, 0) == 1);
    MUST(EVP_DecryptUpdate(cipher, text, &n, sealed->text, BLOCK) == 1 && n == BLOCK);
    *ret_is_right = memcmp(computed, sealed->mac, MAC) == 0 &&
                    memcmp(text, secret_text, BLOCK) == 0;
    return r;
}

// The first secret that has the name, n: none.
static uint32_t find(const uint8_t *name)
{
    uint32_t i = 0;

    while (i < page.n && memcmp(page.secrets[i].name, name, sizeof(page.secrets[i].name)) != 0)
        i++;
    return i;
}

static void check_name(const struct sealed *sealed, bool is_whole)
{
    bool is_right;
    uint32_t at = is_whole ? find(sealed->name) : 0;
    int r = unseal(sealed, &is_right);

    MUST(r == (!is_whole || at == page.n ? NONE : at == 0 ? RIGHT : OLD));
}

// What the first secret has sealed, once it has moved down, and once it is gone.
static void check_turning(const struct sealed *sealed)
{
    const struct tls_ticket_page before = page;
    bool is_right = false;

    memmove(&page.secrets[1], &page.secrets[0], sizeof(page.secrets[0]) * (TLS_TICKET_SECRETS - 1));
    page.n = TLS_TICKET_SECRETS;
    memset(&page.secrets[0], ~sealed->name[0], sizeof(page.secrets[0])); // another name
    MUST(unseal(sealed, &is_right) == OLD && is_right);
    memset(&page.secrets[0], 0, sizeof(page.secrets));
    for (size_t i = 0; i < TLS_TICKET_SECRETS; i++)
        page.secrets[i].name[0] = (uint8_t)(sealed->name[0] + 1);
    MUST(unseal(sealed, &is_right) == NONE);
    page.secrets[0] = before.secrets[0];
    page.secrets[0].secret[0] ^= 1; // the name alone opens nothing
    MUST(unseal(sealed, &is_right) == RIGHT && !is_right);
    page = before;
}

// A ticket of one service, or of who may come in before, is nothing to another.
static void check_policy(const struct sealed *sealed)
{
    bool is_right = true;

    server.policy[sealed->iv[0] % sizeof(server.policy)] ^= 1;
    MUST(unseal(sealed, &is_right) == RIGHT && !is_right);
    server.policy[sealed->iv[0] % sizeof(server.policy)] ^= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sealed sealed = {0}, given = {0};
    size_t n = size < sizeof(page) ? size : sizeof(page);
    bool is_whole, is_right = false;

    memset(&page, 0, sizeof(page));
    if (n > 0)
        memcpy(&page, data, n);
    data += n, size -= n;
    n = size < sizeof(given) ? size : sizeof(given);
    if (n > 0)
        memcpy(&given, data, n);
    is_whole = page.sequence % 2 == 0 && page.n > 0 && page.n <= TLS_TICKET_SECRETS;
    check_name(&given, is_whole);
    MUST(seal(&sealed) == (is_whole ? RIGHT : FAILED));
    if (!is_whole)
        return 0;
    MUST(memcmp(sealed.name, page.secrets[0].name, sizeof(sealed.name)) == 0);
    MUST(unseal(&sealed, &is_right) == RIGHT && is_right);
    for (uint32_t i = 0; i < page.n; i++) {
        memcpy(given.name, page.secrets[i].name, sizeof(given.name));
        check_name(&given, true);
    }
    check_policy(&sealed);
    check_turning(&sealed);
    return 0;
}
