// SPDX-License-Identifier: MIT
// Sessions out of the journal, of both forms that the log has: lines that stand together in an
// entry, and entries of their own, from whose fields a line is made. What is not as tcpd writes it
// is passed over.

#include "ctl/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-journal.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/output.h"
#include "view/json.h"

// As src/log/log.c has them.
#define ID_CLOSED "48d2dd59944d4714aab359b383d61b55"
#define ID_LINES  "63cf710b007e4d75b2604de8a4de0dbd"

#define FIELD_MAX   256
#define MESSAGE_MAX ((size_t)64 << 10) // of an entry's lines: there are less than 4 KiB
#define AGAIN_USEC  (10 * USEC_PER_SEC)

// The field's value as a text, without bytes that are none. False: it has none, or one too long.
static bool get(sd_journal *journal, const char *name, char *ret, size_t size)
{
    const void *data;
    size_t length, head = strlen(name) + 1; // "NAME="

    ret[0] = '\0';
    if (sd_journal_get_data(journal, name, &data, &length) < 0 || length < head ||
        length - head >= size)
        return false;
    memcpy(ret, (const char *)data + head, length - head);
    ret[length - head] = '\0';
    return strlen(ret) == length - head;
}

static uint64_t get_number(sd_journal *journal, const char *name)
{
    char text[FIELD_MAX];

    return get(journal, name, text, sizeof(text)) ? strtoull(text, NULL, 10) : 0;
}

static void print_json(const char *service, const char *listener, const struct session_line *line)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"service", service},
                 {"listener", listener},
                 {"peer", line->peer},
                 {"through", line->through},
                 {"result", line->result}};
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"duration_usec", line->duration_usec}, {"received", line->received}, {"sent", line->sent}};

    (void)printf("{\"end_usec\":%" PRIu64, line->end_realtime_usec);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        if (!texts[i].value || texts[i].value[0] == '\0')
            continue;
        (void)printf(",\"%s\":", texts[i].name);
        json_print_string(stdout, texts[i].value);
    }
    for (size_t i = 0; i < ELEMENTS(numbers); i++)
        (void)printf(",\"%s\":%" PRIu64, numbers[i].name, numbers[i].value);
    if (line->wait_usec != SESSION_LINE_UNKNOWN)
        (void)printf(",\"wait_usec\":%" PRIu32, line->wait_usec);
    (void)printf(",\"id\":\"%" PRIu64 ".%" PRIu64 "\",\"slow\":%s}\n", line->pid, line->number,
                 line->is_slow ? "true" : "false");
}

// Whoever may write to the journal may have written this: nothing of it is to reach a terminal
// that tcpd would not have written.
static bool is_plain(const char *text)
{
    for (; *text >= ' ' && *text <= '~'; text++)
        ;
    return *text == '\0';
}

static void show(const struct options *options, const char *service, const char *listener,
                 const struct session_line *line)
{
    char text[SESSION_LINE_MAX];

    if (!is_plain(service) || !is_plain(line->peer) || !is_plain(line->result) ||
        (line->through && !is_plain(line->through)) ||
        !log_filter_takes(&options->log.filter, line))
        return;
    if (options->json) {
        print_json(service, listener, line);
        return;
    }
    (void)session_line_format(line, text);
    (void)printf("%s: %s\n", service, text);
}

// An entry of several lines, of which the first one is a head.
static void show_lines(sd_journal *journal, const struct options *options, const char *service)
{
    static char message[MESSAGE_MAX];
    char listener[FIELD_MAX], *rest = message, *text;
    struct session_line line;

    (void)get(journal, "TCPD_LISTENER", listener, sizeof(listener));
    if (!get(journal, "MESSAGE", message, sizeof(message)))
        return;
    while ((text = strsep(&rest, "\n")))
        if (session_line_parse(text, &line) == 0)
            show(options, service, listener, &line);
}

// "192.0.2.7:48764" of the fields that have its parts; "-" of one that has none.
static void get_peer(sd_journal *journal, const char *address, const char *port, char *ret,
                     size_t size)
{
    char host[FIELD_MAX], number[FIELD_MAX];

    if (!get(journal, address, host, sizeof(host)))
        (void)snprintf(host, sizeof(host), "-");
    (void)get(journal, port, number, sizeof(number));
    (void)snprintf(ret, size, "%s%s%s", host, number[0] ? ":" : "", number);
}

// An entry of one session.
static void show_entry(sd_journal *journal, const struct options *options, const char *service)
{
    char peer[2 * FIELD_MAX + 2], through[2 * FIELD_MAX + 2], result[FIELD_MAX], slow[FIELD_MAX];
    struct session_line line = {.peer = peer, .result = result};

    if (!get(journal, "TCPD_RESULT", result, sizeof(result)))
        return;
    get_peer(journal, "TCPD_PEER_ADDR", "TCPD_PEER_PORT", peer, sizeof(peer));
    get_peer(journal, "TCPD_PROXY_ADDR", "TCPD_PROXY_PORT", through, sizeof(through));
    line.through = strcmp(through, "-") == 0 ? NULL : through;
    line.end_realtime_usec = get_number(journal, "_SOURCE_REALTIME_TIMESTAMP");
    if (line.end_realtime_usec == 0)
        (void)sd_journal_get_realtime_usec(journal, &line.end_realtime_usec);
    line.duration_usec = get_number(journal, "TCPD_DURATION_USEC");
    line.received = get_number(journal, "TCPD_BYTES_IN");
    line.sent = get_number(journal, "TCPD_BYTES_OUT");
    line.wait_usec = SESSION_LINE_UNKNOWN;
    line.pid = get_number(journal, "_PID");
    line.is_slow = get(journal, "TCPD_SLOW", slow, sizeof(slow));
    show(options, service, "", &line);
}

static int show_next(sd_journal *journal, const struct options *options)
{
    char id[FIELD_MAX], service[FIELD_MAX];
    int r = sd_journal_next(journal);

    if (r <= 0)
        return r;
    if (!get(journal, "TCPD_SERVICE", service, sizeof(service)) ||
        !get(journal, "MESSAGE_ID", id, sizeof(id)))
        return r;
    if (strcmp(id, ID_LINES) == 0)
        show_lines(journal, options, service);
    else
        show_entry(journal, options, service);
    return r;
}

static int add_match(sd_journal *journal, const char *name, const char *value)
{
    cleanup_free char *text = NULL;

    if (asprintf(&text, "%s=%s", name, value) < 0)
        base_out_of_memory();
    return sd_journal_add_match(journal, text, 0);
}

// Of the daemon's unit, the system's or a user's, and of the service, if one was named.
static int choose(sd_journal *journal, const struct options *options)
{
    int r = 0;

    if (options->unit) {
        r = add_match(journal, "_SYSTEMD_UNIT", options->unit);
        if (r >= 0)
            r = sd_journal_add_disjunction(journal);
        if (r >= 0)
            r = add_match(journal, "_SYSTEMD_USER_UNIT", options->unit);
        if (r >= 0)
            r = sd_journal_add_conjunction(journal);
    }
    if (r >= 0)
        r = add_match(journal, "MESSAGE_ID", ID_CLOSED); // two values of one field: either
    if (r >= 0)
        r = add_match(journal, "MESSAGE_ID", ID_LINES);
    if (r >= 0 && options->service[0] != '\0')
        r = add_match(journal, "TCPD_SERVICE", options->service);
    return r;
}

// Where to begin: with what has ended since then, or with all; with what is to come, if that alone
// was asked for.
static int seek(sd_journal *journal, const struct options *options)
{
    struct timespec now;

    if (options->log.filter.since_usec > 0)
        return sd_journal_seek_realtime_usec(journal, options->log.filter.since_usec);
    if (!options->log.follow)
        return sd_journal_seek_head(journal);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return sd_journal_seek_realtime_usec(journal, (uint64_t)now.tv_sec * USEC_PER_SEC);
}

// Until the journal has more, perhaps; < 0: -EPIPE when nobody reads the output any more.
static int wait_for_more(sd_journal *journal)
{
    int fd = sd_journal_get_fd(journal), events = sd_journal_get_events(journal);
    uint64_t now = base_now_usec(), due = now + AGAIN_USEC, its = due;
    int r = fd < 0 ? fd : events;

    if (r >= 0)
        r = sd_journal_get_timeout(journal, &its); // of a file system that tells nothing
    if (r > 0 && its < due)
        due = its > now ? its : now;
    if (r >= 0)
        r = output_wait(fd, (short)events, due - now);
    return r < 0 ? r : sd_journal_wait(journal, 0);
}

// 0, an exit status or -errno.
static int show_all(sd_journal *journal, const struct options *options)
{
    int r = options->log.follow ? sd_journal_wait(journal, 0) : 0; // watches from now on

    while (r >= 0) {
        int end;

        do
            r = show_next(journal, options);
        while (r > 0);
        end = output_end(EX_OK);
        if (r < 0 || end != EX_OK)
            return r < 0 ? r : end;
        if (!options->log.follow)
            return 0;
        r = wait_for_more(journal);
        if (r == -EPIPE)
            return EX_IOERR;
    }
    return r;
}

int log_show(const struct options *options)
{
    sd_journal *journal = NULL;
    int r = options->log.directory ? sd_journal_open_directory(&journal, options->log.directory, 0)
                                   : sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY);

    if (r < 0)
        return fail(r == -EACCES ? EX_NOPERM : EX_NOINPUT, "cannot open the journal%s%s: %s",
                    options->log.directory ? " in " : "",
                    options->log.directory ? options->log.directory : "", strerror(-r));
    if (sd_journal_has_runtime_files(journal) <= 0 &&
        sd_journal_has_persistent_files(journal) <= 0) {
        sd_journal_close(journal);
        return fail(EX_NOINPUT, "there is no journal that may be read here; members of the groups "
                                "systemd-journal and adm may read the system's");
    }
    r = choose(journal, options);
    if (r >= 0)
        r = seek(journal, options);
    if (r >= 0)
        r = show_all(journal, options);
    sd_journal_close(journal);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the journal: %s", strerror(-r)) : r;
}
