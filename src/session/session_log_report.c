// SPDX-License-Identifier: MIT
// What the master says of sessions: how many records were lost, and the lines that a worker which
// has died had yet to write. Of these its page has numbers alone, which are checked, and put into
// words here.

#include "base/base.h"
#include "log/log.h"
#include "session/line_batch.h"
#include "session/session_log.h"
#include "session/session_record.h"

#define LEFT_MAX 1024 // of a worker that tells the truth it is less

// What is wrong, in words that a number of records stands before. False: it could not be said.
static bool say(enum log_loss cause, unsigned n, const char *pool_name, const struct config *config)
{
    switch (cause) {
    case LOG_LOSS_SOURCE:
        return log_warning("%s: %u session record%s left out: more than %u for one client in 10 s",
                           pool_name, n, PLURAL(n), LOG_QUOTA);
    case LOG_LOSS_RATE:
        return log_warning("%s: %u session record%s left out: log_sessions_rate = %u was exceeded",
                           pool_name, n, PLURAL(n), config->log_sessions_rate);
    case LOG_LOSS_READER:
        return log_warning("%s: %u session record%s lost: %s does not read fast enough", pool_name,
                           n, PLURAL(n),
                           log_has_fields() ? "the journal" : "the reader of this log");
    default:
        return log_warning("%s: %u session record%s lost with workers that died", pool_name, n,
                           PLURAL(n));
    }
}

void session_log_report(struct log_quota *quota, const char *pool_name, const struct config *config,
                        uint64_t sums[LOG_LOSSES])
{
    uint32_t n[LOG_LOSSES];

    log_quota_renew(quota, base_now_usec(), n);
    for (enum log_loss i = 0; i < LOG_LOSSES; i++)
        if (n[i] > 0 && say(i, n[i], pool_name, config))
            sums[i] += n[i];
        else
            log_quota_count(quota, i, n[i]); // said the next time
}

static unsigned write_batch(struct line_batch *batch)
{
    struct line_record record;
    unsigned n;

    line_batch_record(batch, &record);
    n = log_write_lines(batch->priority, EVENT_SESSION_LINES, record.fields, record.n_fields,
                        &record.lines);
    line_batch_clear(batch);
    return n;
}

// Writes those that the page has, of sessions after `logged`. How many got out.
static unsigned write_left(const struct session_left *left, uint64_t logged, uint64_t ended)
{
    uint64_t number = ended - logged > RECENT_MAX ? ended - RECENT_MAX : logged;
    struct line_batch batch = {.name = left->pool_name, .service = left->service->name};
    unsigned n = 0;

    while (number++ < ended) {
        char peer[ADDRESS_TEXT_MAX];
        struct recent_record record;
        struct session_line line;
        bool good;

        if (!recent_get(left->recent, number, &record))
            continue;
        session_record_line(&record, left->config->log_addresses, peer, &line);
        line.pid = (uint64_t)left->pid;
        line.number = number;
        line.is_slow = session_is_slow(left->service, record.duration_usec);
        good = record.result == SESSION_OK && !line.is_slow;
        if (!line_batch_add(&batch, &line, good ? LOG_INFO : LOG_NOTICE)) {
            n += write_batch(&batch);
            (void)line_batch_add(&batch, &line, good ? LOG_INFO : LOG_NOTICE); // which has room now
        }
    }
    return batch.n > 0 ? n + write_batch(&batch) : n;
}

bool session_log_left(const struct session_left *left, bool may_write)
{
    uint64_t ended = recent_ended(left->recent), logged = recent_logged(left->recent);
    unsigned n = ended - logged <= LEFT_MAX ? (unsigned)(ended - logged) : 0;
    unsigned n_out = n > 0 && may_write ? write_left(left, logged, ended) : 0;

    if (n > n_out)
        log_quota_count(left->quota, LOG_LOSS_WORKER, n - n_out);
    return n > 0;
}
