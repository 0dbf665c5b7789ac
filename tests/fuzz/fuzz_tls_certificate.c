// SPDX-License-Identifier: MIT
// tls_pem.c, tls_identity.c, tls_clients.c: files of certificates, keys, authorities and revoked
// certificates with anything in them, as the master's rehearsal reads them. What is loaded can
// serve; what is not is complained of, in printable words; nothing of it is left: neither errors,
// which the next call of OpenSSL would be blamed for, nor keys. And a good pair is good before and
// after.

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "transport/tls/tls_private.h"

#include "tls_made.h"

#define NEXT  "\n%%%%\n" // between files of the input: chain, key, authorities, revoked
#define FILES 4

static const char *const paths[FILES] = {"chain.pem", "key.pem", "ca.pem", "crl.pem"};

// Texts to begin with, and the pair that stays good.
static char *good[FILES];
static char *kinds[5][2];

struct heard {
    size_t n_wrong, n_warnings, n_shown;
};

static void hear(const struct tls_complaint *complaint, void *data)
{
    struct heard *heard = data;

    MUST(complaint->identity == 0 && complaint->text[0] != '\0');
    for (const char *c = complaint->text; *c; c++)
        MUST(*c >= ' ' && *c <= '~');
    heard->n_wrong += !complaint->is_warning;
    heard->n_warnings += complaint->is_warning;
}

static void hear_of_it(const struct tls_shown *shown, void *data)
{
    struct heard *heard = data;

    MUST(shown->identity == 0 && shown->key[0] != '\0');
    heard->n_shown++;
}

static struct tls_server *load(const struct tls_file files[static FILES], struct heard *ret)
{
    const struct tls_pair pair = {.chain = files[0], .key = files[1]};
    const struct tls_identity identity = {.name = "www", .pairs = &pair, .n = 1};
    const struct tls_settings settings = {.service = "echo",
                                          .identities = &identity,
                                          .n = 1,
                                          .clients = files[2].bytes ? TLS_REQUIRE : TLS_ANY_CLIENT,
                                          .client_ca = files[2],
                                          .client_crl = files[3]};
    const struct tls_audience audience = {hear, hear_of_it, ret};

    *ret = (struct heard){0};
    return tls_server_load(&settings, &audience);
}

static struct tls_file file_of(size_t i, const char *text, size_t n)
{
    return (struct tls_file){.path = paths[i], .bytes = text, .n = n};
}

static void check_good(void)
{
    struct tls_file files[FILES];
    struct tls_server *server;
    struct heard heard;

    for (size_t i = 0; i < FILES; i++)
        files[i] = file_of(i, good[i], strlen(good[i]));
    server = load(files, &heard);
    MUST(server && heard.n_wrong == 0 && heard.n_warnings == 0 && heard.n_shown == 1);
    MUST(server->n == 1 && server->n_names == 2 && SSL_CTX_check_private_key(server->contexts[0]));
    tls_server_unload(server);
}

static EVP_PKEY *made_key(size_t kind)
{
    return kind == 0   ? EVP_EC_gen("P-256")
           : kind == 1 ? EVP_RSA_gen(2048)
           : kind == 2 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
           : kind == 3 ? EVP_EC_gen("secp256k1")
                       : EVP_RSA_gen(1024);
}

static char *made_revocations(const struct made *authority)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, 0), *later = X509_gmtime_adj(NULL, 86400 * 90L);
    BIO *bio = BIO_new(BIO_s_mem());

    MUST(list && now && later && bio && X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1);
    MUST(X509_CRL_set_issuer_name(list, X509_get_subject_name(authority->certificate)) == 1);
    MUST(X509_CRL_set1_lastUpdate(list, now) == 1 && X509_CRL_set1_nextUpdate(list, later) == 1);
    MUST(X509_CRL_sign(list, authority->key, EVP_sha256()) > 0);
    MUST(PEM_write_bio_X509_CRL(bio, list) == 1);
    ASN1_TIME_free(now);
    ASN1_TIME_free(later);
    X509_CRL_free(list);
    return made_text(bio);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct made authority;

    (void)argc, (void)argv;
    tls_keys_prepare(); // before OpenSSL allocates anything
    authority = made_new("authority", EVP_EC_gen("P-256"), NULL);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct made leaf = made_new("www", made_key(i), &authority);

        kinds[i][0] = made_chain_text(&leaf, &authority);
        kinds[i][1] = made_key_text(&leaf, i == 4 ? EVP_aes_128_cbc() : NULL);
        X509_free(leaf.certificate);
        EVP_PKEY_free(leaf.key);
    }
    good[0] = kinds[0][0];
    good[1] = kinds[0][1];
    good[2] = made_chain_text(&authority, NULL);
    good[3] = made_revocations(&authority);
    X509_free(authority.certificate);
    EVP_PKEY_free(authority.key);
    check_good();
    return 0;
}

// ---- Inventing ----------------------------------------------------------------------------------

static size_t put(uint8_t *data, size_t max, const char *text, size_t n)
{
    n = n < max ? n : max;
    memcpy(data, text, n);
    return n;
}

// A good input of one kind of key, with or without what clients show.
static size_t put_good(uint8_t *data, size_t max, unsigned seed)
{
    char *const *pair = kinds[seed % (sizeof(kinds) / sizeof(kinds[0]))];
    const char *texts[FILES] = {pair[0], pair[1], good[2], good[3]};
    size_t n = 0;

    for (size_t i = 0; i < (seed & 8 ? FILES : 2); i++) {
        n += i > 0 ? put(data + n, max - n, NEXT, strlen(NEXT)) : 0;
        n += put(data + n, max - n, texts[i], strlen(texts[i]));
    }
    return n;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

// What a PEM block has in place of text, is changed, in block number `which`, and put into base64
// again; a file has blocks of one kind. 0: there is no such block.
static size_t change_inside(uint8_t *data, size_t size, size_t max, unsigned which)
{
    BIO *in = BIO_new_mem_buf(data, (int)size), *out = BIO_new(BIO_s_mem());
    char *name, *header, *text, before[32] = "";
    unsigned char *bytes;
    uint8_t *room = malloc(max);
    unsigned i;
    long n;

    MUST(in && out && room);
    for (i = 0; PEM_read_bio(in, &name, &header, &bytes, &n) == 1; i++) {
        bool is_it = i == which && (size_t)n <= max;

        memcpy(room, bytes, is_it ? (size_t)n : 0);
        n = is_it ? (long)LLVMFuzzerMutate(room, (size_t)n, max) : n;
        if (i > 0 && strcmp(name, before) != 0)
            MUST(BIO_puts(out, NEXT) > 0);
        (void)PEM_write_bio(out, name, header, is_it ? room : bytes, n);
        (void)snprintf(before, sizeof(before), "%s", name);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(bytes);
    }
    ERR_clear_error();
    BIO_free(in);
    free(room);
    text = made_text(out);
    size = i > which ? put(data, max, text, strlen(text)) : 0;
    free(text);
    return size;
}

// Half the changes are of text; else the bytes within would hardly ever change.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t n;

    if (size < 64 && seed % 4 == 0)
        return put_good(data, max, seed / 4);
    n = seed & 1 ? change_inside(data, size, max, seed / 2 % 5) : 0;
    return n > 0 ? n : LLVMFuzzerMutate(data, size, max);
}

// ---- Reading ------------------------------------------------------------------------------------

// All that are in the file are used: what is damaged is not left out. But for a line of END that is
// none: OpenSSL passes over all up to the next one.
static void check_chain(SSL_CTX *context, const char *text)
{
    static const char next[] = "\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n";
    STACK_OF(X509) *above = NULL;
    int n = 0;

    for (const char *at = text; (at = strstr(at, next)); at++)
        n++;
    MUST(SSL_CTX_check_private_key(context) == 1);
    MUST(SSL_CTX_get0_chain_certs(context, &above) == 1 && sk_X509_num(above) >= n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned turn;
    struct tls_file files[FILES] = {0};
    char *texts[FILES] = {NULL};
    struct tls_server *server;
    struct heard heard;
    size_t used = CRYPTO_secure_used(), i;

    for (i = 0; i < FILES && data; i++) { // as file_read() has them: a NUL is behind
        const uint8_t *next = memmem(data, size, NEXT, strlen(NEXT));
        size_t n = next ? (size_t)(next - data) : size;

        texts[i] = calloc(1, n + 1);
        MUST(texts[i]);
        memcpy(texts[i], data, n);
        files[i] = file_of(i, texts[i], n);
        data = next ? next + strlen(NEXT) : NULL;
        size -= next ? n + strlen(NEXT) : n;
    }
    if (i < 2)
        files[1] = file_of(1, texts[0], files[0].n); // the key is beside the certificate
    server = load(files, &heard);
    MUST((server != NULL) == (heard.n_wrong == 0));
    MUST(!server || heard.n_shown == 1);
    if (server)
        check_chain(server->contexts[0], texts[0]);
    tls_server_unload(server);
    MUST(ERR_peek_error() == 0);
    MUST(CRYPTO_secure_used() == used);
    if (turn++ % 16 == 0)
        check_good();
    for (i = 0; i < FILES; i++)
        free(texts[i]);
    return 0;
}
