// SPDX-License-Identifier: MIT
// Each check is a function over one dictionary of the answer. What a daemon of another version does
// not say is 0 or empty, and nothing is found.

#include "view/findings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "view/fields.h"
#include "view/figures.h"

#define UNACCEPTED_USEC (5 * USEC_PER_SEC) // a program that works is faster

struct daemon {
    const char *state, *reload_problem;
};

struct pool {
    const char *service, *listener, *type, *node, *node_text, *last_death;
    uint64_t min, spare, max, busy, queue, queue_limit, backlog, old, throttled_ms, paused_usec,
        unaccepted_usec;
    bool full, paused, resized;
};

struct lack {
    const char *service, *listener, *reason;
    bool left_out;
};

struct certificate {
    const char *certificate;
    uint64_t until; // microseconds since 1970
    bool is_near;
};

static const struct field daemon_fields[] = {TEXT(daemon, state), TEXT(daemon, reload_problem)};
static const struct field pool_fields[] = {TEXT(pool, service),
                                           TEXT(pool, listener),
                                           TEXT(pool, type),
                                           TEXT(pool, node),
                                           TEXT(pool, node_text),
                                           TEXT(pool, last_death),
                                           NUMBER(pool, min),
                                           NUMBER(pool, spare),
                                           NUMBER(pool, max),
                                           NUMBER(pool, busy),
                                           NUMBER(pool, queue),
                                           NUMBER(pool, queue_limit),
                                           NUMBER(pool, unaccepted_usec),
                                           NUMBER(pool, backlog),
                                           NUMBER(pool, old),
                                           NUMBER(pool, throttled_ms),
                                           NUMBER(pool, paused_usec),
                                           BOOLEAN(pool, full),
                                           BOOLEAN(pool, paused),
                                           BOOLEAN(pool, resized)};
static const struct field lack_fields[] = {TEXT(lack, service), TEXT(lack, listener),
                                           TEXT(lack, reason), BOOLEAN(lack, left_out)};
static const struct field certificate_fields[] = {
    TEXT(certificate, certificate), NUMBER(certificate, until), BOOLEAN(certificate, is_near)};

static const struct pool no_pool = {
    .service = "", .listener = "", .type = "", .node = "", .node_text = "", .last_death = ""};
static const struct lack no_lack = {.service = "", .listener = "", .reason = ""};
static const struct certificate no_certificate = {.certificate = ""};

// The next one. NULL without memory.
static struct finding *add(struct findings *findings, const char *code, const char *service,
                           const char *listener)
{
    struct finding *more = reallocarray(findings->items, findings->n + 1, sizeof(*more));
    struct finding *finding;

    if (!more)
        return NULL;
    findings->items = more;
    finding = &more[findings->n++];
    *finding = (struct finding){.code = code, .service = service, .listener = listener};
    return finding;
}

__attribute__((format(printf, 2, 3))) static void put(char *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, FINDING_TEXT, format, arguments);
    va_end(arguments);
}

// ---- The daemon

static int check_daemon(struct findings *findings, const struct daemon *daemon)
{
    struct finding *finding;

    if (strcmp(daemon->state, "stopping") == 0) {
        finding = add(findings, "stopping", "", "");
        if (!finding)
            return -ENOMEM;
        put(finding->text, "tcpd is stopping");
    }
    if (daemon->reload_problem[0] == '\0')
        return 0;
    finding = add(findings, "reload_refused", "", "");
    if (!finding)
        return -ENOMEM;
    put(finding->text, "the last reload was refused, and an older configuration is in force: %s",
        daemon->reload_problem);
    put(finding->advice, "tcpdctl check, then tcpdctl reload");
    return 0;
}

// ---- A pool

static bool check_full(const struct pool *pool, struct finding *ret)
{
    char who[FIGURE_MAX];

    ret->code = "at_maximum";
    put(ret->text, "all %" PRIu64 " workers are busy, and %s", pool->max,
        figure_queue(pool->queue, who, sizeof(who)));
    put(ret->advice, "tcpdctl resize %s max=%" PRIu64 ", then max_workers in tcpd.conf",
        pool->service, 2 * pool->max);
    return pool->full;
}

static bool check_queue(const struct pool *pool, struct finding *ret)
{
    bool is_stream = strcmp(pool->type, "stream") == 0;

    ret->code = "queue_full";
    put(ret->text, "%" PRIu64 " clients wait, and no more than %" PRIu64 " can", pool->queue,
        pool->queue_limit);
    put(ret->advice, "backlog in tcpd.conf, and the sysctl net.core.somaxconn");
    return is_stream && pool->queue_limit > 0 && pool->queue >= pool->queue_limit;
}

static bool check_program(const struct pool *pool, struct finding *ret)
{
    char age[FIGURE_MAX], who[FIGURE_MAX];

    ret->code = "not_accepted";
    put(ret->text,
        "%s, and the queue has not been empty for %s: the program does not accept them, or "
        "not fast enough",
        figure_queue(pool->queue, who, sizeof(who)),
        figure_age(pool->unaccepted_usec, age, sizeof(age)));
    put(ret->advice, "see what the program does; more copies: tcpdctl resize %s min=%" PRIu64,
        pool->service, pool->min + 1);
    return pool->unaccepted_usec >= UNACCEPTED_USEC && pool->queue > 0;
}

static bool check_backlog(const struct pool *pool, struct finding *ret)
{
    ret->code = "backlog_capped";
    put(ret->text, "%" PRIu64 " clients can wait at most, and not backlog = %" PRIu64,
        pool->queue_limit, pool->backlog);
    put(ret->advice, "sysctl net.core.somaxconn=%" PRIu64 ", then restart what has opened it",
        pool->backlog);
    return strcmp(pool->type, "stream") == 0 && pool->queue_limit > 0 &&
           pool->queue_limit < pool->backlog;
}

static bool check_throttle(const struct pool *pool, struct finding *ret)
{
    ret->code = "throttled";
    put(ret->text, "new workers wait for %" PRIu64 " ms, as the last ones have died early%s%s",
        pool->throttled_ms, pool->last_death[0] ? "; the last one " : "", pool->last_death);
    put(ret->advice, "journalctl -u tcpd TCPD_SERVICE=%s", pool->service);
    return pool->throttled_ms > 0;
}

static bool check_pause(const struct pool *pool, struct finding *ret)
{
    char age[FIGURE_MAX], who[FIGURE_MAX];

    ret->code = "paused";
    put(ret->text, "paused for %s; %s", figure_age(pool->paused_usec, age, sizeof(age)),
        figure_queue(pool->queue, who, sizeof(who)));
    put(ret->advice, "tcpdctl resume %s", pool->service);
    return pool->paused;
}

static bool check_size(const struct pool *pool, struct finding *ret)
{
    ret->code = "resized";
    put(ret->text,
        "resized until the next reload: min %" PRIu64 ", spare %" PRIu64 ", max %" PRIu64,
        pool->min, pool->spare, pool->max);
    put(ret->advice, "write it to tcpd.conf, or: tcpdctl resize %s reset", pool->service);
    return pool->resized;
}

static bool check_old(const struct pool *pool, struct finding *ret)
{
    ret->code = "old_workers";
    put(ret->text,
        "%" PRIu64 " worker%s of the configuration before still take%s clients, as the new ones "
        "are not ready",
        pool->old, PLURAL(pool->old), pool->old == 1 ? "s" : "");
    put(ret->advice, "journalctl -u tcpd TCPD_SERVICE=%s", pool->service);
    return pool->old > 0;
}

static bool check_node(const struct pool *pool, struct finding *ret)
{
    ret->code = strcmp(pool->node, "maint") == 0 ? "maintenance" : "drained";
    put(ret->text, "load balancers are to send nobody: %s", pool->node_text);
    put(ret->advice, "tcpdctl ready %s", pool->service);
    return pool->node[0] != '\0' && strcmp(pool->node, "ready") != 0;
}

static int check_pool(struct findings *findings, const struct pool *pool)
{
    static bool (*const checks[])(const struct pool *, struct finding *) = {
        check_full,  check_queue, check_program, check_backlog, check_throttle,
        check_pause, check_size,  check_old,     check_node};

    for (size_t i = 0; i < ELEMENTS(checks); i++) {
        struct finding finding = {.service = pool->service, .listener = pool->listener}, *added;

        if (!checks[i](pool, &finding))
            continue;
        added = add(findings, "", "", "");
        if (!added)
            return -ENOMEM;
        *added = finding;
    }
    return 0;
}

// ---- What is not served, certificates

static int check_lack(struct findings *findings, const struct lack *lack)
{
    struct finding *finding = add(findings, lack->left_out ? "left_out" : "address_not_served",
                                  lack->service, lack->listener);

    if (!finding)
        return -ENOMEM;
    put(finding->text, "%s: %s", lack->left_out ? "the service is left out" : "not served",
        lack->reason);
    put(finding->advice, "when it is mended: tcpdctl %s",
        lack->left_out ? "reload" : "sockets apply");
    return 0;
}

static int check_certificate(struct findings *findings, const struct certificate *certificate)
{
    time_t until = (time_t)(certificate->until / USEC_PER_SEC);
    struct finding *finding;
    char when[32];
    struct tm tm;

    if (!certificate->is_near)
        return 0;
    finding = add(findings, "certificate_expires", "", "");
    if (!finding)
        return -ENOMEM;
    if (!gmtime_r(&until, &tm) || strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm) == 0)
        when[0] = '\0';
    put(finding->text, "certificate \"%s\" is good until %s", certificate->certificate, when);
    put(finding->advice, "renew it, then tcpdctl reload");
    return 0;
}

static int read_pools(sd_bus_message *status, struct findings *findings)
{
    struct field_list list = {.size = sizeof(no_pool),
                              .initial = &no_pool,
                              .fields = pool_fields,
                              .n_fields = ELEMENTS(pool_fields)};
    int r = fields_read_list(status, &list);
    const struct pool *pools = (const void *)list.items;

    for (size_t i = 0; r >= 0 && i < list.n; i++)
        r = check_pool(findings, &pools[i]);
    free(list.items);
    return r;
}

static int read_lacks(sd_bus_message *status, struct findings *findings)
{
    struct field_list list = {.size = sizeof(no_lack),
                              .initial = &no_lack,
                              .fields = lack_fields,
                              .n_fields = ELEMENTS(lack_fields)};
    int r = fields_read_list(status, &list);
    const struct lack *lacks = (const void *)list.items;

    for (size_t i = 0; r >= 0 && i < list.n; i++)
        r = check_lack(findings, &lacks[i]);
    free(list.items);
    return r;
}

static int read_certificates(sd_bus_message *status, struct findings *findings)
{
    struct field_list list = {.size = sizeof(no_certificate),
                              .initial = &no_certificate,
                              .fields = certificate_fields,
                              .n_fields = ELEMENTS(certificate_fields)};
    int r = fields_read_list(status, &list);
    const struct certificate *certificates = (const void *)list.items;

    for (size_t i = 0; r >= 0 && i < list.n; i++)
        r = check_certificate(findings, &certificates[i]);
    free(list.items);
    return r;
}

int findings_read(sd_bus_message *status, struct findings *ret)
{
    struct daemon daemon = {.state = "", .reload_problem = ""};
    int r = fields_read(status, daemon_fields, ELEMENTS(daemon_fields), &daemon);

    *ret = (struct findings){0};
    if (r >= 0)
        r = check_daemon(ret, &daemon);
    if (r >= 0)
        r = read_pools(status, ret);
    if (r >= 0)
        r = read_lacks(status, ret);
    if (r >= 0)
        r = read_certificates(status, ret);
    if (r < 0)
        findings_done(ret);
    return r < 0 ? r : 0;
}

// ---- Sessions

// What most sessions of a full pool do says why it is full.
static const struct {
    const char *doing, *code, *text, *advice;
} causes[] = {
    {"reading", "silent_clients", "wait for their clients to speak",
     "first_byte_timeout and idle_timeout in tcpd.conf bound that"},
    {"writing", "slow_readers", "wait for clients that do not read",
     "send_timeout in tcpd.conf bounds that"},
    {"working", "busy_handler", "are at work, or wait for something else than their clients",
     "tcpdctl sessions shows since when"},
    {"opening", "slow_openings", "wait for a handshake or a header of the PROXY protocol",
     "handshake_timeout and proxy_timeout in tcpd.conf bound that"},
};

static int add_cause(struct findings *findings, const struct finding full,
                     const struct sessions *sessions)
{
    uint64_t n = 0, counts[ELEMENTS(causes)] = {0};

    for (size_t i = 0; i < sessions->n; i++) {
        const struct session_row *row = &sessions->rows[i];

        if (strcmp(row->service, full.service) != 0 || strcmp(row->listener, full.listener) != 0)
            continue;
        n++;
        for (size_t k = 0; k < ELEMENTS(causes); k++)
            counts[k] += strcmp(row->doing, causes[k].doing) == 0;
    }
    for (size_t k = 0; k < ELEMENTS(causes); k++) {
        struct finding *finding;

        if (2 * counts[k] <= n)
            continue;
        finding = add(findings, causes[k].code, full.service, full.listener);
        if (!finding)
            return -ENOMEM;
        put(finding->text, "%" PRIu64 " of %" PRIu64 " sessions %s", counts[k], n, causes[k].text);
        put(finding->advice, "%s", causes[k].advice);
    }
    return 0;
}

int findings_add_sessions(struct findings *findings, const struct sessions *sessions)
{
    size_t n = findings->n;
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++)
        if (strcmp(findings->items[i].code, "at_maximum") == 0)
            r = add_cause(findings, findings->items[i], sessions);
    return r;
}

void findings_done(struct findings *findings)
{
    free(findings->items);
    *findings = (struct findings){0};
}
