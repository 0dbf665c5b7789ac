// SPDX-License-Identifier: MIT
// Does what modules should not: in a session what the client's line says, or in open() and close()
// what the options of these names say. Any other line is sent back.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

// Until there is no more memory, or far more is gone than the test allows.
static void leak(void)
{
    for (int i = 0; i < 256; i++) {
        char *volatile memory = malloc(1 << 20);

        if (memory)
            memset(memory, 1, 1 << 20);
    }
}

// Of the check of a configuration, which tries us in a child of its own.
static void kill_parent(void)
{
    (void)kill(getppid(), SIGSEGV);
}

static void reload(void)
{
    (void)kill(getppid(), SIGHUP);
}

// With a sender that is not us.
static void reload_as_another(void)
{
    siginfo_t info = {.si_signo = SIGHUP, .si_code = SI_QUEUE};

    info.si_pid = 1;
    (void)syscall(SYS_rt_sigqueueinfo, getppid(), SIGHUP, &info);
}

static void say(void)
{
    (void)fprintf(stderr, "<4>said by hand\n");
    (void)puts("printed");
    (void)fflush(stdout);
}

static void shout(void)
{
    for (int i = 0; i < 200000; i++)
        (void)fprintf(stderr, "tcpd: forged\n");
}

static void log_much(void)
{
    for (int i = 0; i < 20000; i++)
        tcpd_log(NULL, LOG_NOTICE, "logged");
}

// For longer than any check may take.
static void sleep_on(void)
{
    for (;;)
        (void)pause();
}

static const struct {
    const char *name;
    void (*act)(void);
} faults[] = {
    {"null", write_nowhere},      {"abort", abort},    {"loop", spin},   {"work", work},
    {"parent", kill_parent},      {"sleep", sleep_on}, {"leak", leak},   {"reload", reload},
    {"forge", reload_as_another}, {"say", say},        {"shout", shout}, {"log", log_much}};

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

// Waits, with signs of life, until the file is there.
static void wait_for(const char *path)
{
    while (path && access(path, F_OK) < 0)
        (void)usleep(10 * 1000);
}

// The first to open us, which is the check of a configuration, finds nothing wrong.
static bool is_spared(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : -1;

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

// Makes a configuration unreadable that was read to find us.
static void spoil(const char *path)
{
    if (path && truncate(path, 1) < 0)
        abort();
}

static int open_worker(const struct tcpd_worker *worker)
{
    const char *fault = tcpd_option(worker, "open");

    spoil(tcpd_option(worker, "spoil"));
    if (is_spared(tcpd_option(worker, "spare")))
        return 0;
    wait_for(tcpd_option(worker, "until"));
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
