// SPDX-License-Identifier: MIT
// module: serves with somebody else's shared object, tcpd-handler(3). The master looks at the file
// and never loads it; each worker does, before its first accept(). What the module does wrong costs
// its worker and the session in hand: a crash, a hang (module_watch.h), a call of exit().

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "handlers/handler.h"
#include "log/log.h"
#include "module/module_load.h"
#include "module/module_try.h"
#include "module/module_watch.h"
#include "worker/worker.h"

static const struct tcpd_handler *face;

// exit(3) would write what the master had in its buffers, and look like an orderly end.
static void on_exit_called(void)
{
    _exit(WORKER_EXIT_MODULE_EXITED);
}

int module_open(const struct tcpd_worker *worker, char *ret_wrong, size_t size)
{
    const char *path = worker->service->options.module;
    const char *wrong;
    int r;

    if (atexit(on_exit_called) != 0 || at_quick_exit(on_exit_called) != 0) {
        (void)snprintf(ret_wrong, size, "out of memory");
        return -1;
    }
    face = module_load(path, &wrong);
    if (!face) {
        (void)snprintf(ret_wrong, size, "%s", wrong);
        return -1;
    }
    r = face->open ? face->open(worker) : 0;
    if (r < 0)
        (void)snprintf(ret_wrong, size, "its open() has failed, %d", r);
    return r;
}

void module_close(void)
{
    if (face->close)
        face->close();
}

static int open_worker(const struct tcpd_worker *worker)
{
    const struct service *service = worker->service;
    const struct handler_options *options = &service->options;
    char wrong[1000], place[512];
    int r = module_watch_start(options->hang_usec, service->name, options->module);

    if (r < 0) {
        log_error("SIGALRM cannot be caught: %s", strerror(-r));
        return r;
    }
    module_watch_enter(NULL);
    r = module_open(worker, wrong, sizeof(wrong));
    module_watch_leave();
    if (r < 0)
        log_error("%s: module \"%s\" of service \"%s\": %s",
                  config_place(service->file, options->module_line, place, sizeof(place)),
                  options->module, service->name, wrong);
    return r;
}

static void serve(struct tcpd_session *session)
{
    session->is_ticking = true;
    module_watch_enter(session);
    face->serve(session);
    module_watch_leave();
}

static void close_worker(void)
{
    module_watch_enter(NULL);
    module_close();
    module_watch_leave();
}

// A relative path begins where the configuration file is. There is always a slash in it: without
// one dlopen(3) would look in the system's folders.
static void resolve(struct service *service)
{
    const char *slash = strrchr(service->file, '/');
    int directory = slash ? (int)(slash - service->file) : 1;
    char *path = service->options.module;

    if (path[0] == '/')
        return;
    if (asprintf(&service->options.module, "%.*s/%s", directory, slash ? service->file : ".",
                 path) < 0)
        abort();
    free(path);
}

static void check_options(const struct service *service, int line, struct problems *problems)
{
    const struct text_list *options = &service->options.module_options;

    for (size_t i = 0; i < options->n; i++) {
        const char *equals = strchr(options->items[i], '=');

        if (!equals || equals == options->items[i])
            problems_add(problems, service->file, line,
                         "module_options of service \"%s\": \"%s\" is not NAME=VALUE",
                         service->name, options->items[i]);
    }
}

static void prepare(struct service *service, const int *lines, struct problems *problems)
{
    struct handler_options *options = &service->options;
    const char *wrong;

    check_options(service, config_line(lines, "module_options"), problems);
    if (!options->module || options->module[0] == '\0') {
        problems_add(problems, service->file, service->line,
                     "service \"%s\" needs module = \"FILE\"", service->name);
        return;
    }
    options->module_line = config_line(lines, "module");
    resolve(service);
    wrong = module_check_file(options->module);
    if (wrong)
        problems_add(problems, service->file, options->module_line,
                     "module = \"%s\" of service \"%s\": %s", options->module, service->name,
                     wrong);
}

const struct handler handler_module = {
    .name = "module",
    .face = {.abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker},
    .starts_processes = true, // it should not
    .prepare = prepare};
