// SPDX-License-Identifier: MIT
// ref_tls CHAIN KEY WORKERS: the measure tcpd's TLS is held against, a prefork echo server with
// OpenSSL and nothing else, at its best settings: the context is made before the fork, no tickets,
// no cache, read ahead, buffers released. Workers block in accept() and serve with blocking calls;
// no deadline, no names, no log. All die with the parent; TERM ends all. Prints its port, then
// serves.

#include <arpa/inet.h>
#include <err.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKLOG 4096
#define BLOCK   65536

static char buffer[BLOCK];
static pid_t parent;

static SSL_CTX *make_context(const char *chain, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context || SSL_CTX_use_certificate_chain_file(context, chain) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(context, 0) != 1 ||
        SSL_CTX_set1_groups_list(context, (char *)(uintptr_t) "X25519:P-256:P-384") != 1) {
        ERR_print_errors_fp(stderr);
        errx(71, "%s, %s: no context", chain, key);
    }
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                           SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                           SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

static void serve_echo(SSL *ssl)
{
    size_t n;

    while (SSL_read_ex(ssl, buffer, BLOCK, &n) == 1)
        if (SSL_write_ex(ssl, buffer, n, &n) != 1)
            return;
    if (SSL_get_error(ssl, 0) == SSL_ERROR_ZERO_RETURN)
        (void)SSL_shutdown(ssl);
}

__attribute__((noreturn)) static void work(int listener, SSL_CTX *context)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        SSL *ssl = fd < 0 ? NULL : SSL_new(context);

        ERR_clear_error();
        if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
            serve_echo(ssl);
        SSL_free(ssl);
        if (fd >= 0)
            close(fd);
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

static void start_worker(int listener, SSL_CTX *context)
{
    pid_t pid = fork();

    if (pid < 0)
        err(71, "fork");
    if (pid > 0)
        return;
    die_with(parent);
    work(listener, context);
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        err(71, "listen");
    printf("%u\n", ntohs(address.sin_port));
    if (fflush(stdout) != 0)
        err(71, "stdout");
    return fd;
}

int main(int argc, char **argv)
{
    unsigned n_workers = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    SSL_CTX *context;
    int listener;

    if (n_workers < 1)
        errx(64, "usage: ref_tls CHAIN KEY WORKERS");
    die_with(getppid());
    parent = getpid();
    if (setpgid(0, 0) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
        sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL) < 0)
        err(71, "process group");
    context = make_context(argv[1], argv[2]);
    listener = listen_on_loopback();
    for (unsigned i = 0; i < n_workers; i++)
        start_worker(listener, context);
    while (wait(NULL) > 0)
        start_worker(listener, context);
    err(71, "wait");
}
