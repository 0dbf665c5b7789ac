// SPDX-License-Identifier: MIT
// The measure tcpd is held against: prefork servers without any feature. Workers block in accept()
// on one shared listener and serve with plain calls; no deadline, no log. A worker that dies is
// replaced, and all die with the parent; TERM ends all. Prints its port, then serves. With --grow
// MOST it forks on demand and keeps as many spare as it started with; with --epoll each worker
// serves many connections; --close WAY says how a connection is closed (ref_close.c); --udp echoes
// datagrams, each after MSEC; --walls: behind tcpd's own list of system calls (ref_walls.c).
// `program` starts one for each connection.

#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "ref.h"

#define BACKLOG 4096
#define BLOCK   65536
#define LINE    74                   // RFC 864: 72 characters, CR, LF
#define RING    7030                 // 95 lines, after which the stream repeats
#define SINCE   UINT64_C(2208988800) // RFC 868: seconds from 1900 to 1970

static char buffer[BLOCK];
static char lines[RING + BLOCK];
static const char *text = "";
static pid_t parent;
static ref_serve close_connection;
static int uses_epoll, has_walls, udp_msec = -1; // -1: no datagrams

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

// Speaks first, and reads to the client's end.
static void serve_hello(int fd)
{
    serve_greeting(fd);
    while (recv(fd, buffer, BLOCK, 0) > 0)
        ;
}

static void serve_daytime(int fd)
{
    time_t now = time(NULL);
    struct tm local;
    size_t n;

    if (!localtime_r(&now, &local))
        return;
    n = strftime(buffer, BLOCK, "%A, %B %d, %Y %H:%M:%S-%Z\r\n", &local);
    (void)send(fd, buffer, n, MSG_NOSIGNAL);
}

static void serve_time(int fd)
{
    uint32_t seconds = htobe32((uint32_t)((uint64_t)time(NULL) + SINCE));

    (void)send(fd, &seconds, sizeof(seconds), MSG_NOSIGNAL);
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

// A reset is all that the client gets.
static void serve_refuse(int fd)
{
    const struct linger at_once = {.l_onoff = 1};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void serve_program(int fd)
{
    ref_program(fd, text);
}

static const struct {
    const char *name;
    ref_serve serve;
} modes[] = {
    {"echo", serve_echo},       {"greeting", serve_greeting}, {"hello", serve_hello},
    {"daytime", serve_daytime}, {"time", serve_time},         {"discard", serve_discard},
    {"chargen", serve_chargen}, {"program", serve_program},   {"refuse", serve_refuse},
};

static void fill_lines(void)
{
    for (size_t i = 0; i < sizeof(lines); i++) {
        size_t line = i / LINE, column = i % LINE;

        lines[i] = (char)(column < 72 ? ' ' + (line + column) % 95 : column == 72 ? '\r' : '\n');
    }
}

static void die_with(pid_t pid)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != pid)
        _exit(1);
}

// The parent's end is the end of all, and comes last, so that who waits for it knows.
static void on_term(int signal)
{
    if (getpid() != parent)
        _exit(0);
    (void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    (void)kill(0, signal);
    while (wait(NULL) > 0)
        ;
    _exit(0);
}

int ref_fork(void)
{
    pid_t pid = fork();

    if (pid < 0)
        err(71, "fork");
    if (pid == 0)
        die_with(parent);
    return pid;
}

__attribute__((noreturn)) static void work(int listener, ref_serve serve)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            continue;
        serve(fd);
        close_connection(fd);
    }
}

static void start_worker(int listener, ref_serve serve)
{
    if (ref_fork() != 0)
        return;
    if (uses_epoll)
        ref_epoll(listener);
    if (udp_msec >= 0)
        ref_datagram(listener, (unsigned)udp_msec);
    ref_walls_enter(listener);
    work(listener, serve);
}

__attribute__((noreturn)) static void keep_workers(int listener, ref_serve serve,
                                                   unsigned n_workers)
{
    if (uses_epoll && fcntl(listener, F_SETFL, O_NONBLOCK) < 0)
        err(71, "O_NONBLOCK");
    for (unsigned i = 0; i < n_workers; i++)
        start_worker(listener, serve);
    while (wait(NULL) > 0)
        start_worker(listener, serve);
    err(71, "wait");
}

static int listen_on_loopback(int type)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
        (type == SOCK_STREAM && listen(fd, BACKLOG) < 0) ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        err(1, "listen");
    printf("%u\n", ntohs(address.sin_port));
    if (fflush(stdout) != 0)
        err(1, "stdout");
    return fd;
}

static ref_serve find_mode(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(modes); i++)
        if (strcmp(name, modes[i].name) == 0)
            return modes[i].serve;
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"grow", 1, NULL, 'g'},      {"epoll", 0, &uses_epoll, 1},
                                          {"walls", 0, &has_walls, 1}, {"close", 1, NULL, 'c'},
                                          {"udp", 1, NULL, 'u'},       {0}};
    const char *way = "plain";
    ref_serve serve = NULL;
    unsigned n_workers = 0, most = 0;
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (c == 'g')
            most = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'c')
            way = optarg;
        else if (c == 'u')
            udp_msec = atoi(optarg);
        else if (c == '?')
            exit(64);
    if (argc > optind + 1) {
        serve = find_mode(argv[optind]);
        n_workers = (unsigned)strtoul(argv[optind + 1], NULL, 10);
    }
    if (!serve || n_workers < 1 || ((uses_epoll || udp_msec >= 0) && serve != serve_echo))
        errx(64, "usage: ref [--grow MOST | --epoll | --udp MSEC] [--walls] "
                 "[--close plain|wait|aside|closer] "
                 "echo|greeting|hello|daytime|time|discard|chargen|program WORKERS [TEXT | PATH]");
    if (argc > optind + 2)
        text = argv[optind + 2];
    fill_lines();
    if (has_walls)
        ref_walls_make();
    die_with(getppid());
    parent = getpid();
    if (setpgid(0, 0) < 0 ||
        sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL) < 0)
        err(71, "process group");

    int listener = listen_on_loopback(udp_msec < 0 ? SOCK_STREAM : SOCK_DGRAM);

    close_connection = ref_close(way);
    if (most > 0)
        ref_grow(listener, serve, n_workers, n_workers, most);
    keep_workers(listener, serve, n_workers);
}
