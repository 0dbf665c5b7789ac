// SPDX-License-Identifier: MIT
// Does what modules should not: in a session what the client's line says, or in open() and close()
// what the options of these names say. Any other line is sent back.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tcpd/handler.h>

static const char *at_close;

__attribute__((no_sanitize("undefined"))) static void write_nowhere(void)
{
    static int *volatile nowhere;

    *nowhere = 1;
}

static void spin(void)
{
    for (volatile unsigned i = 0;;)
        i++;
}

// For longer than hang_timeout may be, with signs of life.
static void work(void)
{
    for (int i = 0; i < 50 && !tcpd_stopping(); i++)
        (void)usleep(100 * 1000);
}

static const struct {
    const char *name;
    void (*act)(void);
} faults[] = {{"null", write_nowhere}, {"abort", abort}, {"loop", spin}, {"work", work}};

static bool commit(const char *name)
{
    if (strcmp(name, "exit") == 0)
        exit(0);
    if (strcmp(name, "_exit") == 0)
        _exit(0);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (strcmp(name, faults[i].name) == 0) {
            faults[i].act();
            return true;
        }
    return false;
}

// Takes every answer but the last for a reason to go on.
static void read_for_ever(struct tcpd_session *session)
{
    char byte;

    for (;;)
        (void)tcpd_read(session, &byte, 1);
}

static int open_worker(const struct tcpd_worker *worker)
{
    const char *fault = tcpd_option(worker, "open");

    at_close = tcpd_option(worker, "close");
    if (fault && strcmp(fault, "fail") == 0) {
        tcpd_log(NULL, LOG_ERR, "as the option says");
        return -1;
    }
    if (fault)
        (void)commit(fault);
    return 0;
}

static void serve(struct tcpd_session *session)
{
    ssize_t length;
    char *line;

    while ((length = tcpd_read_line(session, &line)) >= 0) {
        if (strcmp(line, "readforever") == 0)
            read_for_ever(session);
        (void)commit(line);
        line[length] = '\n';
        if (tcpd_write(session, line, (size_t)length + 1) < 0)
            return;
    }
}

static void close_worker(void)
{
    if (at_close)
        (void)commit(at_close);
}

const struct tcpd_handler tcpd_handler = {
    .abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker};
