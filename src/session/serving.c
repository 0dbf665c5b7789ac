// SPDX-License-Identifier: MIT
// The worker as handlers see it.

#include "session/serving.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/handler.h"
#include "session/session_lines.h"

static const struct tcpd_worker *this_worker; // for tcpd_log()

void serving_set(const struct tcpd_worker *worker)
{
    this_worker = worker;
}

int serving_open(const struct tcpd_worker *worker)
{
    const struct tcpd_handler *face = &worker->service->handler->face;

    serving_set(worker);
    return face->open ? face->open(worker) : 0;
}

const void *serving_options(const struct tcpd_worker *worker)
{
    return worker->service->options;
}

const char *tcpd_service(const struct tcpd_worker *worker)
{
    return worker->service->name;
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
        session_lines_log(session, this_worker->service, this_worker->config, priority, text,
                          strlen(text));
}
