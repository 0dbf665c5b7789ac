// SPDX-License-Identifier: MIT
// What tcpd.conf says of who may connect. Files that its lists name are read here, so that a
// mistake in one is told with its own line, and is the service's whose list it is.

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/file.h"
#include "config/config.h"
#include "config/config_check.h"
#include "config/unit_filter.h"

#define REFUSAL_TEXT_MAX        1000 // bytes
#define SOURCE_PENALTY_MAX_USEC (7 * 24 * 3600 * USEC_PER_SEC)

struct at {
    struct service *service;
    const struct section *section;
    struct problems *problems;
};

// Of another file, which the service names at that line.
static void add_as_own(const struct at *at, const struct problems *found, int line)
{
    const struct place place = {.file = at->service->file, .line = line};

    for (size_t i = 0; i < found->n; i++)
        problems_add_text(at->problems, found->texts[i], &place);
}

static void read_file(const struct at *at, const char *name, struct rule_list *list, size_t i)
{
    const struct rule_entry *entry = &list->entries[i];
    struct problems found = {0};
    struct file_text text;
    int r = file_read(rule_file(entry), RULES_FILE_MAX, &text);

    if (r < 0) {
        problems_add(at->problems, entry->file, entry->line, "%s = \"%s\" cannot be read: %s", name,
                     entry->text,
                     r == -EFBIG     ? "longer than 4 MiB"
                     : r == -ENOTSUP ? "not a regular file"
                                     : strerror(-r));
        return;
    }
    rule_list_add_lines(list, i, text.bytes, text.n, &found);
    free(text.bytes);
    add_as_own(at, &found, entry->line);
    problems_done(&found);
}

// False: nothing can be said of what the lists mean together.
static bool complete(const struct at *at, const char *name, struct rule_list *list)
{
    int line = section_line(at->section, name);
    size_t before = at->problems->n;

    for (size_t i = 0; i < list->n_entries; i++)
        if (rule_file(&list->entries[i]))
            read_file(at, name, list, i);
    if (list->n > RULES_MAX)
        problems_add(at->problems, at->service->file, line,
                     "%s of service \"%s\" has more than %d prefixes", name, at->service->name,
                     RULES_MAX);
    return at->problems->n == before;
}

static void refuse_unix(const struct at *at, const char *name, const struct rule_list *list)
{
    if (list->has_unix)
        problems_add(at->problems, at->service->file, section_line(at->section, name),
                     "%s of service \"%s\" has \"unix\", which is for proxy_trusted: whoever may "
                     "open a unix socket may connect there",
                     name, at->service->name);
}

// Most likely a list that has got lost.
static void check_nobody(const struct at *at)
{
    const struct rule_list *allow = &at->service->access.allow;

    if (allow->n_entries > 0 && allow->n == 0 && !allow->has_unix)
        problems_add(at->problems, at->service->file, section_line(at->section, "allow"),
                     "allow of service \"%s\" has no prefix in any of its files: nobody could "
                     "connect; to mean that, write deny = {any}",
                     at->service->name);
}

static void refuse(const struct at *at, const char *setting, const char *what)
{
    problems_add(at->problems, at->service->file, section_line(at->section, setting),
                 "%s of service \"%s\" %s", setting, at->service->name, what);
}

static void check_sources(const struct at *at)
{
    struct source_settings *sources = &at->service->sources;

    if (sources->table > 0 && sources->table < SOURCE_ENTRIES_MIN)
        refuse(at, "source_table", "is less than 1024; 0, or a whole number from 1024 to 1048576");
    if (sources->penalty_max_usec > SOURCE_PENALTY_MAX_USEC)
        refuse(at, "penalty_max", "is longer than a week");
    if (sources->penalty_min_usec > sources->penalty_max_usec)
        refuse(at, section_line(at->section, "penalty_min") ? "penalty_min" : "penalty_max",
               "does not fit: penalty_min is longer than penalty_max, so that no penalty would "
               "ever be in force");
    if (complete(at, "source_exempt", &sources->exempt))
        source_settings_settle(sources);
}

void config_check_access(struct service *service, const struct section *section,
                         struct problems *problems)
{
    const struct at at = {service, section, problems};
    struct access *access = &service->access;
    const char *text = access->refusal_text;
    struct problems found = {0};
    bool is_whole;

    if (text && (text[0] == '\0' || strlen(text) > REFUSAL_TEXT_MAX))
        problems_add(problems, service->file, section_line(section, "refusal_text"),
                     "refusal_text of service \"%s\" has %zu bytes; 1 to %d are allowed",
                     service->name, strlen(text), REFUSAL_TEXT_MAX);
    if (service->leaves_clients)
        return; // to whom rules mean nothing, which is refused already
    check_sources(&at);
    is_whole = complete(&at, "allow", &access->allow);
    is_whole = complete(&at, "deny", &access->deny) && is_whole;
    is_whole = complete(&at, "proxy_trusted", &access->senders.trusted) && is_whole;
    refuse_unix(&at, "allow", &access->allow);
    refuse_unix(&at, "deny", &access->deny);
    if (!is_whole)
        return;
    check_nobody(&at);
    access_settle(access, &found);
    senders_settle(&access->senders);
    add_as_own(&at, &found, section_line(section, access->deny.n > 0 ? "deny" : "allow"));
    problems_done(&found);
    if (service->unit_filter && unit_filter_lacks(service))
        refuse(&at, "unit_filter", unit_filter_lacks(service));
}
