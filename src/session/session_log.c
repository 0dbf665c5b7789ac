// SPDX-License-Identifier: MIT
// Session records: two entries with address and port as the notes' server had them (W6), and fields
// for the journal. A peer's bytes are never part of a record.

#include "session/session_log.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "base/escape.h"
#include "base/timespan.h"
#include "log/log.h"
#include "session/session_batch.h"
#include "session/session_log_private.h"
#include "session/session_record.h"

// Writes what is kept if that needs no waiting.
void session_log_write(struct log_quota *quota, bool is_kept)
{
    if (!is_kept)
        log_quota_count(quota, LOG_LOSS_READER, 1);
    (void)log_write_kept(false); // else tried again later
}

// Text has readers of its own, and no bound.
bool session_log_may(const struct config *config, struct log_quota *quota, unsigned n, bool urgent,
                     uint64_t now)
{
    if (!log_has_fields() || log_quota_take_rate(quota, config->log_sessions_rate, n, urgent, now))
        return true;
    log_quota_count(quota, LOG_LOSS_RATE, 1);
    return false;
}

// A datagram's start and end are one, and of a run the end is what there is to say.
static unsigned n_records(const struct tcpd_session *session)
{
    return session_is_datagram(session) || session->is_run ? 1 : 2;
}

bool session_log_has_lines(const struct config *config)
{
    return config->log_sessions == LOG_SESSIONS_ALL &&
           config->log_sessions_form == LOG_SESSIONS_LINES;
}

// A run has a record: of a program there is more to say.
static bool has_line(const struct tcpd_session *session, const struct config *config)
{
    return session_log_has_lines(config) && !session->is_run;
}

void session_log_opened(struct tcpd_session *session, const struct config *config,
                        struct log_quota *quota)
{
    struct log_field fields[LOG_FIELDS_MAX];
    char whom[SESSION_WHOM_MAX];
    size_t n = 0;

    session->is_logged = config->log_sessions == LOG_SESSIONS_ALL && !has_line(session, config) &&
                         session_log_may(config, quota, n_records(session), false,
                                         session->started_usec);
    if (!session->is_logged || n_records(session) < 2)
        return;
    if (log_has_fields())
        n = session_log_ends(fields, session, config->log_addresses);
    session_log_write(
        quota, log_keep(LOG_INFO, EVENT_SESSION_OPENED, fields, n, "%s: connection from %s",
                        session->service->name,
                        session_log_whom(session, config->log_addresses, whom, sizeof(whom))));
}

static size_t add_tcp_info(struct log_field *fields, size_t n, int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
        log_field_set_number(&fields[n++], "TCPD_RTT_USEC", info.tcpi_rtt);
        log_field_set_number(&fields[n++], "TCPD_RETRANSMITS", info.tcpi_total_retrans);
    }
    return n;
}

// A proxy that has looked whether the service is there, and may end with a reset.
static bool is_check(const struct tcpd_session *session)
{
    return session->header && session->proxy_kind == PROXY_LOCAL &&
           session->bytes_in + session->bytes_out == 0;
}

static bool is_slow(const struct tcpd_session *session)
{
    return !session->is_run &&
           session_is_slow(session->service, session->ended_usec - session->started_usec);
}

static bool is_good(const struct tcpd_session *session)
{
    return (session->result == SESSION_OK || is_check(session)) && !is_slow(session);
}

static bool is_wanted(const struct tcpd_session *session, const struct config *config,
                      struct log_quota *quota)
{
    bool good = is_good(session);

    if (session->is_run && good && !session->program.ended)
        return false; // the worker was told to exit before it began
    if (session->is_logged)
        return true; // its room was taken at its start
    if (config->log_sessions == LOG_SESSIONS_NONE ||
        (config->log_sessions == LOG_SESSIONS_ERRORS &&
         (good || !log_quota_take(quota, &session->peer.any))))
        return false;
    if (!good)
        return session_log_may(config, quota, 1, true, base_now_usec());
    log_quota_count(quota, LOG_LOSS_RATE, 1); // as at its start
    return false;
}

// As systemd's EXIT_CODE and EXIT_STATUS.
static size_t add_program(struct log_field *fields, size_t n, const struct session_program *program)
{
    bool killed = WIFSIGNALED(program->status);
    const char *name = killed ? sigabbrev_np(WTERMSIG(program->status)) : NULL;

    log_field_set(&fields[n++], "TCPD_EXIT_CODE", killed ? "killed" : "exited");
    if (killed)
        log_field_set(&fields[n++], "TCPD_EXIT_STATUS", name ? name : "unknown");
    else
        log_field_set_number(&fields[n++], "TCPD_EXIT_STATUS",
                             (uint64_t)WEXITSTATUS(program->status));
    log_field_set_number(&fields[n++], "TCPD_CPU_USEC", program->cpu_usec);
    log_field_set_number(&fields[n++], "TCPD_MEMORY_KIB", program->memory_kib);
    return n;
}

// What is too long ends in dots, so that nobody takes it for the whole.
static void add_long(struct log_field *fields, size_t *n, const char *name, const char *value)
{
    char *text = fields[*n].value;
    size_t size = sizeof(fields[0].value);

    log_field_set(&fields[(*n)++], name, value);
    if (strlen(value) >= size)
        memcpy(text + size - sizeof("..."), "...", sizeof("..."));
}

// What was agreed on over TLS, and who the client is, where addresses are logged as they are.
static size_t add_tls(struct log_field *fields, size_t n, const struct tcpd_session *session,
                      enum log_addresses addresses)
{
    static const struct {
        const char *fact, *field;
    } rows[] = {{"SSL_PROTOCOL", "TCPD_TLS_PROTOCOL"},
                {"SSL_CIPHER", "TCPD_TLS_CIPHER"},
                {"SSL_TLS_SNI_SERVERNAME", "TCPD_TLS_SNI"},
                {"SSL_SESSION_RESUMED", "TCPD_TLS_SESSION"},
                {"TLS_END", "TCPD_TLS_END"},
                {"SSL_CLIENT_S_DN", "TCPD_TLS_CLIENT_SUBJECT"}};
    size_t n_rows = ELEMENTS(rows) - (addresses != LOG_ADDRESSES_FULL);

    const char *fact;

    // Of our own stages: what a proxy says of its TLS is not what was agreed on here.
    for (size_t k = 0; (fact = stage_fact(session->stage, k)); k++)
        for (size_t i = 0; i < n_rows; i++) {
            size_t length = strlen(rows[i].fact);

            if (strncmp(fact, rows[i].fact, length) == 0 && fact[length] == '=')
                add_long(fields, &n, rows[i].field, fact + length + 1);
        }
    return n;
}

static size_t add_figures(struct log_field *fields, size_t n, const struct tcpd_session *session,
                          enum log_addresses addresses, uint64_t duration)
{
    if (!session->is_run) {
        log_field_set_number(&fields[n++], "TCPD_BYTES_IN", session->bytes_in);
        log_field_set_number(&fields[n++], "TCPD_BYTES_OUT", session->bytes_out);
    }
    log_field_set_number(&fields[n++], "TCPD_DURATION_USEC", duration);
    log_field_set(&fields[n++], "TCPD_RESULT", session_result_names[session->result]);
    if (is_slow(session))
        log_field_set(&fields[n++], "TCPD_SLOW", "yes");
    if (session->stage && stage_wrong(session->stage))
        log_field_set(&fields[n++], "TCPD_REASON", stage_wrong(session->stage));
    n = add_tls(fields, n, session, addresses);
    if (session->program.ended)
        n = add_program(fields, n, &session->program);
    return session->is_run ? n : add_tcp_info(fields, n, session->fd);
}

// ", program exited with status 1, 0.012 s of processor time, 3456 KiB of memory"
static const char *describe_program(const struct session_program *program, char *text, size_t size)
{
    int status = program->status;
    const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
    uint64_t msec = program->cpu_usec / USEC_PER_MSEC;
    int n;

    text[0] = '\0';
    if (!program->ended)
        return text;
    if (WIFSIGNALED(status))
        n = snprintf(text, size, ", program killed by signal %d (%s)", WTERMSIG(status),
                     name ? name : "unknown");
    else
        n = snprintf(text, size, ", program exited with status %d", WEXITSTATUS(status));
    (void)snprintf(text + n, size - (size_t)n,
                   ", %" PRIu64 ".%03" PRIu64 " s of processor time, %" PRIu64 " KiB of memory",
                   msec / 1000, msec % 1000, program->memory_kib);
    return text;
}

// " (send_timeout = 30s)", " (403, the path is not ws_path)": what has ended the session, where
// that was a setting, or what a stage has to say; or that it was a slow one.
static const char *describe_reason(const struct tcpd_session *session, char *text, size_t size)
{
    const struct deadlines *deadlines = &session->service->deadlines;
    const struct {
        const char *setting;
        uint64_t usec;
    } limits[SESSION_RESULTS] = {
        [SESSION_HANDSHAKE_TIMEOUT] = {"handshake_timeout", deadlines->handshake_usec},
        [SESSION_FIRST_BYTE_TIMEOUT] = {"first_byte_timeout", deadlines->first_byte_usec},
        [SESSION_IDLE_TIMEOUT] = {"idle_timeout", deadlines->idle_usec},
        [SESSION_SEND_TIMEOUT] = {"send_timeout", deadlines->send_usec},
        [SESSION_TIMEOUT] = {"session_timeout", deadlines->session_usec},
        [SESSION_PROGRAM_TIMEOUT] = {"program_timeout", session->program.timeout_usec},
    };
    const char *setting = limits[session->result].setting;
    const char *wrong = session->stage ? stage_wrong(session->stage) : NULL;
    char span[TIMESPAN_TEXT_MAX];

    text[0] = '\0';
    if (setting && limits[session->result].usec > 0)
        (void)snprintf(text, size, " (%s = %s)", setting,
                       timespan_format(limits[session->result].usec, span, sizeof(span)));
    else if (wrong && session->result != SESSION_OK)
        (void)snprintf(text, size, " (%s)", wrong);
    else if (is_slow(session))
        (void)snprintf(text, size, " (slow_session = %s)",
                       timespan_format(session->service->slow_usec, span, sizeof(span)));
    return text;
}

// "connection from 127.0.0.1:40123 closed", "datagram from 127.0.0.1:40123", "run of its program"
static const char *describe_kind(const struct tcpd_session *session, enum log_addresses addresses,
                                 char *text, size_t size)
{
    bool is_datagram = session_is_datagram(session);
    char whom[SESSION_WHOM_MAX];

    if (session->is_run)
        return "run of its program";
    (void)snprintf(text, size, "%s from %s%s", is_datagram ? "datagram" : "connection",
                   session_log_whom(session, addresses, whom, sizeof(whom)),
                   is_datagram ? "" : " closed");
    return text;
}

// ", 5 bytes in, 7 bytes out"
static const char *describe_bytes(const struct tcpd_session *session, char *text, size_t size)
{
    if (session->is_run)
        return "";
    (void)snprintf(text, size, ", %" PRIu64 " byte%s in, %" PRIu64 " byte%s out", session->bytes_in,
                   PLURAL(session->bytes_in), session->bytes_out, PLURAL(session->bytes_out));
    return text;
}

static void log_end(const struct tcpd_session *session, const struct config *config,
                    struct log_quota *quota)
{
    int priority = session->result == SESSION_OK && !is_slow(session) ? LOG_INFO : LOG_NOTICE;
    struct log_field fields[LOG_FIELDS_MAX];
    char kind[SESSION_WHOM_MAX + 32], bytes[80], program[160], reason[160];
    uint64_t duration = session->ended_usec - session->started_usec;
    size_t n = 0;

    if (!is_wanted(session, config, quota))
        return;
    if (log_has_fields())
        n = add_figures(fields, session_log_ends(fields, session, config->log_addresses), session,
                        config->log_addresses, duration);
    session_log_write(
        quota, log_keep(priority, EVENT_SESSION_CLOSED, fields, n,
                        "%s: %s: %s%s%s, %" PRIu64 ".%03" PRIu64 " s%s", session->service->name,
                        describe_kind(session, config->log_addresses, kind, sizeof(kind)),
                        session_result_names[session->result],
                        describe_reason(session, reason, sizeof(reason)),
                        describe_bytes(session, bytes, sizeof(bytes)), duration / USEC_PER_SEC,
                        duration % USEC_PER_SEC / USEC_PER_MSEC,
                        describe_program(&session->program, program, sizeof(program))));
}

static void add_line(const struct tcpd_session *session, const struct config *config,
                     const struct recent_record *record)
{
    const struct address *sender = &session->sender;
    char peer[ADDRESS_TEXT_MAX], through[ADDRESS_TEXT_MAX];
    struct session_line line;

    session_record_line(record, config->log_addresses, peer, &line);
    line.number = session->number;
    line.is_slow = is_slow(session);
    if (session->header && !session->speaks_for_itself &&
        config->log_addresses != LOG_ADDRESSES_NONE)
        line.through = sender->any.sa_family == AF_UNIX
                           ? "unix:"
                           : session_log_peer(&sender->any, sender->length, config->log_addresses,
                                              through, sizeof(through));
    session_batch_add(&line, is_good(session) ? LOG_INFO : LOG_NOTICE);
}

void session_log_closed(const struct tcpd_session *session, const struct config *config,
                        struct log_quota *quota)
{
    bool has_one = has_line(session, config);
    struct recent_record record = {0};

    if (!session->is_run) {
        session_record_make(session, &record);
        if (!has_one)
            recent_set_logged(session->recent, session->number);
        recent_put(session->recent, session->number, &record);
    }
    if (has_one)
        add_line(session, config, &record);
    else
        log_end(session, config, quota);
}

void session_log_line(const struct tcpd_session *session, const struct service *service,
                      const struct config *config, int priority, const char *line, size_t length)
{
    struct log_field fields[LOG_FIELDS_MAX];
    char identifier[80], peer[ADDRESS_TEXT_MAX], text[1000];
    size_t n = 0, used = 0;

    if (log_has_fields() && session)
        n = session_log_ends(fields, session, config->log_addresses);
    else if (log_has_fields())
        log_field_set(&fields[n++], "TCPD_SERVICE", service->name);
    if (session && !session->is_run &&
        config->log_addresses != LOG_ADDRESSES_NONE) // which few readers show of fields
        used = (size_t)snprintf(text, sizeof(text), "%s: ",
                                session_log_peer(&session->peer.any, session->peer_length,
                                                 config->log_addresses, peer, sizeof(peer)));
    (void)escape_line(line, length, text + used, sizeof(text) - used);
    (void)snprintf(identifier, sizeof(identifier), "tcpd/%s", service->name);
    log_foreign(identifier, priority, fields, n, text);
}

void session_log_flush(struct log_quota *quota, int listener)
{
    struct pollfd next = {.fd = listener, .events = POLLIN};
    bool ends = listener < 0;

    session_batch_close(ends);
    if (log_write_kept(false) < 0 && (ends || !session_batch_waits()) &&
        (poll(&next, 1, 0) <= 0 || (next.revents & POLLIN) == 0) && // his session tries again
        log_write_kept(true) < 0)
        log_quota_count(quota, LOG_LOSS_READER, log_drop_kept());
    session_batch_note();
}
