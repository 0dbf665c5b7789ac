// SPDX-License-Identifier: MIT
// tls_stage.c, tls_link.c: the server's side of a handshake and of a session, in any cuts. The
// input is what a network does between it and a client of OpenSSL's own: passes on, changes, leaves
// out, puts in; or it is all that the server gets. What either side reads is the beginning of what
// the other one has written, and all of it where nothing was changed. poll(2) is never needed where
// there are bytes inside, and nothing goes on for ever.

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>

#include "tls_sides.h"

#define STEPS_MAX   20000 // more than any input needs: something goes round and round
#define UPDATES_MAX 24    // in a row; of 32 the server has enough

static struct {
    struct cuts cuts;
    struct tls_front front;
    struct stage *stage; // in it
    SSL *client;
    unsigned options, n_steps, n_updates;
    bool is_bent;     // the network has changed something
    bool has_begun;   // on the server's side
    bool is_failed;   // there: nothing more comes
    bool is_ended;    // there: the client's end was read
    bool is_closing;  // the client has sent its close_notify
    size_t sent, got; // from the client to the server
    size_t gave, had; // the other way
} run;

// ---- The network --------------------------------------------------------------------------------

static ssize_t server_take(void *cookie, void *data, size_t size, int flags)
{
    (void)cookie, (void)flags;
    MUST(++run.n_steps < STEPS_MAX);
    if (to_server.n == 0 && to_server.is_over)
        return 0;
    if (to_server.n == 0 || ((run.options & IS_SLOW) && next_cut(&run.cuts, 2) == 2)) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)queue_take(&to_server, data, next_piece(&run.cuts, size));
}

static ssize_t server_give(void *cookie, const void *data, size_t size, int flags)
{
    size_t n = next_piece(&run.cuts, size);

    (void)cookie, (void)flags;
    MUST(++run.n_steps < STEPS_MAX);
    n = (run.options & IS_SLOW) && next_cut(&run.cuts, 2) == 2 ? 0 : queue_add(&to_client, data, n);
    if (n > 0)
        return (ssize_t)n;
    errno = EAGAIN;
    return -1;
}

// What the client has written comes to the queue, and what is there for it from the other one.
static void pump_client(void)
{
    uint8_t bytes[4096];
    int n;

    if (!run.client)
        return;
    while ((n = BIO_read(SSL_get_wbio(run.client), bytes, sizeof(bytes))) > 0)
        (void)queue_add(&to_server, bytes, (size_t)n);
    while (to_client.n > 0) {
        n = (int)queue_take(&to_client, bytes, sizeof(bytes));
        MUST(BIO_write(SSL_get_rbio(run.client), bytes, n) == n);
    }
}

// ---- Both sides ---------------------------------------------------------------------------------

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) * 13);
}

static void check_words(void)
{
    const char *wrong = stage_wrong(run.stage);

    for (const char *c = wrong ? wrong : ""; *c; c++)
        MUST(*c >= ' ' && *c <= '~');
    for (size_t i = 0; stage_fact(run.stage, i); i++)
        for (const char *c = stage_fact(run.stage, i); *c; c++)
            MUST(*c >= ' ' && *c <= '~');
}

// After a call that has failed, and the steps before it. Who is asked to come later must have
// reason to: the network was asked, too.
static void note_failure(int error, unsigned n_before)
{
    short wants = stage_wants(run.stage, POLLIN);

    if (error == EAGAIN) {
        MUST(run.n_steps > n_before);
        MUST(wants == POLLIN || wants == POLLOUT);
        MUST(wants == POLLOUT || to_server.n == 0 || (run.options & IS_SLOW));
        return;
    }
    MUST(error == EPROTO || error == EKEYREJECTED || error == EPIPE || error == ESHUTDOWN);
    run.is_failed = true;
    check_words();
}

static void server_begin(void)
{
    unsigned n_before = run.n_steps;
    int r;

    if (run.has_begun || run.is_failed)
        return;
    r = stage_begin(run.stage, MSG_DONTWAIT);
    run.has_begun = r == 1;
    run.is_failed = r == 0;
    if (r < 0)
        note_failure(errno, n_before);
    if (r == 1) {
        MUST(stage_fact(run.stage, 0) && stage_fact(run.stage, 1));
        check_words();
    }
    if (run.is_failed)
        MUST(run.is_bent || to_server.is_over || (run.options & IS_RAW));
}

// One read into a buffer of that size. Whether something came.
static bool server_read(size_t size)
{
    static uint8_t bytes[20000];
    unsigned n_before = run.n_steps;
    bool is_last;
    ssize_t n;

    if (!run.has_begun || run.is_failed || run.is_ended)
        return false;
    size = size < sizeof(bytes) ? size : sizeof(bytes);
    n = run.stage->ops->take(run.stage, bytes, size, MSG_DONTWAIT, &is_last);
    MUST(!is_last && n <= (ssize_t)size);
    if (n < 0)
        note_failure(errno, n_before);
    run.is_ended = n == 0;
    for (ssize_t i = 0; i < n; i++)
        MUST(bytes[i] == pattern(run.got + (size_t)i) && run.got + (size_t)i < run.sent);
    run.got += n > 0 ? (size_t)n : 0;
    // All has arrived, and more is to be read: poll(2) would wait for ever.
    if (n > 0 && !run.is_bent && to_server.n == 0 && run.got < run.sent &&
        BIO_pending(SSL_get_wbio(run.client)) == 0)
        MUST(stage_has_more(run.stage));
    return n > 0;
}

static void server_write(size_t n)
{
    uint8_t bytes[3000];
    ssize_t r;

    if (!run.has_begun || run.is_failed)
        return;
    n = n < sizeof(bytes) ? n : sizeof(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = pattern(run.gave + i);
    for (size_t done = 0; done < n;) {
        r = run.stage->ops->give(run.stage, bytes + done, n - done, MSG_DONTWAIT, true);
        if (r < 0 && errno != EAGAIN) {
            note_failure(errno, 0);
            return;
        }
        done += r > 0 ? (size_t)r : 0;
        run.gave += r > 0 ? (size_t)r : 0;
        pump_client();
    }
}

static void client_read(void)
{
    uint8_t bytes[5000];
    size_t n;

    pump_client();
    ERR_clear_error();
    while (run.client && SSL_read_ex(run.client, bytes, sizeof(bytes), &n) == 1) {
        for (size_t i = 0; i < n; i++)
            MUST(bytes[i] == pattern(run.had + i));
        run.had += n;
        ERR_clear_error();
    }
    ERR_clear_error();
    pump_client();
}

static void client_write(size_t n)
{
    uint8_t bytes[20000];
    size_t done = 0;

    if (!run.client || !SSL_is_init_finished(run.client) || run.is_closing)
        return;
    n = n < sizeof(bytes) ? n : sizeof(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = pattern(run.sent + i);
    ERR_clear_error();
    if (n > 0 && QUEUE_MAX - to_server.n > 2 * n &&
        SSL_write_ex(run.client, bytes, n, &done) == 1) {
        run.sent += done;
        run.n_updates = 0;
    }
    ERR_clear_error();
    pump_client();
}

// The handshake goes as far as it can.
static void shake(void)
{
    for (int i = 0; i < 40 && !(run.has_begun && SSL_is_init_finished(run.client)); i++) {
        if (!SSL_is_init_finished(run.client))
            (void)SSL_do_handshake(run.client);
        ERR_clear_error();
        pump_client();
        server_begin();
        pump_client();
    }
}

// ---- The input ----------------------------------------------------------------------------------

struct script {
    const uint8_t *data;
    size_t n;
};

static uint8_t next_byte(struct script *script)
{
    if (script->n == 0)
        return 0;
    script->n--;
    return *script->data++;
}

static void bend(struct script *script, uint8_t how)
{
    size_t at = next_byte(script), n = next_byte(script);

    at = to_server.n > 0 ? at * (1 + (at & 3) * 37) % to_server.n : 0;
    if (how == 0) { // changes
        if (to_server.n > 0)
            to_server.bytes[to_server.first + at] ^= (uint8_t)n;
        run.is_bent |= to_server.n > 0 && n > 0;
    } else if (how == 1) { // leaves out
        n = n < to_server.n ? n : to_server.n;
        run.is_bent |= n > 0;
        to_server.first += n;
        to_server.n -= n;
    } else { // puts in
        n = n < script->n ? n : script->n;
        run.is_bent |= queue_add(&to_server, script->data, n) > 0;
        script->data += n;
        script->n -= n;
    }
}

static void client_control(bool ends)
{
    if (!run.client || !SSL_is_init_finished(run.client) || run.is_closing)
        return;
    ERR_clear_error();
    if (ends) {
        run.is_closing = SSL_shutdown(run.client) >= 0;
    } else if (SSL_version(run.client) >= TLS1_3_VERSION && run.n_updates < UPDATES_MAX) {
        (void)SSL_key_update(run.client, SSL_KEY_UPDATE_NOT_REQUESTED);
        (void)SSL_do_handshake(run.client);
        run.n_updates++;
    }
    ERR_clear_error();
    pump_client();
}

static void play(struct script *script)
{
    uint8_t what = next_byte(script);

    switch (what % 8) {
    case 0:
        client_write((size_t)next_byte(script) * (what & 8 ? 70 : 1));
        break;
    case 1:
        client_control(what & 8 && what & 16);
        break;
    case 2:
        bend(script, what / 8 % 3);
        break;
    case 3:
        server_write((size_t)next_byte(script) * (what & 8 ? 10 : 1));
        break;
    case 4:
        (void)server_read(1 + (size_t)next_byte(script) * (what & 8 ? 70 : 1));
        break;
    case 5:
        client_read();
        break;
    default:
        while (server_read(20000))
            ;
    }
    server_begin();
}

// All that is on its way arrives, and both ends.
static void finish(void)
{
    bool is_whole = !run.is_bent && !(run.options & IS_RAW);

    client_read();
    if (is_whole) // as a program that ends: the client still writes, or has ended
        client_control(true);
    to_server.is_over = true;
    for (int i = 0; i < 4000 && !run.is_failed && !run.is_ended; i++) {
        server_begin();
        (void)server_read(20000);
        client_read();
    }
    MUST(run.is_failed || run.is_ended || !run.has_begun);
    if (is_whole) {
        MUST(run.has_begun && run.is_ended && run.got == run.sent);
        server_write(100);
        while (run.stage->ops->end(run.stage, STAGE_DONE, MSG_DONTWAIT) < 0)
            MUST(errno == EAGAIN && ++run.n_steps < STEPS_MAX);
        client_read();
        MUST(run.had == run.gave && (SSL_get_shutdown(run.client) & SSL_RECEIVED_SHUTDOWN));
    }
    MUST(run.got <= run.sent && run.had <= run.gave);
    check_words();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct stage_end below = {.take = server_take, .give = server_give};
    struct script script = {data, size};

    memset(&run, 0, sizeof(run));
    to_server.first = to_server.n = to_client.first = to_client.n = 0;
    to_server.is_over = false;
    run.cuts.state = next_byte(&script);
    run.options = next_byte(&script);
    tls_stage_make(&run.front, servers[run.options & (IS_STRICT | HAS_TICKETS | ASKS)], below,
                   true);
    run.stage = &run.front.stage;
    stage_open(run.stage);
    MUST(!stage_has_more(run.stage) && !stage_wrong(run.stage) && !stage_fact(run.stage, 0));
    if (run.options & IS_RAW) {
        (void)queue_add(&to_server, script.data, script.n);
        run.is_bent = true;
        for (size_t i = 0; i < 50; i++) {
            server_begin();
            (void)server_read(100);
        }
    } else {
        run.client = SSL_new(clients[run.options & OF_12]);
        MUST(run.client && SSL_set_tlsext_host_name(run.client, "x.one.localhost") == 1);
        SSL_set_bio(run.client, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(run.client);
        (void)SSL_do_handshake(run.client);
        pump_client();
        if (script.n > 0 && script.data[0] % 8 == 2) // the network is there from the beginning
            play(&script);
        shake();
        while (script.n > 0)
            play(&script);
        if (!run.is_bent)
            shake();
    }
    finish();
    SSL_free(run.client);
    MUST(ERR_peek_error() == 0 || run.is_failed || run.options & IS_RAW);
    ERR_clear_error();
    return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    sides_init();
    return 0;
}
