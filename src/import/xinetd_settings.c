// SPDX-License-Identifier: MIT
// The attributes of xinetd, a row each: which of them defaults may have, how many values they take,
// and what becomes of them.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/file.h"
#include "import/xinetd_private.h"

#define WORKERS_MAX      30000
#define REFUSAL_TEXT_MAX 1000

#define NOT_EITHER "; xinetd does not serve it either"

// A whole number of ASCII digits; false: it is none, or above max.
static bool parse_number(const char *text, unsigned long long max, unsigned long long *ret)
{
    size_t length = strlen(text);

    *ret = strtoull(text, NULL, 10);
    return length > 0 && length < 19 && strspn(text, "0123456789") == length && *ret <= max;
}

static void take_instances(struct xservice *service, const struct xattribute *attribute)
{
    const char *value = attribute->values.items[0];
    unsigned long long number;

    if (strcmp(value, "UNLIMITED") == 0)
        xservice_lose(service, attribute,
                      "UNLIMITED: max_workers is 256 unless it is set, and more clients wait");
    else if (!parse_number(value, INT32_MAX, &number) || number == 0)
        xservice_block(service, attribute, "%s is no number of instances" NOT_EITHER, value);
    else if (number > WORKERS_MAX)
        xservice_lose(service, attribute, "max_workers is at most %d; it is 256 now", WORKERS_MAX);
    else if (!service->entry->waits) // which is one by itself
        entry_set(service->entry, "max_workers", "%llu", number);
}

static void take_per_source(struct xservice *service, const struct xattribute *attribute)
{
    const char *value = attribute->values.items[0];
    unsigned long long number;

    if (strcmp(value, "UNLIMITED") == 0)
        return;
    if (!parse_number(value, INT32_MAX, &number))
        xservice_block(service, attribute, "%s is no number" NOT_EITHER, value);
    else if (!service->import->features->source_connections)
        xservice_lose(
            service, attribute,
            "this tcpd has no limit for each client; a firewall has (nftables: ct count)");
    else if (service->entry->waits)
        xservice_lose(service, attribute, "with wait the program accepts, and tcpd sees no client");
    else if (number == 0 || number > WORKERS_MAX)
        xservice_lose(service, attribute, "source_connections is from 1 to %d", WORKERS_MAX);
    else
        entry_set(service->entry, "source_connections", "%llu", number);
}

static void take_cps(struct xservice *service, const struct xattribute *attribute)
{
    xservice_lose(
        service, attribute,
        "%s %s: nothing switches a service of tcpd off for all, as a single client could; "
        "max_workers bounds how many are served at once",
        attribute->values.items[0], attribute->values.items[1]);
}

static void take_log_type(struct xservice *service, const struct xattribute *attribute)
{
    const struct words *values = &attribute->values;

    if (values->n >= 1 && strcmp(values->items[0], "SYSLOG") == 0) {
        if (values->n > 1 && strcmp(values->items[1], "daemon") != 0)
            xservice_lose(service, attribute, "records are of facility daemon; journalctl -t tcpd");
    } else
        xservice_lose(service, attribute, "records go to the journal; journalctl -t tcpd");
}

static void take_log_on(struct xservice *service, const struct xattribute *attribute)
{
    struct xlist list = xlist_make(service, attribute->name);
    bool is_success = strcmp(attribute->name, "log_on_success") == 0;

    for (size_t i = 0; list.last == attribute && i < list.n; i++)
        service->entry->logs |= is_success && (strcmp(list.items[i].text, "HOST") == 0 ||
                                               strcmp(list.items[i].text, "DURATION") == 0);
    free(list.items);
    if (attribute->op != XOP_REMOVE &&
        words_find(&attribute->values, "USERID") < attribute->values.n)
        xservice_lose(service, attribute, "USERID: tcpd asks no client's machine who the user is");
}

static void take_nice(struct xservice *service, const struct xattribute *attribute)
{
    const char *value = attribute->values.items[0];
    char *end;
    long nice = strtol(value, &end, 10);

    if (end == value || *end != '\0' || strlen(value) > 3)
        xservice_block(service, attribute, "%s is no number" NOT_EITHER, value);
    else if (nice < -20 || nice > 19)
        xservice_lose(service, attribute, "nice is from -20 to 19");
    else if (!service->import->world->can_nice((int)nice))
        xservice_lose(service, attribute, "only a tcpd that runs as root can give a program %ld",
                      nice);
    else
        entry_set(service->entry, "nice", "%ld", nice);
}

static void take_umask(struct xservice *service, const struct xattribute *attribute)
{
    const char *value = attribute->values.items[0];

    if (strspn(value, "01234567") != strlen(value) || strtol(value, NULL, 8) > 0777)
        xservice_block(service, attribute, "%s is no mask" NOT_EITHER, value);
    else
        entry_set(service->entry, "umask", "%04lo", strtol(value, NULL, 8));
}

// "512M" of bytes, or seconds.
static void take_limit(struct xservice *service, const struct xattribute *attribute)
{
    static const struct limit {
        const char *attribute, *name;
        int resource;
        unsigned long long min;
    } limits[] = {{"rlimit_as", "limit_as", RLIMIT_AS, 4096},
                  {"rlimit_files", "limit_nofile", RLIMIT_NOFILE, 3},
                  {"rlimit_cpu", "limit_cpu", RLIMIT_CPU, 1}};
    const struct limit *limit = limits;
    const char *value = attribute->values.items[0];
    size_t digits = strspn(value, "0123456789");
    cleanup_free char *number = text_make("%.*s", (int)digits, value);
    unsigned long long n;
    int shift;

    while (strcmp(limit->attribute, attribute->name) != 0)
        limit++;
    shift = limit->resource == RLIMIT_CPU || value[digits] == '\0' ? 0
            : strchr("kK", value[digits])                          ? 10
            : strchr("mM", value[digits])                          ? 20
                                                                   : -1;
    if (strcmp(value, "UNLIMITED") == 0) {
        if (limit->resource != RLIMIT_CPU &&
            service->import->world->can_limit(limit->resource, RLIM_INFINITY))
            entry_set(service->entry, limit->name, "infinity");
        return;
    }
    if (shift < 0 || !parse_number(number, 1ULL << 40, &n) || value[digits + (shift > 0)] != '\0')
        xservice_block(service, attribute, "%s is no limit" NOT_EITHER, value);
    else if (n << shift < limit->min || (limit->resource == RLIMIT_CPU && n > 1000000000))
        xservice_lose(service, attribute, "%s cannot be %llu", limit->name, n << shift);
    else if (!service->import->world->can_limit(limit->resource, n << shift))
        xservice_lose(service, attribute, "only a tcpd that runs as root can raise %s so far",
                      limit->name);
    else
        entry_set(service->entry, limit->name, limit->resource == RLIMIT_CPU ? "%llus" : "%llu",
                  n << shift);
}

static void take_banner_fail(struct xservice *service, const struct xattribute *attribute)
{
    struct file_text banner = {0};
    struct text text = {0};
    int r;

    if (!service->import->features->refusal_text) {
        xservice_lose(service, attribute, "this tcpd has no text for clients that it refuses");
        return;
    }
    if (service->entry->waits) {
        xservice_lose(service, attribute, "with wait the program accepts, and tcpd sees no client");
        return;
    }
    r = file_read(attribute->values.items[0], REFUSAL_TEXT_MAX, &banner);
    if (r < 0 || banner.n == 0 || memchr(banner.bytes, '\0', banner.n)) {
        xservice_lose(service, attribute, "%s: %s; a refusal_text has 1 to %d bytes",
                      attribute->values.items[0],
                      r < 0          ? strerror(-r)
                      : banner.n > 0 ? "it has a NUL byte"
                                     : "it is empty",
                      REFUSAL_TEXT_MAX);
    } else {
        text_add_escaped(&text, banner.bytes, banner.n);
        entry_set(service->entry, "refusal_text", "%s", text.bytes);
        text_done(&text);
    }
    free(banner.bytes);
}

// What is lost whatever its value is.
static void take_lost(struct xservice *service, const struct xattribute *attribute)
{
    static const struct {
        const char *name, *what;
    } lost[] = {
        {"banner", "tcpd sends nothing before the program does; have a script do it"},
        {"banner_success", "tcpd sends nothing before the program does; have a script do it"},
        {"max_load", "tcpd does not go by the load; max_workers bounds how many are served"},
        {"rlimit_data", "there is limit_as"},
        {"rlimit_rss", "there is limit_as, and MemoryMax= of the unit"},
        {"rlimit_stack", "there is LimitSTACK= of the unit"},
        {"deny_time", "there are no sensors"},
        {"mdns", "tcpd announces nothing; avahi-daemon does, by a file for each service"},
        {"libwrap", "tcpd asks no TCP wrappers; put /usr/sbin/tcpd before the program"},
        {"rpc_version", "there is no RPC"},
        {"rpc_number", "there is no RPC"},
    };

    for (size_t i = 0; i < ELEMENTS(lost); i++)
        if (strcmp(lost[i].name, attribute->name) == 0)
            xservice_lose(service, attribute, "%s", lost[i].what);
}

static void take_access_times(struct xservice *service, const struct xattribute *attribute)
{
    xservice_block(
        service, attribute,
        "tcpd serves at all times; have timers enable and disable it, or a firewall, and "
        "remove the # below");
}

static void take_flags(struct xservice *service, const struct xattribute *attribute)
{
    static const char *const needless[] = {"REUSE",     "NORETRY",   "NAMEINARGS", "NODELAY",
                                           "KEEPALIVE", "NOLIBWRAP", "IPv4",       "IPv6"};

    for (size_t i = 0; i < attribute->values.n; i++) {
        const char *flag = attribute->values.items[i];
        size_t f = 0;

        while (f < ELEMENTS(needless) && strcmp(needless[f], flag) != 0)
            f++;
        if (f < ELEMENTS(needless))
            continue;
        if (strcmp(flag, "INTERCEPT") == 0)
            xservice_lose(service, attribute,
                          "INTERCEPT: tcpd does not look at what a program with "
                          "wait receives; a firewall does");
        else if (strcmp(flag, "IDONLY") == 0)
            xservice_block(service, attribute,
                           "IDONLY: tcpd asks no client's machine who the user "
                           "is; remove the # below to serve all");
        else if (strcmp(flag, "LABELED") == 0)
            xservice_block(service, attribute,
                           "LABELED: the program would have tcpd's own label; "
                           "remove the # below if that will do");
        else
            xservice_block(service, attribute, "%s is no flag" NOT_EITHER, flag);
    }
}

static void take_switch(struct xservice *service, const struct xattribute *attribute)
{
    const char *value = attribute->values.items[0];

    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        xservice_block(service, attribute, "%s is neither yes nor no" NOT_EITHER, value);
    else if (strcmp(attribute->name, "groups") == 0 && *value == 'n')
        xservice_lose(service, attribute, "programs have all groups that their user is in");
}

static const struct known {
    const char *name;
    bool in_defaults, is_list; // that += and -= change
    size_t n_values;           // 0: any number
    take_attribute *take;      // NULL: it is read where it is needed, or nothing is to do
} table[] = {
    {"access_times", false, false, 0, take_access_times},
    {"banner", true, false, 1, take_lost},
    {"banner_fail", true, false, 1, take_banner_fail},
    {"banner_success", true, false, 1, take_lost},
    {"bind", true, false, 1, NULL},
    {"cps", true, false, 2, take_cps},
    {"deny_time", false, false, 1, take_lost},
    {"disable", false, false, 1, take_switch},
    {"disabled", true, true, 0, NULL},
    {"enabled", true, true, 0, NULL},
    {"env", false, true, 0, xservice_env},
    {"flags", false, false, 0, take_flags},
    {"group", false, false, 1, NULL},
    {"groups", true, false, 1, take_switch},
    {"id", false, false, 1, NULL},
    {"instances", true, false, 1, take_instances},
    {"interface", true, false, 1, NULL},
    {"libwrap", false, false, 1, take_lost},
    {"log_on_failure", true, true, 0, take_log_on},
    {"log_on_success", true, true, 0, take_log_on},
    {"log_type", true, false, 0, take_log_type},
    {"max_load", true, false, 1, take_lost},
    {"mdns", true, false, 1, take_lost},
    {"nice", false, false, 1, take_nice},
    {"no_access", true, true, 0, NULL},
    {"only_from", true, true, 0, NULL},
    {"passenv", true, true, 0, xservice_passenv},
    {"per_source", true, false, 1, take_per_source},
    {"port", false, false, 1, NULL},
    {"protocol", false, false, 1, NULL},
    {"redirect", false, false, 2, NULL},
    {"rlimit_as", false, false, 1, take_limit},
    {"rlimit_cpu", false, false, 1, take_limit},
    {"rlimit_data", false, false, 1, take_lost},
    {"rlimit_files", false, false, 1, take_limit},
    {"rlimit_rss", false, false, 1, take_lost},
    {"rlimit_stack", false, false, 1, take_lost},
    {"rpc_number", false, false, 1, take_lost},
    {"rpc_version", false, false, 1, take_lost},
    {"server", false, false, 1, NULL},
    {"server_args", false, false, 0, NULL},
    {"socket_type", false, false, 1, NULL},
    {"type", false, false, 0, NULL},
    {"umask", true, false, 1, take_umask},
    {"user", false, false, 1, NULL},
    {"v6only", true, false, 1, take_switch},
    {"wait", false, false, 1, NULL},
};

static const struct known *find_known(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static bool is_for_programs(const struct known *known)
{
    return known->take == take_nice || known->take == take_umask || known->take == take_limit ||
           known->take == xservice_env;
}

static void take(struct xservice *service, const struct xsection *section,
                 const struct xattribute *attribute)
{
    const struct known *known = find_known(attribute->name);
    size_t n = attribute->values.n;

    if (!known)
        xservice_lose(service, attribute, "there is no such attribute; xinetd passes over it");
    else if (service->is_defaults && !known->in_defaults)
        xservice_lose(service, attribute, "it is not for defaults; xinetd passes over it");
    else if (!known->is_list && attribute->op != XOP_SET)
        xservice_lose(service, attribute, "it cannot have += or -=; xinetd passes over it");
    else if (known->n_values > 0 && n != known->n_values)
        xservice_lose(service, attribute, "it has %zu values, not %zu; xinetd passes over it", n,
                      known->n_values);
    else if (!known->is_list && xsection_find(section, attribute->name) != attribute)
        xservice_lose(service, attribute, "it is there twice; as with xinetd the first one counts");
    else if (known->take && is_for_programs(known) && !service->is_defaults &&
             !service->entry->program)
        xservice_lose(service, attribute, "it is for programs, which a built-in service has not");
    else if (known->take)
        known->take(service, attribute);
}

// Whether a service has from the defaults what they have there.
static bool is_inherited(const struct xservice *service, const struct xattribute *attribute)
{
    const struct known *known = find_known(attribute->name);

    return known && known->in_defaults &&
           (known->is_list || !xsection_find(service->section, attribute->name));
}

void xservice_settings(struct xservice *service)
{
    for (size_t i = 0; i < service->section->n; i++)
        take(service, service->section, &service->section->attributes[i]);
    service->is_inherited = true;
    for (size_t i = 0; service->defaults && i < service->defaults->n; i++)
        if (is_inherited(service, &service->defaults->attributes[i]))
            take(service, service->defaults, &service->defaults->attributes[i]);
    service->is_inherited = false;
}
