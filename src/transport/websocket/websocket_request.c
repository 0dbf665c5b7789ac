// SPDX-License-Identifier: MIT
// What comes before the first message: the request, and the answer to it.

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/base.h"
#include "transport/websocket/page.h"
#include "transport/websocket/websocket_private.h"

static void refuse(struct websocket *ws, int status)
{
    ws_handshake_refuse(status, &ws->answer);
    ws->out[0] = (struct http_text){ws->answer.text, ws->answer.length};
    ws->phase = PHASE_ANSWER;
}

static void upgrade(struct websocket *ws)
{
    static const enum ws_type types[] = {[WEBSOCKET_AUTO] = WS_AUTO,
                                         [WEBSOCKET_LINE] = WS_TEXT,
                                         [WEBSOCKET_TEXT] = WS_TEXT,
                                         [WEBSOCKET_BINARY] = WS_BINARY};
    const struct ws_options options = {.type = types[ws->settings->messages],
                                       .initial = ws->settings->is_binary ? WS_BINARY : WS_TEXT,
                                       .message_max = ws->settings->message_max,
                                       .ping_usec = ws->settings->ping_usec};

    ws->stream = &ws->memory;
    ws_stream_start(ws->stream, ws->settings->stage.below, &options, ws->head + ws->request.n_seen,
                    ws->n_head - ws->request.n_seen);
}

// The request is whole.
static void decide(struct websocket *ws)
{
    ws_handshake_answer(&ws->request, &ws->rules, &ws->answer);
    if (ws->answer.decision == WS_PAGE && !page_find(ws->request.path, ws->out)) {
        refuse(ws, 404);
        return;
    }
    if (ws->answer.decision == WS_UPGRADE) {
        ws_facts_fill(&ws->facts, &ws->request, ws->answer.protocol);
        upgrade(ws);
    }
    if (ws->answer.decision != WS_PAGE)
        ws->out[0] = (struct http_text){ws->answer.text, ws->answer.length};
    ws->phase = PHASE_ANSWER;
}

// 1: go on; 0: the client has left without a word; -1.
static int read_request(struct websocket *ws, int flags)
{
    const struct stage_end *below = &ws->settings->stage.below;

    while (ws->phase == PHASE_REQUEST) {
        ssize_t n = below->take(below->cookie, ws->head + ws->n_head, sizeof(ws->head) - ws->n_head,
                                flags);
        int status;

        if (n < 0)
            return -1;
        if (n == 0) {
            errno = EPROTO;
            (void)snprintf(ws->wrong, sizeof(ws->wrong), "the request is not whole");
            return ws->n_head == 0 ? 0 : -1;
        }
        ws->n_head += (size_t)n;
        status = http_request_read(&ws->request, ws->head, ws->n_head);
        if (status == HTTP_WHOLE)
            decide(ws);
        if (status > HTTP_WHOLE)
            refuse(ws, status);
    }
    return 1;
}

static int send_answer(struct websocket *ws, int flags)
{
    const struct stage_end *below = &ws->settings->stage.below;

    for (size_t i = 0; i < ELEMENTS(ws->out); i++)
        while (ws->out[i].length > 0) {
            ssize_t n = below->give(below->cookie, ws->out[i].data, ws->out[i].length, flags);

            if (n < 0)
                return -1;
            ws->out[i].data += n;
            ws->out[i].length -= (size_t)n;
        }
    return 0;
}

int websocket_begin(struct websocket *ws, int flags)
{
    int r = read_request(ws, flags);

    if (r <= 0)
        return r;
    if (ws->phase == PHASE_ANSWER && send_answer(ws, flags) < 0)
        return -1;
    if (ws->answer.decision == WS_REFUSE) {
        (void)snprintf(ws->wrong, sizeof(ws->wrong), "%d, %s", ws->answer.status, ws->answer.why);
        errno = EBADMSG;
        return -1;
    }
    if (ws->answer.decision == WS_PAGE)
        return 0;
    ws->phase = PHASE_MESSAGES;
    return 1;
}

void websocket_give_up(struct websocket *ws)
{
    refuse(ws, 408);
    (void)send_answer(ws, MSG_DONTWAIT); // which a fresh connection has room for
}
