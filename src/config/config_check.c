// SPDX-License-Identifier: MIT
// Checks that need more than one option. All are made, so that one run tells all that is wrong.

#include "config/config_check.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/answers.h"
#include "base/base.h"
#include "config/handler.h"

#define RECEIVE_BUFFER_MOST (INT64_C(1) << 30)

// A default that is above a given max_workers gives way; a given number is an error.
static void check_workers(struct service *service, const struct section *section,
                          struct problems *problems)
{
    const struct {
        const char *name;
        unsigned *workers;
    } bounded[] = {{"min_workers", &service->min_workers},
                   {"spare_workers", &service->spare_workers}};

    for (size_t i = 0; i < ELEMENTS(bounded); i++) {
        int line = section_line(section, bounded[i].name);

        if (*bounded[i].workers <= service->max_workers)
            continue;
        if (line != 0)
            problems_add(problems, service->file, line,
                         "%s = %u of service \"%s\" is above max_workers = %u", bounded[i].name,
                         *bounded[i].workers, service->name, service->max_workers);
        *bounded[i].workers = service->max_workers;
    }
}

const struct handler *handler_find(const struct handler *const *handlers, const char *name)
{
    for (; *handlers; handlers++)
        if (strcmp((*handlers)->name, name) == 0)
            return *handlers;
    return NULL;
}

static void check_handler(struct service *service, const struct section *section,
                          struct problems *problems)
{
    char names[256];

    if (service->handler && service->handler->prepare)
        service->handler->prepare(service, section, problems);
    if (!service->handler && section_line(section, "handler") == 0) // else it is refused already
        problems_add(problems, service->file, service->line,
                     "service \"%s\" has no handler; one of: %s", service->name,
                     section_variants(section->kind, names, sizeof(names)));
}

const char config_name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool is_good_name(const char *name)
{
    size_t length = strlen(name);

    return length >= 1 && length <= 64 && strspn(name, config_name_characters) == length;
}

// What cannot be served yet, and why; NULL: it can be.
static const char *listen_lacks(const struct service *service, const struct address_spec *spec)
{
    if (spec->speaks != SPEAKS_PLAIN && service->leaves_clients)
        return spec->speaks == SPEAKS_WS
                   ? "is not for a program that accepts by itself: it would meet frames, not "
                     "messages"
                   : "is not for a program that accepts by itself: it would meet what is encrypted";
    if (spec->type != SOCK_DGRAM || service->leaves_clients || !service->handler ||
        service->handler->loads_code) // which is asked when it is loaded
        return NULL;
    if (service->handler->starts_processes)
        return "is not for programs but with program_mode = wait or listener: it would be a "
               "process per datagram, whose sender may be forged";
    if (!(service->handler->face.kinds & TCPD_DATAGRAMS))
        return "is for datagrams, which this handler cannot serve";
    return NULL;
}

static void check_listen(const struct service *service, struct problems *problems)
{
    for (size_t i = 0; i < service->listen.n; i++) {
        const struct listen *entry = &service->listen.items[i];
        const char *lacks = listen_lacks(service, &entry->spec);

        if (lacks)
            problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                         lacks);
    }
}

// The stricter lists have no exec.
static void check_sandbox(const struct service *service, const struct section *section,
                          struct problems *problems)
{
    if ((service->sandbox == SANDBOX_STRICT || service->sandbox == SANDBOX_MODULES) &&
        service->handler && service->handler->starts_processes && !service->handler->loads_code)
        problems_add(problems, service->file, section_line(section, "sandbox"),
                     "sandbox of service \"%s\" is not for programs; they have auto, programs "
                     "or off",
                     service->name);
    if (service->new_privileges && service->sandbox != SANDBOX_AUTO &&
        service->sandbox != SANDBOX_OFF)
        problems_add(problems, service->file, section_line(section, "new_privileges"),
                     "new_privileges = yes of service \"%s\" is not for a sandbox, in which "
                     "nothing gains privileges; with sandbox = auto or off there is none",
                     service->name);
}

void config_check_service(struct service *service, const struct section *section,
                          struct problems *problems)
{
    if (!is_good_name(service->name))
        problems_add(problems, service->file, service->line,
                     "\"%s\" is not a service name; 1 to 64 of letters, digits, '.', '_', '-'",
                     service->name);
    check_handler(service, section, problems); // it may know how many workers there are
    check_workers(service, section, problems);
    check_listen(service, problems);
    check_sandbox(service, section, problems);
    config_check_websocket(service, section, problems);
    config_check_access(service, section, problems);
    config_check_proxy(service, section, problems);
    if (service->receive_buffer < 0 || service->receive_buffer > RECEIVE_BUFFER_MOST)
        problems_add(problems, service->file, section_line(section, "receive_buffer"),
                     "receive_buffer of service \"%s\" must be between 0 and 1G", service->name);
    service->socket_user_line = section_line(section, "socket_user");
    service->socket_group_line = section_line(section, "socket_group");
}

void config_check_beside(const struct config *config, struct problems *problems)
{
    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        if (!service->is_again && service->handler && service->handler->check)
            service->handler->check(service, config, problems);
    }
}

static const char the_user[] = "the owner", the_group[] = "the group";

// The number of a user or a group; 0 or an errno: ENOENT is for a name that nobody has.
static int find_id(const char *what, const char *name, unsigned *ret)
{
    bool is_user = strcmp(what, the_user) == 0;
    struct answer answer;
    int r = answers_find(what, name, &answer);

    if (r > 0)
        memcpy(ret, answer.bytes, sizeof(*ret));
    if (r != 0)
        return r < 0 ? -r : 0;
    errno = 0;
    if (is_user) {
        const struct passwd *user = getpwnam(name);

        r = user ? 0 : errno != 0 ? errno : ENOENT;
        *ret = user ? user->pw_uid : 0;
    } else {
        const struct group *group = getgrnam(name);

        r = group ? 0 : errno != 0 ? errno : ENOENT;
        *ret = group ? group->gr_gid : 0;
    }
    if (r == 0)
        answers_note(what, name, ret, sizeof(*ret));
    else
        answers_note_failure(what, name, r);
    return r;
}

// The number, (unsigned)-1: none is asked for, or it is a problem.
static unsigned find_owner(const struct service *service, const char *setting, const char *what,
                           const char *name, int line, struct problems *problems)
{
    unsigned id = 0;
    int error = name ? find_id(what, name, &id) : 0;
    bool absent = error == ENOENT || error == ESRCH || error == EBADF;

    if (name && error == 0)
        return id;
    if (name)
        problems_add(problems, service->file, line, "%s = \"%s\" of service \"%s\": %s", setting,
                     name, service->name, absent ? "there is no such name" : strerror(error));
    return (unsigned)-1;
}

int config_find_owners(struct config *config, struct problems *problems)
{
    size_t before = problems->n;

    for (size_t i = 0; i < config->n_services; i++) {
        struct service *service = &config->services[i];

        service->socket_uid = find_owner(service, "socket_user", the_user, service->socket_user,
                                         service->socket_user_line, problems);
        service->socket_gid = find_owner(service, "socket_group", the_group, service->socket_group,
                                         service->socket_group_line, problems);
    }
    return problems->n > before ? -EDESTADDRREQ : 0;
}

// Two entries that cannot both be bound: the same address, or one port with and without "*", for
// sockets of one type. Port 0 asks for any, so it may stand twice.
static bool is_same_listen(const struct listen *a, const struct listen *b)
{
    bool unix_path = a->spec.kind == ADDRESS_UNIX || b->spec.kind == ADDRESS_UNIX;
    bool any_host = a->spec.kind == ADDRESS_WILDCARD || b->spec.kind == ADDRESS_WILDCARD;

    if (unix_path)
        return a->spec.kind == b->spec.kind && strcmp(a->spec.path, b->spec.path) == 0;
    return a->spec.type == b->spec.type && strcmp(a->spec.port, b->spec.port) == 0 &&
           strcmp(a->spec.port, "0") != 0 && (any_host || strcmp(a->spec.host, b->spec.host) == 0);
}

static void add_duplicate(struct problems *problems, const struct listen *entry,
                          const struct listen *other, const char *name)
{
    char where[32] = "";

    if (other->line > 0)
        (void)snprintf(where, sizeof(where), " at line %d", other->line);
    problems_add(problems, entry->file, entry->line, "listen = \"%s\" is taken by service \"%s\"%s",
                 entry->text, name, where);
}

static void check_duplicate(const struct config *config, const struct listen *entry,
                            struct problems *problems)
{
    for (size_t s = 0; s < config->n_services; s++)
        for (size_t i = 0; !config->services[s].is_again && i < config->services[s].listen.n; i++) {
            const struct listen *other = &config->services[s].listen.items[i];

            if (other == entry)
                return; // the rest comes after it and is compared with it later
            if (is_same_listen(other, entry)) {
                add_duplicate(problems, entry, other, config->services[s].name);
                return;
            }
        }
}

// The control socket's path is no service's.
static void check_path_of(const struct service *service, const struct listen *control,
                          struct problems *problems)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (is_same_listen(&service->listen.items[i], control))
            problems_add(problems, control->file, control->line,
                         "control = \"%s\" is taken by service \"%s\"", control->text,
                         service->name);
}

static void check_control(const struct config *config, struct problems *problems)
{
    const struct listen *entry = &config->control;

    if (!entry->text)
        return;
    if (!config_is_control(&entry->spec))
        problems_add(problems, entry->file, entry->line,
                     "control = \"%s\" has to be a path: unix:/PATH", entry->text);
    for (size_t s = 0; s < config->n_services; s++)
        check_path_of(&config->services[s], entry, problems);
}

bool config_is_control(const struct address_spec *spec)
{
    return spec->kind == ADDRESS_UNIX && spec->type == SOCK_STREAM && spec->speaks == SPEAKS_PLAIN;
}

void config_check_addresses(const struct config *config, struct problems *problems)
{
    for (size_t s = 0; s < config->n_services; s++)
        for (size_t i = 0; !config->services[s].is_again && i < config->services[s].listen.n; i++)
            check_duplicate(config, &config->services[s].listen.items[i], problems);
    check_control(config, problems);
}
