// SPDX-License-Identifier: MIT
// hello: `Welcome!` (not to a datagram), then `Hello, X!` for each message X, until `exit` or the
// end of input. What a message is, `framing` says; bytes are bytes, none is decoded. Answers to
// messages that came together leave together, in one write.

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "base/framing.h"
#include "handlers/handlers.h"
#include "session/serving.h"

struct hello {
    enum framing framing;
    uint64_t delay_usec; // before each reply
};

static const struct setting settings[] = {
    {FIELD("framing", CHOICE, struct hello, framing), .initial = "chunk", CHOICES(framing_names)},
    {FIELD("delay", SPAN, struct hello, delay_usec), .initial = "0"},
};

static const struct form form = FORM(struct hello, settings);

static const struct hello *options;

#define BEFORE "Hello, "
#define AFTER  "!"
#define EXTRA  (FRAMING_HEAD_MAX + sizeof(BEFORE AFTER "\n"))

// Room for one message of any framing, and for the answer to it.
#define INPUT_MAX  (FRAMING_MESSAGE_MAX + FRAMING_HEAD_MAX + 2)
#define OUTPUT_MAX (FRAMING_MESSAGE_MAX + EXTRA)

struct conversation {
    struct tcpd_session *session;
    enum framing framing;
    uint8_t input[INPUT_MAX];
    uint8_t output[OUTPUT_MAX];
    size_t n_input, n_output;
};

static int flush(struct conversation *talk)
{
    size_t n = talk->n_output;

    talk->n_output = 0;
    return n > 0 ? tcpd_write(talk->session, talk->output, n) : 0;
}

static void put(struct conversation *talk, const void *data, size_t length)
{
    memcpy(talk->output + talk->n_output, data, length);
    talk->n_output += length;
}

static int say(struct conversation *talk, const char *before, const struct message *message,
               const char *after)
{
    size_t length = strlen(before) + message->length + strlen(after);
    const char *tail = framing_tail(talk->framing);
    uint8_t head[FRAMING_HEAD_MAX];

    if (talk->n_output + length + EXTRA > OUTPUT_MAX && flush(talk) < 0)
        return -1;
    put(talk, head, framing_head(talk->framing, length, head));
    put(talk, before, strlen(before));
    put(talk, message->data, message->length);
    put(talk, after, strlen(after));
    put(talk, tail, strlen(tail));
    return 0;
}

// True when the conversation is over.
static bool answer(struct conversation *talk, const struct message *message)
{
    uint64_t delay = options->delay_usec;

    if (message->length == 4 && memcmp(message->data, "exit", 4) == 0)
        return true;
    if (delay > 0 && (flush(talk) < 0 || tcpd_pause(talk->session, delay) < 0))
        return true;
    return say(talk, BEFORE, message, AFTER) < 0;
}

// Answers every message that is whole. True when the conversation is over.
static bool answer_all(struct conversation *talk, bool at_end)
{
    struct message message;
    size_t done = 0;
    bool over = false;
    int r = 0;

    while (!over && (r = framing_next(talk->framing, talk->input + done, talk->n_input - done,
                                      at_end, &message)) > 0) {
        over = answer(talk, &message);
        done += message.consumed;
    }
    if (flush(talk) < 0)
        return true;
    if (!over && r < 0)
        tcpd_refuse(talk->session);
    if (done > 0)
        memmove(talk->input, talk->input + done, talk->n_input - done);
    talk->n_input -= done;
    if (done > 0 && !over && r == 0 && talk->framing != FRAMING_CHUNK)
        tcpd_expect_message(talk->session);
    return over || r < 0 || at_end;
}

// One message, and nobody to welcome.
static void serve_datagram(struct tcpd_session *session)
{
    uint8_t *reply = tcpd_buffer();
    size_t before = strlen(BEFORE), room = TCPD_BUFFER_SIZE - before - strlen(AFTER);
    ssize_t n = tcpd_read_exactly(session, reply + before, room);

    if (n < 0 || (n == 4 && memcmp(reply + before, "exit", 4) == 0) ||
        (options->delay_usec > 0 && tcpd_pause(session, options->delay_usec) < 0))
        return;
    memcpy(reply, BEFORE, before);
    memcpy(reply + before + n, AFTER, strlen(AFTER));
    (void)tcpd_write(session, reply, before + (size_t)n + strlen(AFTER));
}

static void serve_stream(struct tcpd_session *session)
{
    // Static, so that its pages cost only the workers of hello, and only what they use.
    static struct conversation talk;
    static const struct message nothing = {.data = (const uint8_t *)""};
    ssize_t n;

    talk.session = session;
    talk.framing = options->framing;
    talk.n_input = talk.n_output = 0;
    if (say(&talk, "Welcome!", &nothing, "") < 0 || flush(&talk) < 0)
        return;
    if (talk.framing != FRAMING_CHUNK)
        tcpd_expect_message(session);
    do {
        size_t room = INPUT_MAX - talk.n_input;

        if (talk.framing == FRAMING_CHUNK && room > FRAMING_CHUNK_MAX)
            room = FRAMING_CHUNK_MAX;
        n = tcpd_read(session, talk.input + talk.n_input, room);
        if (n < 0)
            return;
        talk.n_input += (size_t)n;
    } while (!answer_all(&talk, n == 0));
}

static void serve(struct tcpd_session *session)
{
    if (tcpd_kind(session) == TCPD_DATAGRAMS)
        serve_datagram(session);
    else
        serve_stream(session);
}

// A datagram is a message as it is.
static void prepare(struct service *service, const struct section *section,
                    struct problems *problems)
{
    const struct hello *given = service->options;

    for (size_t i = 0; i < service->listen.n && given->framing != FRAMING_CHUNK; i++)
        if (service->listen.items[i].spec.type == SOCK_DGRAM)
            problems_add(problems, service->file, section_line(section, "framing"),
                         "framing = %s of service \"%s\" is for streams, and listen = \"%s\" is "
                         "for datagrams: give them a service of their own",
                         framing_names[given->framing], service->name,
                         service->listen.items[i].text);
}

static int open_worker(const struct tcpd_worker *worker)
{
    options = serving_options(worker);
    return 0;
}

const struct handler handler_hello = {.name = "hello",
                                      .face = {.abi = TCPD_HANDLER_ABI,
                                               .open = open_worker,
                                               .serve = serve,
                                               .kinds = HANDLER_ALL_KINDS},
                                      .form = &form,
                                      .prepare = prepare};
