// SPDX-License-Identifier: MIT
// Streams in memory of their own, which tools watch over.
#pragma once

#include <stdlib.h>

#include "transport/websocket/ws_stream_private.h"

static inline struct ws_stream *ws_stream_new(const struct stage_end *below,
                                              const struct ws_options *options, const void *early,
                                              size_t n_early)
{
    struct ws_stream *stream = malloc(sizeof(*stream));

    if (!stream)
        abort();
    ws_stream_start(stream, *below, options, early, n_early);
    return stream;
}

static inline void ws_stream_free(struct ws_stream *stream)
{
    free(stream);
}
