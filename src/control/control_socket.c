// SPDX-License-Identifier: MIT
// The path of a unix socket as those of services are, with the mode 0600.

#include "control/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "base/holder.h"
#include "config/config_check.h"
#include "config/handler.h"
#include "listen/listener_inherit.h"
#include "log/log.h"

#define BACKLOG   128
#define LOOK_USEC USEC_PER_SEC

char *control_spell(const char *text)
{
    bool has_prefix = strncmp(text, "unix:", strlen("unix:")) == 0;
    bool is_relative = text[0] != '/' && !has_prefix;
    cleanup_free char *here = is_relative ? getcwd(NULL, 0) : NULL;
    char *spelled = NULL;

    if (asprintf(&spelled, "%s%s%s%s", has_prefix ? "" : "unix:", here ? here : "", here ? "/" : "",
                 text) < 0)
        base_out_of_memory();
    return spelled;
}

static void complain(const struct listen *entry, const char *why, struct problems *problems)
{
    problems_add(problems, entry->file, entry->line, "control = \"%s\": %s", entry->text, why);
}

static int fail_bind(const struct listen *entry, const struct address *address, int error,
                     struct problems *problems)
{
    char who[HOLDER_TEXT_MAX], why[HOLDER_TEXT_MAX + 64];
    struct holder holder;

    if (error == -EADDRINUSE) {
        holder_find(address, LOOK_USEC, &holder);
        (void)snprintf(why, sizeof(why), "address already in use: %s",
                       holder_describe(&holder, address, who, sizeof(who)));
    } else {
        (void)snprintf(why, sizeof(why), "%s",
                       error == -ENOENT   ? "its directory does not exist"
                       : error == -EEXIST ? "the path exists and is not a socket"
                                          : strerror(-error));
    }
    complain(entry, why, problems);
    return error;
}

static int bind_to(const struct listen *entry, struct control_socket *control,
                   struct problems *problems)
{
    const struct service owner = {
        .backlog = BACKLOG, .socket_mode = 0600, .socket_uid = (uid_t)-1, .socket_gid = (gid_t)-1};
    int r;

    (void)address_resolve(&entry->spec, AF_UNSPEC, true, &control->address, 1); // copies the path
    r = path_listen(&owner, &control->address, &control->fd, &control->object);
    return r < 0 ? fail_bind(entry, &control->address, r, problems) : 0;
}

// There is no control socket: who asks the master finds nobody.
static void warn(const struct config *config)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (config->services[i].handler->asks_master)
            log_warning("service \"%s\" has nobody to ask: tcpd has no control socket; see control "
                        "in tcpd.conf(5)",
                        config->services[i].name);
}

int control_socket_open(struct control_socket *control, const struct config *config,
                        struct problems *problems)
{
    static char option[] = "--control";
    struct listen given = {.text = control->given, .file = option, .line = -1};
    const struct listen *entry = control->given ? &given : &config->control;
    const char *wrong = control->given ? address_parse(control->given, &given.spec) : NULL;

    control->fd = inherited_take_control();
    if (wrong || (entry->text && !config_is_control(&entry->spec))) {
        complain(entry, wrong ? wrong : "has to be a path: unix:/PATH", problems);
        return -EDESTADDRREQ;
    }
    if (!entry->text && control->fd < 0)
        warn(config);
    if (!entry->text)
        return 0;
    if (control->fd < 0)
        return bind_to(entry, control, problems);
    log_warning("control = \"%s\" is not opened: systemd has handed over a control socket, which "
                "is used",
                entry->text);
    return 0;
}

int control_socket_take(struct control_socket *control)
{
    return base_take_fd(&control->fd);
}

void control_socket_close(struct control_socket *control)
{
    base_close_fd(&control->fd);
    if (control->object.inode != 0)
        path_remove(&control->address, &control->object);
    free(control->given);
    *control = (struct control_socket){.fd = -1};
}
