// SPDX-License-Identifier: MIT
// What the load generator prints when it is done: one JSON object, or one line for people.
#pragma once

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "load_modes.h"
#include "load_stats.h"
#include "load_tls.h"

static const char *const report_errors[] = {
    [WRONG_BYTES] = "wrong_bytes",
    [EXCESS] = "excess",
    [SHORT] = "short",
    [REFUSED] = "refused",
    [RESET] = "reset",
    [TIMEOUT] = "timeout",
    [OTHER] = "other",
};

static inline double report_cpu_seconds(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage); // cannot fail with these arguments
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Of a burst: who was answered, and when the last one was.
static inline void report_print_burst(const struct stats *s, uint64_t began_usec)
{
    uint64_t last_usec = s->answered_usec > began_usec ? s->answered_usec - began_usec : 0;

    printf(option.json ? ", \"answered\": %" PRIu64 ", \"unanswered\": %" PRIu64
                         ", \"answered_again\": %" PRIu64 ", \"answer_seconds\": %.6f"
                       : "; %" PRIu64 " answered, %" PRIu64 " not, %" PRIu64
                         " once more; the last after %.6f s",
           s->n_operations, option.n_in_flight - s->n_operations, s->n_again,
           (double)last_usec / 1e6);
}

static inline void report_print(const struct stats *s, uint64_t began_usec, uint64_t ended_usec)
{
    bool json = option.json;
    double seconds = (double)(ended_usec - began_usec) / 1e6;
    double rate = (option.mode->stream ? (double)s->n_bytes / 1e6 : (double)s->n_operations) /
                  (seconds > 0 ? seconds : 1);

    printf(json ? "{\"mode\": \"%s\", \"operations\": %" PRIu64 ", \"bytes\": %" PRIu64
                  ", \"seconds\": %.6f, \"rate\": %.3f, \"unit\": \"%s\", \"errors\": {"
                : "%s: %" PRIu64 " operations, %" PRIu64 " bytes in %.3f s, %.1f %s; errors:",
           option.mode->name, s->n_operations, s->n_bytes, seconds, rate,
           option.mode->stream ? "MB/s" : "operations/s");
    for (unsigned i = 0; i < N_STATS_ERRORS; i++)
        if (json)
            printf("%s\"%s\": %" PRIu64, i ? ", " : "", report_errors[i], s->errors[i]);
        else if (s->errors[i] > 0)
            printf(" %" PRIu64 " %s", s->errors[i], report_errors[i]);
    printf(json ? "}, \"error_count\": %" PRIu64 ", \"latency_usec\": {\"p50\": %" PRIu64
                  ", \"p99\": %" PRIu64 ", \"max\": %" PRIu64 "}, \"cpu_seconds\": %.6f"
                : " %" PRIu64 " in all; p50 %" PRIu64 ", p99 %" PRIu64 ", max %" PRIu64
                  " usec; own CPU %.3f s",
           s->n_errors, stats_percentile(s, 50), stats_percentile(s, 99), s->max_usec,
           report_cpu_seconds());
    if (option.ca_file)
        printf(json ? ", \"full\": %" PRIu64 ", \"resumed\": %" PRIu64
                    : "; %" PRIu64 " handshakes in full, %" PRIu64 " resumed",
               tls.n_full, tls.n_resumed);
    if (option.mode->next == NEXT_HOLD)
        report_print_burst(s, began_usec);
    puts(json ? "}" : "");
}
