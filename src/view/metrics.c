// SPDX-License-Identifier: MIT
// One table of families and two printers. A family's samples stand together, for all pools, as both
// formats want it.

#include "view/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"

enum type { COUNTER, GAUGE, HISTOGRAM, INFO, STATESET };

struct family {
    const char *name; // without the ending of a counter or an info
    enum type type;
    const char *unit; // the end of the name, NULL: none
    const char *help;
};

struct printer {
    FILE *stream;
    enum metrics_format format;
    bool has_histograms;
    const struct family *family;
};

// ---- Writing
// -------------------------------------------------------------------------------------

static void print_head(struct printer *printer, const struct family *family)
{
    static const char *const words[][2] = {[COUNTER] = {"counter", "counter"},
                                           [GAUGE] = {"gauge", "gauge"},
                                           [HISTOGRAM] = {"histogram", "histogram"},
                                           [INFO] = {"gauge", "info"},
                                           [STATESET] = {"gauge", "stateset"}};
    bool is_open = printer->format == METRICS_OPEN;
    const char *ending = is_open                   ? ""
                         : family->type == COUNTER ? "_total"
                         : family->type == INFO    ? "_info"
                                                   : "";

    printer->family = family;
    (void)fprintf(printer->stream, "# HELP %s%s %s\n", family->name, ending, family->help);
    (void)fprintf(printer->stream, "# TYPE %s%s %s\n", family->name, ending,
                  words[family->type][is_open]);
    if (is_open && family->unit)
        (void)fprintf(printer->stream, "# UNIT %s %s\n", family->name, family->unit);
}

// What stands between quotes: both formats escape the same there.
static void print_character(FILE *stream, char c)
{
    if (c == '\n')
        (void)fputs("\\n", stream);
    else if (c == '\\' || c == '"')
        (void)fprintf(stream, "\\%c", c);
    else
        (void)fputc(c, stream);
}

static void print_escaped(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++)
        print_character(stream, *text);
}

// A label's value as names of ours have it: "first byte timeout" is first_byte_timeout.
static void print_word(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++)
        print_character(stream, *text == ' ' ? '_' : *text);
}

struct label {
    const char *name, *value;
};

// name, ending, labels of the pool (NULL: none) and one more (name NULL: none); a number follows.
static void print_name(const struct printer *printer, const char *ending,
                       const struct counters_pool *pool, struct label more)
{
    FILE *stream = printer->stream;

    (void)fprintf(stream, "%s%s", printer->family->name, ending);
    if (!pool && !more.name)
        return;
    (void)fputc('{', stream);
    if (pool) {
        (void)fputs("service=\"", stream);
        print_escaped(stream, pool->service);
        (void)fputs("\",listener=\"", stream);
        print_escaped(stream, pool->listener);
        (void)fprintf(stream, "\"%s", more.name ? "," : "");
    }
    if (more.name) {
        (void)fprintf(stream, "%s=\"", more.name);
        print_word(stream, more.value);
        (void)fputc('"', stream);
    }
    (void)fputc('}', stream);
}

static void print_number(const struct printer *printer, const struct counters_pool *pool,
                         struct label more, uint64_t number)
{
    const char *ending = printer->family->type == COUNTER ? "_total" : "";

    print_name(printer, ending, pool, more);
    (void)fprintf(printer->stream, " %" PRIu64 "\n", number);
}

static void print_seconds(const struct printer *printer, const char *ending,
                          const struct counters_pool *pool, uint64_t usec)
{
    print_name(printer, ending, pool, (struct label){0});
    (void)fprintf(printer->stream, " %" PRIu64 ".%06" PRIu64 "\n", usec / USEC_PER_SEC,
                  usec % USEC_PER_SEC);
}

// "0.0001", "1.0": the same text in both formats, or there would be two series.
static const char *spell_bound(uint64_t usec, char *text, size_t size)
{
    size_t end;

    (void)snprintf(text, size, "%" PRIu64 ".%06" PRIu64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);
    end = strlen(text);
    while (text[end - 1] == '0' && text[end - 2] != '.')
        text[--end] = '\0';
    return text;
}

static void print_histogram(const struct printer *printer, const struct counters_pool *pool,
                            const struct histogram *histogram)
{
    uint64_t n = 0;
    char bound[32];

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        n += histogram->counts[i];
        print_name(printer, "_bucket", pool,
                   (struct label){"le", i < HISTOGRAM_BOUNDS
                                            ? spell_bound(histogram_bounds[i], bound, sizeof(bound))
                                            : "+Inf"});
        (void)fprintf(printer->stream, " %" PRIu64 "\n", n);
    }
    print_name(printer, "_count", pool, (struct label){0});
    (void)fprintf(printer->stream, " %" PRIu64 "\n", n);
    print_seconds(printer, "_sum", pool, histogram->sum_usec);
}

static void print_list(const struct printer *printer, const struct counters_pool *pool,
                       const char *label, const struct counters_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        print_number(printer, pool, (struct label){label, list->names[i]}, list->numbers[i]);
}

// ---- The daemon
// -----------------------------------------------------------------------------------

static void print_states(struct printer *printer, const char *state)
{
    static const struct family family = {"tcpd_state", STATESET, NULL, "What tcpd is doing."};
    static const char *const names[] = {"starting", "running", "reloading", "stopping"};

    print_head(printer, &family);
    for (size_t i = 0; i < ELEMENTS(names); i++)
        print_number(printer, NULL, (struct label){"tcpd_state", names[i]},
                     strcmp(names[i], state) == 0);
}

static void print_daemon(struct printer *printer, const struct counters_daemon *daemon)
{
    static const struct family build = {"tcpd_build", INFO, NULL, "The version of tcpd."};
    static const struct family start = {"tcpd_start_time_seconds", GAUGE, "seconds",
                                        "When tcpd was started, since 1970."};
    static const struct family reloads = {"tcpd_reloads", COUNTER, NULL,
                                          "Reloads of the configuration, by outcome."};
    static const struct family good = {"tcpd_last_reload_successful", GAUGE, NULL,
                                       "0 when the last reload was refused."};
    static const struct family generation = {"tcpd_generation", GAUGE, NULL,
                                             "The number of the configuration in force."};
    static const struct family unserved = {"tcpd_addresses_not_served", GAUGE, NULL,
                                           "Addresses that could not be opened."};

    print_head(printer, &build);
    print_name(printer, "_info", NULL, (struct label){"version", daemon->version});
    (void)fputs(" 1\n", printer->stream);
    print_head(printer, &start);
    print_seconds(printer, "", NULL, daemon->started_usec);
    print_states(printer, daemon->state);
    print_head(printer, &generation);
    print_number(printer, NULL, (struct label){0}, daemon->generation);
    print_head(printer, &reloads);
    print_list(printer, NULL, "outcome", &daemon->reloads);
    print_head(printer, &good);
    print_number(printer, NULL, (struct label){0}, daemon->reload_is_good);
    print_head(printer, &unserved);
    print_number(printer, NULL, (struct label){0}, daemon->addresses_not_served);
}

// ---- Pools
// ------------------------------------------------------------------------------------------

// A family whose samples are a member of each pool: one number, or one for each name.
struct pool_family {
    struct family family;
    size_t offset;
    const char *label; // of a list, NULL: one number
};

#define OF(member) offsetof(struct counters_pool, member)

static const struct pool_family pool_families[] = {
    {{"tcpd_sessions", COUNTER, NULL, "Sessions that have ended, by how."}, OF(results), "result"},
    {{"tcpd_sessions_begun", COUNTER, NULL, "Sessions that have begun."}, OF(begun), NULL},
    {{"tcpd_sessions_slow", COUNTER, NULL, "Sessions that took slow_session or longer."},
     OF(slow),
     NULL},
    {{"tcpd_refused", COUNTER, NULL, "Clients that were refused, by why."}, OF(refused), "reason"},
    {{"tcpd_received_bytes", COUNTER, "bytes", "Bytes that services have received."},
     OF(received),
     NULL},
    {{"tcpd_sent_bytes", COUNTER, "bytes", "Bytes that services have sent."}, OF(sent), NULL},
    {{"tcpd_accept_errors", COUNTER, NULL, "Calls of accept() that failed."},
     OF(accept_errors),
     NULL},
    {{"tcpd_workers", GAUGE, NULL, "Workers, by what they do."}, OF(workers), "state"},
    {{"tcpd_workers_minimum", GAUGE, NULL, "min_workers."}, OF(min), NULL},
    {{"tcpd_workers_spare", GAUGE, NULL, "spare_workers."}, OF(spare), NULL},
    {{"tcpd_workers_maximum", GAUGE, NULL, "max_workers."}, OF(max), NULL},
    {{"tcpd_queue_connections", GAUGE, "connections",
      "Connections that wait in the kernel's queue."},
     OF(queue),
     NULL},
    {{"tcpd_queue_limit_connections", GAUGE, "connections", "How many may wait there."},
     OF(queue_limit),
     NULL},
    {{"tcpd_worker_starts", COUNTER, NULL, "Workers that were started."}, OF(starts), NULL},
    {{"tcpd_worker_exits", COUNTER, NULL, "Workers that have ended, by how."}, OF(exits), "reason"},
    {{"tcpd_log_records_lost", COUNTER, NULL, "Records of sessions that the log has not, by why."},
     OF(lost),
     "reason"},
    {{"tcpd_fork_failures", COUNTER, NULL, "Workers that could not be started."},
     OF(fork_failures),
     NULL},
};

static const struct pool_family histograms[] = {
    {{"tcpd_session_duration_seconds", HISTOGRAM, "seconds", "From accept() to the session's end."},
     OF(duration),
     NULL},
    {{"tcpd_accept_wait_seconds", HISTOGRAM, "seconds",
      "Time in the queue, at least: since the client's last segment."},
     OF(wait),
     NULL},
    {{"tcpd_first_reply_seconds", HISTOGRAM, "seconds", "From accept() to the first byte sent."},
     OF(reply),
     NULL},
};

// A family of 0 and 1.
static void print_flags(struct printer *printer, const struct family *family,
                        const struct counters *counters, size_t offset)
{
    print_head(printer, family);
    for (size_t k = 0; k < counters->n; k++)
        print_number(printer, &counters->pools[k], (struct label){0},
                     *(const bool *)((const char *)&counters->pools[k] + offset));
}

static void print_pools(struct printer *printer, const struct counters *counters)
{
    static const struct family full = {"tcpd_pool_at_maximum_seconds", COUNTER, "seconds",
                                       "Time with max_workers workers and none of them idle."};
    static const struct family throttled = {"tcpd_pool_throttled", GAUGE, NULL,
                                            "1 while starts wait, as workers have died early."};
    static const struct family paused = {"tcpd_pool_paused", GAUGE, NULL,
                                         "1 while its clients wait, by tcpdctl pause."};
    static const struct family resized = {"tcpd_pool_resized", GAUGE, NULL,
                                          "1 while its limits are those of tcpdctl resize."};

    for (size_t i = 0; i < ELEMENTS(pool_families); i++) {
        const struct pool_family *each = &pool_families[i];

        print_head(printer, &each->family);
        for (size_t k = 0; k < counters->n; k++) {
            const struct counters_pool *pool = &counters->pools[k];
            const void *member = (const char *)pool + each->offset;

            if (each->label)
                print_list(printer, pool, each->label, member);
            else
                print_number(printer, pool, (struct label){0}, *(const uint64_t *)member);
        }
    }
    print_head(printer, &full);
    for (size_t k = 0; k < counters->n; k++)
        print_seconds(printer, "_total", &counters->pools[k], counters->pools[k].full_usec);
    print_flags(printer, &throttled, counters, OF(is_throttled));
    print_flags(printer, &paused, counters, OF(is_paused));
    print_flags(printer, &resized, counters, OF(is_resized));
    for (size_t i = 0; printer->has_histograms && i < ELEMENTS(histograms); i++) {
        print_head(printer, &histograms[i].family);
        for (size_t k = 0; k < counters->n; k++)
            print_histogram(
                printer, &counters->pools[k],
                (const void *)((const char *)&counters->pools[k] + histograms[i].offset));
    }
}

static void print_all(struct printer *printer, const struct counters *counters)
{
    static const struct family up = {"tcpd_up", GAUGE, NULL, "1 where tcpd answers."};

    print_head(printer, &up);
    print_number(printer, NULL, (struct label){0}, counters != NULL);
    if (counters)
        print_daemon(printer, &counters->daemon);
    if (counters && counters->n > 0)
        print_pools(printer, counters);
    if (printer->format == METRICS_OPEN)
        (void)fputs("# EOF\n", printer->stream);
}

void metrics_print(FILE *stream, enum metrics_format format, const struct counters *counters)
{
    struct printer printer = {.stream = stream, .format = format, .has_histograms = true};

    print_all(&printer, counters);
}

void metrics_print_short(FILE *stream, enum metrics_format format, const struct counters *counters)
{
    struct printer printer = {.stream = stream, .format = format};

    print_all(&printer, counters);
}
