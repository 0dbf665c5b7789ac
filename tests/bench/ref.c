// SPDX-License-Identifier: MIT
// The measure tcpd is held against: prefork servers without any feature. Workers block in accept()
// on one shared listener and serve with plain calls; no deadline, no log, no signal handling. A
// worker that dies is not replaced, and all die with the parent. Prints its port, then serves.

#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"

#define BACKLOG 4096
#define BLOCK   65536
#define LINE    74   // RFC 864: 72 characters, CR, LF
#define RING    7030 // 95 lines, after which the stream repeats

static char buffer[BLOCK];
static char lines[RING + BLOCK];
static const char *text = "";

static void serve_echo(int fd)
{
    ssize_t n;

    while ((n = recv(fd, buffer, BLOCK, 0)) > 0)
        if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
            return;
}

static void serve_greeting(int fd)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL); // a client that left is no concern of ours
}

static void serve_discard(int fd)
{
    while (recv(fd, buffer, BLOCK, MSG_TRUNC) > 0)
        ;
}

static void serve_chargen(int fd)
{
    size_t at = 0;
    ssize_t n;

    while ((n = send(fd, lines + at, BLOCK, MSG_NOSIGNAL)) > 0)
        at = (at + (size_t)n) % RING;
}

static const struct {
    const char *name;
    void (*serve)(int fd);
} modes[] = {
    {"echo", serve_echo},
    {"greeting", serve_greeting},
    {"discard", serve_discard},
    {"chargen", serve_chargen},
};

static void fill_lines(void)
{
    for (size_t i = 0; i < sizeof(lines); i++) {
        size_t line = i / LINE, column = i % LINE;

        lines[i] = (char)(column < 72 ? ' ' + (line + column) % 95 : column == 72 ? '\r' : '\n');
    }
}

static void die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
}

static void work(int listener, void (*serve)(int fd))
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            continue;
        serve(fd);
        close(fd);
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        err(1, "listen");
    printf("%u\n", ntohs(address.sin_port));
    if (fflush(stdout) != 0)
        err(1, "stdout");
    return fd;
}

int main(int argc, char **argv)
{
    void (*serve)(int fd) = NULL;
    long n_workers = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    pid_t self = getpid();

    for (size_t i = 0; argc > 1 && i < ELEMENTS(modes); i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            serve = modes[i].serve;
    if (!serve || n_workers < 1)
        errx(64, "usage: ref echo|greeting|discard|chargen WORKERS [TEXT]");
    if (argc > 3)
        text = argv[3];
    fill_lines();
    die_with(getppid());

    int listener = listen_on_loopback();

    for (long i = 0; i < n_workers; i++) {
        pid_t pid = fork();

        if (pid < 0)
            err(71, "fork");
        if (pid == 0) {
            die_with(self);
            work(listener, serve);
        }
    }
    for (;;)
        pause();
}
