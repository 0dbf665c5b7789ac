// SPDX-License-Identifier: MIT
#include "session/session_refused.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "session/linger.h"
#include "session/session_log_private.h"
#include "session/session_private.h"

// The source as the log may show it.
static const char *show_source(const struct access_verdict *verdict, enum log_addresses addresses,
                               char *text, size_t size)
{
    if (addresses == LOG_ADDRESSES_FULL)
        return source_format(&verdict->source, text, size);
    return "its source";
}

// "192.0.2.7 has 10 of 10 connections"
static const char *describe_source(const struct service *service,
                                   const struct access_verdict *verdict,
                                   enum log_addresses addresses, char *text, size_t size)
{
    char shown[SOURCE_TEXT_MAX], rate[RATE_TEXT_MAX];
    const char *source = show_source(verdict, addresses, shown, sizeof(shown));

    if (verdict->refusal == REFUSAL_CONNECTIONS)
        (void)snprintf(text, size, "%s has %u of %u connections", source, verdict->limit,
                       verdict->limit);
    else if (verdict->refusal == REFUSAL_RATE)
        (void)snprintf(text, size, "%s comes more often than %s", source,
                       rate_format(&service->sources.rate, rate, sizeof(rate)));
    else if (verdict->refusal == REFUSAL_PENALTY)
        (void)snprintf(text, size, "%s has a penalty", source);
    else
        (void)snprintf(text, size, "there is no room in source_table");
    return text;
}

// "deny 192.0.2.0/24 at /etc/tcpd/tcpd.conf:12", "not in allow"
static const char *describe(const struct service *service, const struct access_verdict *verdict,
                            enum log_addresses addresses, char *text, size_t size)
{
    const struct access *access = &service->access;
    char rule[ACCESS_RULE_MAX], where[160];
    struct place place;

    if (verdict->refusal != REFUSAL_RULE && verdict->refusal != REFUSAL_SENDER)
        return describe_source(service, verdict, addresses, text, size);
    (void)access_rule_text(access, verdict, rule, sizeof(rule));
    place = verdict->rule ? rule_place(verdict->list, verdict->rule) : (struct place){0};
    (void)snprintf(text, size, "%s%s%s", rule, place.line > 0 ? " at " : "",
                   place.line > 0 ? problems_place(place.file, place.line, where, sizeof(where))
                                  : "");
    return text;
}

static size_t add_verdict(struct log_field *fields, size_t n, const struct access_verdict *verdict,
                          enum log_addresses addresses)
{
    char text[SOURCE_TEXT_MAX], where[sizeof(fields[0].value)];
    struct place place;

    log_field_set(&fields[n++], "TCPD_REFUSED", refusal_names[verdict->refusal]);
    if (verdict->refusal != REFUSAL_RULE && verdict->refusal != REFUSAL_SENDER &&
        addresses == LOG_ADDRESSES_FULL)
        log_field_set(&fields[n++], "TCPD_SOURCE",
                      source_format(&verdict->source, text, sizeof(text)));
    if (!verdict->rule)
        return n;
    log_field_set(&fields[n++], "TCPD_PREFIX",
                  prefix_format(&verdict->rule->prefix, text, sizeof(text)));
    place = rule_place(verdict->list, verdict->rule);
    if (place.line > 0)
        log_field_set(&fields[n++], "TCPD_RULE",
                      problems_place(place.file, place.line, where, sizeof(where)));
    return n;
}

static bool may_say(const struct tcpd_session *session, const struct config *config,
                    struct pool_hint *hint, enum refusal refusal)
{
    bool all = config->log_refusals == LOG_REFUSALS_ALL;

    return config->log_refusals != LOG_REFUSALS_NONE &&
           refusals_take(&hint->refusals, refusal, &session->peer.any, all) &&
           (!all || session_log_may(config, &hint->quota, 1, false, base_now_usec()));
}

void session_log_no_header(const struct tcpd_session *session, const struct config *config,
                           struct pool_hint *hint, const char *wrong)
{
    struct log_field fields[LOG_FIELDS_MAX];
    char sender[ADDRESS_TEXT_MAX];
    size_t n = 0;

    if (!may_say(session, config, hint, REFUSAL_HEADER))
        return;
    if (log_has_fields()) {
        n = session_log_ends(fields, session, config->log_addresses);
        log_field_set(&fields[n++], "TCPD_REFUSED", refusal_names[REFUSAL_HEADER]);
        log_field_set(&fields[n++], "TCPD_REASON", wrong);
    }
    session_log_write(&hint->quota,
                      log_keep(LOG_NOTICE, EVENT_SESSION_REFUSED, fields, n,
                               "%s: connection from %s refused: %s", session->service->name,
                               session_log_peer(&session->peer.any, session->peer_length,
                                                config->log_addresses, sender, sizeof(sender)),
                               wrong));
}

void session_log_refused(const struct tcpd_session *session, const struct config *config,
                         struct pool_hint *hint, const struct access_verdict *verdict)
{
    bool is_served = verdict->is_rehearsal;
    enum refusal counted = is_served && verdict->refusal != REFUSAL_UNCOUNTED ? REFUSAL_DRY_RUN
                                                                              : verdict->refusal;
    struct log_field fields[LOG_FIELDS_MAX];
    char whom[SESSION_WHOM_MAX], reason[256];
    size_t n = 0;

    if (!may_say(session, config, hint, counted))
        return;
    if (log_has_fields())
        n = add_verdict(fields, session_log_ends(fields, session, config->log_addresses), verdict,
                        config->log_addresses);
    session_log_write(&hint->quota,
                      log_keep(LOG_NOTICE, EVENT_SESSION_REFUSED, fields, n,
                               "%s: connection from %s %s: %s", session->service->name,
                               session_log_whom(session, config->log_addresses, whom, sizeof(whom)),
                               counted == REFUSAL_UNCOUNTED ? "is not counted"
                               : is_served ? "would be refused but for source_dry_run"
                                           : "refused",
                               describe(session->service, verdict, config->log_addresses, reason,
                                        sizeof(reason))));
}

void session_log_penalty(const struct tcpd_session *session, const struct config *config,
                         struct pool_hint *hint)
{
    struct log_field fields[LOG_FIELDS_MAX];
    char whom[SESSION_WHOM_MAX];
    size_t n = 0;

    if (!session_log_may(config, &hint->quota, 1, true, base_now_usec()))
        return;
    if (log_has_fields())
        n = session_log_ends(fields, session, config->log_addresses);
    session_log_write(
        &hint->quota,
        log_keep(LOG_NOTICE, EVENT_NONE, fields, n,
                 "%s: the source of %s has a penalty from now on, as its session ended with: %s",
                 session->service->name,
                 session_log_whom(session, config->log_addresses, whom, sizeof(whom)),
                 session_result_names[session->result]));
}

void session_log_refusals(struct refusals *refusals, const char *pool_name,
                          const struct config *config, unsigned seconds)
{
    uint32_t n[REFUSALS], n_said = refusals_renew(refusals, n), sum = 0, served = 0;
    char reasons[128] = "", period[32] = "";
    size_t used = 0;

    for (int i = REFUSAL_NONE + 1; i < REFUSALS_TRUE; i++) {
        if (n[i] > 0 && used < sizeof(reasons))
            used += (size_t)snprintf(reasons + used, sizeof(reasons) - used, "%s%s %" PRIu32,
                                     used > 0 ? ", " : "", refusal_names[i], n[i]);
        sum += n[i];
    }
    for (int i = REFUSALS_TRUE; i < REFUSALS; i++)
        served += n[i];
    if (seconds > 0)
        (void)snprintf(period, sizeof(period), " in %u s", seconds);
    if (config->log_refusals != LOG_REFUSALS_FIRST || sum + served <= n_said)
        return;
    if (n[REFUSAL_DRY_RUN] > 0)
        (void)log_notice("%s: %" PRIu32 " connection%s would have been refused%s but for "
                         "source_dry_run",
                         pool_name, n[REFUSAL_DRY_RUN], PLURAL(n[REFUSAL_DRY_RUN]), period);
    if (n[REFUSAL_UNCOUNTED] > 0)
        (void)log_warning("%s: %" PRIu32 " connection%s served uncounted%s, as source_table has no "
                          "room",
                          pool_name, n[REFUSAL_UNCOUNTED], PLURAL(n[REFUSAL_UNCOUNTED]), period);
    if (sum > 0)
        (void)log_notice("%s: %" PRIu32 " connection%s refused%s (%s)", pool_name, sum, PLURAL(sum),
                         period, reasons);
}

void session_set_reset(int fd)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void session_refuse(int fd, const char *text)
{
    ssize_t length = text ? (ssize_t)strlen(text) : 0;

    if (length > 0 && send(fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length &&
        linger_keep_briefly(fd))
        return;
    session_set_reset(fd);
    (void)close(fd);
}
