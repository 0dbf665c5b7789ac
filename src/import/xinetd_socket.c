// SPDX-License-Identifier: MIT
// What a service of xinetd's is, what it runs, and where it listens.

#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "import/xinetd_private.h"

static bool drop(struct xservice *service, const char *why)
{
    import_drop(service->import, &service->section->place, service->section->source,
                service->entry->is_off, "%s", why);
    return false;
}

static bool is_type(const struct xservice *service, const char *type)
{
    return xsection_has(service->section, "type", type);
}

static bool is_flag(const struct xservice *service, const char *flag)
{
    return xsection_has(service->section, "flags", flag);
}

// What tcpd has no kind of service for; NULL: it has.
static const char *refuse_type(const struct xservice *service)
{
    if (is_type(service, "RPC"))
        return "type RPC is not served; run it under systemd, with rpcbind";
    if (is_type(service, "TCPMUX") || is_type(service, "TCPMUXPLUS"))
        return "type TCPMUX is not served; give the service a port of its own";
    if (is_type(service, "SPECIAL"))
        return "type SPECIAL is a service of xinetd itself; see tcpdctl status";
    if (is_flag(service, "SENSOR"))
        return "flags SENSOR serves nobody; tcpd has no such trap";
    return NULL;
}

// 0: neither tells.
static int find_type(const char *socket_type, const char *protocol)
{
    if (socket_type)
        return strcmp(socket_type, "stream") == 0  ? SOCK_STREAM
               : strcmp(socket_type, "dgram") == 0 ? SOCK_DGRAM
                                                   : 0;
    return !protocol                      ? 0
           : strcmp(protocol, "tcp") == 0 ? SOCK_STREAM
           : strcmp(protocol, "udp") == 0 ? SOCK_DGRAM
                                          : 0;
}

static const char *find_handler(const char *name)
{
    static const char *const handlers[] = {"echo", "discard", "chargen", "daytime", "time"};

    for (size_t i = 0; i < ELEMENTS(handlers); i++)
        if (strcmp(handlers[i], name) == 0)
            return handlers[i];
    return NULL;
}

static void take_port(struct xservice *service, struct door *door)
{
    const struct xattribute *attribute = xsection_find(service->section, "port");
    const char *port = xsection_value(service->section, "port");
    unsigned long number = port ? strtoul(port, NULL, 10) : 0;

    if (port) {
        if (strspn(port, "0123456789") != strlen(port) || strlen(port) > 5 || number > 65535 ||
            number == 0)
            xservice_block(service, attribute, "%s is no port; xinetd does not serve it either",
                           port);
        else
            door->port = (unsigned)number;
        return;
    }
    door->port = service->import->world->port(service->section->name, service->entry->type);
    if (door->port == 0)
        import_block(service->import, service->entry, &service->section->place,
                     "/etc/services has no port for \"%s\"; write its number in a listen, and "
                     "remove the # below",
                     service->section->name);
}

static const char *find_bind(const struct xsection *section)
{
    const char *bind = xsection_value(section, "bind");

    return bind ? bind : xsection_value(section, "interface");
}

static void take_address(struct xservice *service)
{
    const char *bind = find_bind(service->section),
               *own_v6 = xsection_value(service->section, "v6only");
    const char *v6only = own_v6 ? own_v6 : xsection_value(service->defaults, "v6only");
    bool is_v6 = v6only && strcmp(v6only, "yes") == 0;
    struct door door = {.kind = is_v6                                                   ? DOOR_IPV6
                                : is_flag(service, "IPv4") && !is_flag(service, "IPv6") ? DOOR_IPV4
                                                                                        : DOOR_ANY};
    cleanup_free char *host = NULL;

    if (!bind)
        bind = find_bind(service->defaults);
    take_port(service, &door);
    if (bind && strcmp(bind, "0.0.0.0") == 0) {
        door.kind = DOOR_IPV4;
    } else if (bind && strcmp(bind, "::") == 0) {
        door.kind = is_v6 ? DOOR_IPV6 : DOOR_ANY;
    } else if (bind) {
        door.kind = DOOR_HOST;
        host = text_make("%s", bind);
        door.host = host;
    }
    if (door.port != 0)
        entry_listen(service->entry, &door);
}

static void take_user(struct xservice *service)
{
    const char *user = xsection_value(service->section, "user");
    const char *group = xsection_value(service->section, "group");

    service->entry->user = user ? text_make("%s", user) : NULL;
    service->entry->group = group ? text_make("%s", group) : NULL;
}

static void take_program(struct xservice *service)
{
    struct entry *entry = service->entry;
    const struct xattribute *arguments = xsection_find(service->section, "server_args");
    const char *server = xsection_value(service->section, "server");
    const char *slash = strrchr(server, '/');

    entry->handler = "program";
    entry->program = text_make("%s", server);
    if (!is_flag(service, "NAMEINARGS") || !arguments || arguments->values.n == 0)
        words_add(&entry->arguments, slash ? slash + 1 : server,
                  strlen(slash ? slash + 1 : server));
    if (arguments)
        words_copy(&entry->arguments, &arguments->values);
    take_user(service);
    if (!entry->user)
        import_block(service->import, entry, &service->section->place,
                     "user is missing; xinetd does not serve it either");
    if (entry->type == SOCK_DGRAM && !entry->waits) {
        entry->waits = true; // what may work
        import_block(service->import, entry, &service->section->place,
                     "dgram with wait = no is a process for each datagram, whose sender may be "
                     "forged; if the program can do with wait, remove the # below");
    }
}

// What passes connections on is another program.
static void take_redirect(struct xservice *service, const struct xattribute *redirect)
{
    struct entry *entry = service->entry;
    bool is_right = redirect->values.n == 2;
    const char *host = is_right ? redirect->values.items[0] : "HOST";
    bool has_colon = strchr(host, ':') != NULL;
    cleanup_free char *target = text_make("TCP:%s%s%s:%s", has_colon ? "[" : "", host,
                                          has_colon ? "]" : "",
                                          is_right ? redirect->values.items[1] : "PORT");

    entry->handler = "program";
    entry->program = text_make("/usr/bin/socat");
    take_user(service);
    words_add(&entry->arguments, entry->program, strlen(entry->program));
    words_add(&entry->arguments, "-", 1);
    words_add(&entry->arguments, target, strlen(target));
    xservice_block(service, redirect,
                   "tcpd does not pass connections on; socat does as below, or better a unit with "
                   "systemd-socket-proxyd");
}

// NULL, or what is missing.
static const char *begin_entry(struct xservice *service)
{
    const struct xsection *section = service->section;
    const char *socket_type = xsection_value(section, "socket_type");
    const char *protocol = xsection_value(section, "protocol"), *id = xsection_value(section, "id");
    const char *wait = xsection_value(section, "wait");
    int type = find_type(socket_type, protocol);
    bool is_off = service->entry->is_off;

    if (type == 0 && (socket_type || protocol))
        return "there are socket_type stream with protocol tcp, and dgram with udp; run it by "
               "itself, under systemd";
    if (type == 0)
        return "socket_type is missing; xinetd does not serve it either";
    if (protocol && strcmp(protocol, type == SOCK_STREAM ? "tcp" : "udp") != 0)
        return "its protocol is not served; there are tcp with stream, and udp with dgram";
    if (!wait || (strcmp(wait, "yes") != 0 && strcmp(wait, "no") != 0))
        return "wait is neither yes nor no; xinetd does not serve it either";
    if (is_type(service, "INTERNAL") && !find_handler(section->name))
        return "tcpd has no such internal service; see tcpdctl status";
    if (!is_type(service, "INTERNAL") && !xsection_value(section, "server") &&
        !xsection_find(section, "redirect"))
        return "server is missing; xinetd does not serve it either";
    service->entry = import_entry(service->import, &section->place, id ? id : section->name);
    service->entry->is_off = is_off;
    service->entry->type = type;
    service->entry->waits = strcmp(wait, "yes") == 0;
    service->entry->comment = import_plain(section->name);
    return NULL;
}

bool xservice_begin(struct xservice *service)
{
    const struct xattribute *redirect = xsection_find(service->section, "redirect");
    const char *wrong = refuse_type(service);

    if (!wrong)
        wrong = begin_entry(service);
    if (wrong)
        return drop(service, wrong);
    if (is_type(service, "INTERNAL")) {
        service->entry->handler = find_handler(service->section->name);
        service->entry->waits = false;
        if (strcmp(service->entry->handler, "daytime") == 0)
            import_lose(service->import, service->entry, &service->section->place,
                        "the text of daytime is another one: \"Saturday, November 21, 2026 "
                        "02:03:36-UTC\"; format = iso8601 has a third");
    } else if (redirect)
        take_redirect(service, redirect);
    else
        take_program(service);
    take_address(service);
    if (!is_flag(service, "NOLIBWRAP") && service->import->world->has_wrappers())
        import_block(service->import, service->entry, &service->section->place,
                     "xinetd asks /etc/hosts.allow and hosts.deny, which tcpd does not; put "
                     "/usr/sbin/tcpd before the program, or write allow and deny, and remove "
                     "the # below");
    return true;
}
