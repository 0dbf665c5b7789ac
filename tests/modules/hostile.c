// SPDX-License-Identifier: MIT
// The attacks of tests/hostile as a module.

#include <tcpd/handler.h>

#include "../hostile/hostile.h"

static void say(void *to, const char *text, size_t length)
{
    (void)tcpd_write(to, text, length);
}

static void note(void *to, const char *text)
{
    tcpd_log(to, LOG_INFO, "%s", text);
}

static void serve(struct tcpd_session *session)
{
    char *line;

    while (tcpd_read_line(session, &line) >= 0) {
        struct target target = {.say = say, .log = note, .to = session};

        hostile_run(line, &target);
    }
}

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI, .serve = serve};
