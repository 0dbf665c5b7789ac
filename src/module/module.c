// SPDX-License-Identifier: MIT
// module: serves with somebody else's shared object, tcpd-handler(3). The file is judged while the
// configuration is checked, and again by each worker, which loads it before its first accept(); the
// master never touches it. What the module does wrong costs its worker and the session in hand: a
// crash, a hang (module_watch.h), a call of exit().

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/answers.h"
#include "base/base.h"
#include "config/handler.h"
#include "log/log.h"
#include "module/module_file.h"
#include "module/module_load.h"
#include "module/module_options.h"
#include "module/module_try.h"
#include "module/module_watch.h"
#include "process/process.h"
#include "session/session.h"
#include "session/session_lines.h"

static const struct setting settings[] = {
    {FIELD("module", TEXT, struct module_options, file)},
    {FIELD("module_options", LIST, struct module_options, options)},
    {FIELD("limit_as", LIMIT, struct module_options, limit_as), .initial = "inherit", .min = 4096},
    {FIELD("hang_timeout", SPAN, struct module_options, hang_usec), .initial = "60s"},
};

static const struct form form = FORM(struct module_options, settings);

#define ABI_WITH_KINDS 2 // of the interface

static const struct tcpd_handler *face;
static const struct tcpd_worker *this_worker;

// exit(3) would write what the master had in its buffers, and look like an orderly end.
static void on_exit_called(void)
{
    _exit(WORKER_EXIT_MODULE_EXITED);
}

// What a module can serve only its face says.
static bool serves_all(const struct service *service, char *ret_wrong, size_t size)
{
    bool takes_datagrams = face->abi >= ABI_WITH_KINDS && (face->kinds & TCPD_DATAGRAMS) != 0;

    for (size_t i = 0; i < service->listen.n && !takes_datagrams; i++)
        if (service->listen.items[i].spec.type == SOCK_DGRAM) {
            (void)snprintf(ret_wrong, size,
                           "does not say that it can serve datagrams, as listen = \"%s\" is for",
                           service->listen.items[i].text);
            return false;
        }
    return true;
}

static int limit_memory(const struct module_options *options)
{
    const struct rlimit limit = {(rlim_t)options->limit_as, (rlim_t)options->limit_as};

    return options->limit_as == INHERIT ? 0 : setrlimit(RLIMIT_AS, &limit);
}

int module_open(const struct tcpd_worker *worker, char *ret_wrong, size_t size)
{
    const struct module_options *options = worker->service->options;
    int r;

    if (atexit(on_exit_called) != 0 || at_quick_exit(on_exit_called) != 0) {
        (void)snprintf(ret_wrong, size, "out of memory");
        return -1;
    }
    if (limit_memory(options) < 0) {
        (void)snprintf(ret_wrong, size, "limit_as cannot be set: %s", strerror(errno));
        return -1;
    }
    face = module_load(options->file, ret_wrong, size);
    if (!face)
        return -1;
    if (!serves_all(worker->service, ret_wrong, size))
        return -1;
    r = face->open ? face->open(worker) : 0;
    if (r < 0)
        (void)snprintf(ret_wrong, size, "its open() returned %d", r);
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
    const struct module_options *options = service->options;
    char wrong[MODULE_WRONG_SIZE], place[512];
    int r = module_watch_start(options->hang_usec, service->name, options->file);

    if (r < 0) {
        log_error("SIGALRM cannot be caught: %s", strerror(-r));
        return r;
    }
    this_worker = worker;
    module_watch_enter(NULL);
    r = module_open(worker, wrong, sizeof(wrong));
    module_watch_leave();
    if (r < 0)
        log_error("%s: module \"%s\" of service \"%s\": %s",
                  problems_place(service->file, options->line, place, sizeof(place)), options->file,
                  service->name, wrong);
    return r;
}

static void serve(struct tcpd_session *session)
{
    session->is_ticking = true;
    module_watch_enter(session);
    face->serve(session);
    module_watch_leave();
    session_lines_tell(session, this_worker->service, this_worker->config);
}

static void close_worker(void)
{
    module_watch_enter(NULL);
    module_close();
    module_watch_leave();
}

// A relative path begins where the configuration file is.
static void resolve(struct service *service)
{
    const char *slash = strrchr(service->file, '/');
    int directory = slash ? (int)(slash - service->file) : 1;
    struct module_options *options = service->options;
    char *path = options->file;

    if (path[0] == '/')
        return;
    if (asprintf(&options->file, "%.*s/%s", directory, slash ? service->file : ".", path) < 0)
        base_out_of_memory();
    free(path);
}

static void check_options(const struct service *service, int line, struct problems *problems)
{
    const struct module_options *given = service->options;
    const struct text_list *options = &given->options;

    for (size_t i = 0; i < options->n; i++) {
        const char *equals = strchr(options->items[i], '=');

        if (!equals || equals == options->items[i])
            problems_add(problems, service->file, line,
                         "module_options of service \"%s\": \"%s\" is not NAME=VALUE",
                         service->name, options->items[i]);
    }
}

// The verdict on a file, "" for a good one, is asked for once in a rehearsal: the master hears it.
static void judge_file(const char *path, char *ret_wrong, size_t size)
{
    static const char the_file[] = "the module file";
    struct answer verdict;
    int r = answers_find(the_file, path, &verdict), fd;

    ret_wrong[0] = '\0';
    if (r != 0) {
        (void)snprintf(ret_wrong, size, "%.*s", r < 0 ? INT_MAX : (int)verdict.size,
                       r < 0 ? strerror(-r) : (const char *)verdict.bytes);
        return;
    }
    fd = module_file_open(path, ret_wrong, size);
    base_close_fd(&fd);
    answers_note(the_file, path, ret_wrong, strlen(ret_wrong));
}

static void prepare(struct service *service, const struct section *section,
                    struct problems *problems)
{
    struct module_options *options = service->options;
    char wrong[MODULE_WRONG_SIZE];

    check_options(service, section_line(section, "module_options"), problems);
    if (!options->file || options->file[0] == '\0') {
        problems_add(problems, service->file, service->line,
                     "service \"%s\" needs module = \"FILE\"", service->name);
        return;
    }
    options->line = section_line(section, "module");
    resolve(service);
    judge_file(options->file, wrong, sizeof(wrong));
    if (wrong[0] != '\0')
        problems_add(problems, service->file, options->line,
                     "module = \"%s\" of service \"%s\": %s", options->file, service->name, wrong);
}

static const char *runs(const struct service *service)
{
    const struct module_options *options = service->options;

    return options->file;
}

const struct handler handler_module = {
    .name = "module",
    .face = {.abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker},
    .form = &form,
    .prepare = prepare,
    .runs = runs,
    .starts_processes = true, // it should not
    .loads_code = true,
};

// Built-in handlers have settings instead.
const char *tcpd_option_at(const struct tcpd_worker *worker, size_t i)
{
    const struct module_options *given = worker->service->options;
    bool has = worker->service->handler == &handler_module && i < given->options.n;

    return has ? given->options.items[i] : NULL;
}

const char *tcpd_option(const struct tcpd_worker *worker, const char *name)
{
    size_t length = strlen(name);
    const char *option;

    for (size_t i = 0; (option = tcpd_option_at(worker, i)) != NULL; i++)
        if (strncmp(option, name, length) == 0 && option[length] == '=')
            return option + length + 1;
    return NULL;
}
