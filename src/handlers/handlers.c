// SPDX-License-Identifier: MIT
// The table of handlers. A new built-in is a file in handlers/ and a line here.

#include "handlers/handler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "session/session_log.h"

static const struct handler *const handlers[] = {
    &handler_chargen, &handler_daytime, &handler_discard, &handler_echo, &handler_greeting,
    &handler_hello,   &handler_module,  &handler_program, &handler_time,
};

static const struct tcpd_worker *this_worker; // for tcpd_log()

const struct handler *handler_find(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(handlers); i++)
        if (strcmp(handlers[i]->name, name) == 0)
            return handlers[i];
    return NULL;
}

const char *handler_names(void)
{
    static char names[128];

    names[0] = '\0';
    for (size_t i = 0; i < ELEMENTS(handlers); i++) {
        if (i > 0)
            strncat(names, ", ", sizeof(names) - strlen(names) - 1);
        strncat(names, handlers[i]->name, sizeof(names) - strlen(names) - 1);
    }
    return names;
}

void handler_set_worker(const struct tcpd_worker *worker)
{
    this_worker = worker;
}

int handler_open(const struct tcpd_worker *worker)
{
    const struct tcpd_handler *face = &worker->service->handler->face;

    handler_set_worker(worker);
    return face->open ? face->open(worker) : 0;
}

const struct handler_options *handler_options(const struct tcpd_worker *worker)
{
    return &worker->service->options;
}

const char *tcpd_service(const struct tcpd_worker *worker)
{
    return worker->service->name;
}

const char *tcpd_option_at(const struct tcpd_worker *worker, size_t i)
{
    const struct text_list *options = &worker->service->options.module_options;

    return i < options->n ? options->items[i] : NULL;
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

void tcpd_log(const struct tcpd_session *session, int priority, const char *format, ...)
{
    char text[512];
    va_list arguments;

    session_sign();
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (this_worker)
        session_log_line(session, this_worker->service, this_worker->config, priority, text,
                         strlen(text));
}
