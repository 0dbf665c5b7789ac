// SPDX-License-Identifier: MIT
// The pipe's ends do not block, each by a description of its own: workers have the writing one
// alone. The bytes may be a client's; they are split into lines and escaped, nothing else.

#include "pool/pool_text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/base.h"
#include "config/handler.h"
#include "pool/pool.h"
#include "session/session_log.h"

#define READS 16 // of 4 KiB: what a pipe holds

int pool_text_open(struct pool *pool)
{
    struct pool_text *text = &pool->text;
    int ends[2];

    if (!pool->service->handler->loads_code)
        return -1;
    if (text->write == 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        text->read = ends[0];
        text->write = ends[1];
        text->n_left = POOL_TEXT_LINES;
    }
    return text->write > 0 ? text->write : -1;
}

static void log_line(struct pool *pool, const char *line, size_t length, int priority)
{
    if (length >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
        priority = line[1] - '0'; // as systemd reads it
        line += 3;
        length -= 3;
    }
    if (length > 0)
        session_log_line(NULL, pool->service, pool->config, priority, line, length);
}

static void end_line(struct pool *pool)
{
    struct pool_text *text = &pool->text;

    if (text->n_line > 0 && text->n_left == 0)
        text->n_left_out++;
    if (text->n_line > 0 && text->n_left > 0) {
        text->n_left--;
        log_line(pool, text->line, text->n_line, LOG_INFO);
    }
    text->n_line = 0;
}

static void take(struct pool *pool, const char *bytes, size_t size)
{
    struct pool_text *text = &pool->text;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n')
            text->line[text->n_line++] = bytes[i];
        if (bytes[i] == '\n' || text->n_line == sizeof(text->line))
            end_line(pool);
    }
}

static void tell_left_out(struct pool *pool)
{
    char line[64];

    if (pool->text.n_left_out == 0)
        return;
    (void)snprintf(line, sizeof(line), "%u line%s left out", pool->text.n_left_out,
                   PLURAL(pool->text.n_left_out));
    pool->text.n_left_out = 0;
    log_line(pool, line, strlen(line), LOG_WARNING);
}

void pool_text_log(struct pool *pool, bool is_new_second)
{
    struct pool_text *text = &pool->text;
    char bytes[4096];
    ssize_t n = 1;

    if (text->read == 0)
        return;
    if (is_new_second) {
        tell_left_out(pool);
        text->n_left = POOL_TEXT_LINES;
    }
    for (int i = 0; i < READS && n > 0; i++) {
        n = read(text->read, bytes, sizeof(bytes));
        take(pool, bytes, n > 0 ? (size_t)n : 0);
    }
}

void pool_text_close(struct pool *pool)
{
    struct pool_text *text = &pool->text;

    if (text->read == 0)
        return;
    pool_text_log(pool, true);
    end_line(pool);
    (void)close(text->read);
    (void)close(text->write);
    *text = (struct pool_text){0};
}
