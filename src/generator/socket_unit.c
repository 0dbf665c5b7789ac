// SPDX-License-Identifier: MIT
// Socket units. An address that a unit cannot have is left out with a problem; the others stay.

#include "generator/socket_unit.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <nss.h>
#include <string.h>

#include "base/base.h"
#include "base/escape.h"
#include "config/unit_filter.h"

void names_files_only(void)
{
    static const char *const databases[] = {"hosts", "services", "passwd", "group", "initgroups"};

    for (size_t i = 0; i < ELEMENTS(databases); i++)
        (void)__nss_configure_lookup(databases[i], "files"); // fails for unknown databases only
}

bool unit_is_for(const struct service *service)
{
    for (const char *c = service->name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
            return false;
    return service->name[0] != '\0' && strlen(service->name) <= 64;
}

void unit_name(const struct unit_family *family, const struct service *service, char *name,
               size_t size)
{
    (void)snprintf(name, size, "%s%s.socket", family->prefix, service->name);
}

void taken_addresses_done(struct taken_addresses *taken)
{
    for (size_t i = 0; i < taken->n; i++)
        free(taken->texts[i]);
    free(taken->texts);
    *taken = (struct taken_addresses){0};
}

// False when the address is in a unit already, for sockets of this type.
static bool take(struct taken_addresses *taken, const char *setting, const char *address)
{
    cleanup_free char *text = NULL;

    if (asprintf(&text, "%s=%s", setting, address) < 0)
        base_out_of_memory();
    for (size_t i = 0; i < taken->n; i++)
        if (strcmp(taken->texts[i], text) == 0)
            return false;
    taken->texts = base_checked(reallocarray(taken->texts, taken->n + 1, sizeof(taken->texts[0])));
    taken->texts[taken->n++] = base_checked(strdup(text));
    return true;
}

// A unit file takes control characters, and a backslash at the end of a line, for its own; it drops
// white space at both ends, and lines that are not UTF-8.
static bool is_writable(const char *value)
{
    size_t length = strlen(value);

    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)value[i]))
            return false;
    return length > 0 && value[length - 1] != '\\' && !isspace((unsigned char)value[0]) &&
           !isspace((unsigned char)value[length - 1]) && escape_is_utf8(value, length);
}

// Writes "NAME=VALUE"; % begins a specifier in unit files.
static void write_value(FILE *stream, const char *name, const char *value)
{
    (void)fprintf(stream, "%s=", name);
    for (; *value; value++)
        (void)fprintf(stream, *value == '%' ? "%%%%" : "%c", *value);
    (void)fputc('\n', stream);
}

// The setting for sockets of a type.
static const char *listen_setting(int type)
{
    return type == SOCK_DGRAM       ? "ListenDatagram"
           : type == SOCK_SEQPACKET ? "ListenSequentialPacket"
                                    : "ListenStream";
}

static bool write_path(FILE *stream, const struct listen *entry, struct taken_addresses *taken,
                       struct problems *problems)
{
    if (!is_writable(entry->spec.path)) {
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\": such a path cannot stand in a socket unit", entry->text);
        return false;
    }
    if (!take(taken, listen_setting(entry->spec.type), entry->spec.path))
        return false; // the check of the configuration has told
    write_value(stream, listen_setting(entry->spec.type), entry->spec.path);
    return true;
}

// systemd.socket(5) has the interface behind the port: [fe80::1]:7%eth0.
static void format(const struct address *address, char *text, size_t size)
{
    struct address plain = *address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&plain.storage;
    unsigned scope = plain.any.sa_family == AF_INET6 ? in6->sin6_scope_id : 0;
    char name[IF_NAMESIZE];
    size_t used;

    if (scope != 0)
        in6->sin6_scope_id = 0;
    (void)address_format(&plain.any, plain.length, text, size);
    used = strlen(text);
    if (scope != 0 && if_indextoname(scope, name))
        (void)snprintf(text + used, size - used, "%%%s", name);
    else if (scope != 0)
        (void)snprintf(text + used, size - used, "%%%u", scope);
}

// A unit with an address that this kernel cannot have does not start, nor do its others. False: it
// is left out.
static bool can_have(const struct listen *entry, const struct address *address,
                     struct problems *problems)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&address->storage;
    cleanup_close int fd = socket(address->any.sa_family, address->type | SOCK_CLOEXEC, 0);

    if (fd < 0 && errno == EAFNOSUPPORT && !address->dual_stack) {
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\": this machine has no IPv6; left out of the unit",
                     entry->text);
        return false;
    }
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) &&
        in6->sin6_scope_id == 0) {
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\": a link-local address is one of an interface; write its name "
                     "as well: [%s%%eth0]:%s",
                     entry->text, entry->spec.host, entry->spec.port);
        return false;
    }
    return true;
}

static bool write_address(FILE *stream, const struct address *address, bool split,
                          struct taken_addresses *taken)
{
    char text[ADDRESS_TEXT_MAX + IF_NAMESIZE];
    const char *setting = listen_setting(address->type);
    unsigned port = address_port(&address->any);

    if (address->dual_stack)
        (void)snprintf(text, sizeof(text), "%u", port); // [::], or 0.0.0.0 without IPv6
    else
        format(address, text, sizeof(text));
    if (!take(taken, setting, text))
        return false; // the check of the configuration has told, or a name is there twice
    if (address->dual_stack && split)
        (void)fprintf(stream, "%s=0.0.0.0:%u\n%s=[::]:%u\n", setting, port, setting, port);
    else
        write_value(stream, setting, text);
    return true;
}

static size_t write_inet(FILE *stream, const struct listen *entry, bool split,
                         struct taken_addresses *taken, struct problems *problems)
{
    struct address list[ADDRESS_MAX];
    int n = address_resolve(&entry->spec, AF_UNSPEC, true, list, ELEMENTS(list));
    size_t n_written = 0;

    if (n <= 0) {
        problems_add(
            problems, entry->file, entry->line,
            "listen = \"%s\": %s; a socket unit is made before there is a network: write a "
            "number, or a name in /etc/hosts",
            entry->text, address_strerror(n));
        return 0;
    }
    if (address_port(&list[0].any) == 0) {
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\": port 0 cannot stand in a socket unit", entry->text);
        return 0;
    }
    for (int i = 0; i < n; i++)
        if (can_have(entry, &list[i], problems))
            n_written += write_address(stream, &list[i], split, taken);
    return n_written;
}

static bool has_wildcard(const struct service *service, bool dual_stack)
{
    for (size_t i = 0; i < service->listen.n; i++) {
        const struct address_spec *spec = &service->listen.items[i].spec;

        if (dual_stack ? spec->kind == ADDRESS_WILDCARD
                       : spec->kind == ADDRESS_INET && strcmp(spec->host, "::") == 0)
            return true;
    }
    return false;
}

static bool has_datagrams(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.type == SOCK_DGRAM)
            return true;
    return false;
}

static void write_owner(FILE *stream, const struct service *service, const char *name,
                        const char *value, struct problems *problems)
{
    if (!value)
        return;
    if (is_writable(value))
        write_value(stream, name, value);
    else
        problems_add(problems, service->file, service->line, "\"%s\" cannot be a %s", value, name);
}

static void write_head(FILE *stream, const struct unit_family *family,
                       const struct service *service, const char *previous)
{
    char file[PATH_MAX]; // a file's name may hold anything, a line break, too

    (void)escape_bytes(service->file, strlen(service->file), file, sizeof(file));
    (void)fprintf(stream,
                  "# Made by tcpd-generator from %s; see tcpd-generator(8).\n"
                  "[Unit]\n"
                  "Description=tcpd service %s\n"
                  "Documentation=man:tcpd.conf(5) man:tcpd-generator(8)\n",
                  file, service->name);
    if (service->file[0] == '/' && is_writable(service->file))
        write_value(stream, "SourcePath", service->file);
    (void)fprintf(stream,
                  "PartOf=%s.socket\n"
                  "Before=%s.socket\n"
                  "StartLimitIntervalSec=0\n",
                  family->base, family->base);
    if (previous)
        (void)fprintf(stream, "After=%s\n", previous);
    (void)fprintf(stream,
                  "\n"
                  "[Socket]\n"
                  "Service=%s.service\n"
                  "FileDescriptorName=%s\n",
                  family->base, service->name);
}

size_t socket_unit_write(FILE *stream, const struct unit_family *family,
                         const struct service *service, const char *previous,
                         struct taken_addresses *taken, struct problems *problems)
{
    // BindIPv6Only= is one for all addresses of a unit.
    bool dual = has_wildcard(service, true), split = dual && has_wildcard(service, false);
    bool paths = false;
    size_t n = 0;

    write_head(stream, family, service, previous);
    for (size_t i = 0; i < service->listen.n; i++) {
        const struct listen *entry = &service->listen.items[i];

        if (entry->spec.kind != ADDRESS_UNIX) {
            n += write_inet(stream, entry, split, taken, problems);
        } else if (write_path(stream, entry, taken, problems)) {
            paths = true;
            n++;
        }
    }
    (void)fprintf(stream, "BindIPv6Only=%s\n", dual && !split ? "both" : "ipv6-only");
    (void)fprintf(stream, "Backlog=%u\nFreeBind=yes\nTriggerLimitIntervalSec=0\n",
                  service->backlog);
    if (has_datagrams(service))
        (void)fprintf(stream, "PassPacketInfo=yes\n"); // of those that come before tcpd, too
    unit_filter_write(stream, service);
    if (service->receive_buffer > 0)
        (void)fprintf(stream, "ReceiveBuffer=%" PRId64 "\n", service->receive_buffer);
    if (paths) {
        (void)fprintf(stream, "SocketMode=0%o\nRemoveOnStop=yes\n", service->socket_mode);
        write_owner(stream, service, "SocketUser", service->socket_user, problems);
        write_owner(stream, service, "SocketGroup", service->socket_group, problems);
    }
    return n;
}
