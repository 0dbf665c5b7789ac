// SPDX-License-Identifier: MIT
// Says on one line whom it serves, where the client has connected to, through whom it came ("-":
// through nobody) and what is known of it; then sends back what comes. A line "crash" kills it.

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tcpd/handler.h>

static const char *text_of(const struct sockaddr *address, char *text, size_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
    char ip[INET6_ADDRSTRLEN];

    if (!address)
        (void)snprintf(text, size, "-");
    else if (address->sa_family == AF_INET)
        (void)snprintf(text, size, "%s:%d", inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip)),
                       ntohs(in->sin_port));
    else if (address->sa_family == AF_INET6)
        (void)snprintf(text, size, "[%s]:%d", inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip)),
                       ntohs(in6->sin6_port));
    else
        (void)snprintf(text, size, "unix:");
    return text;
}

static int say_whom(struct tcpd_session *session)
{
    static const char *const names[] = {"SSL_PROTOCOL", "SSL_CIPHER", "SSL_TLS_SNI_SERVERNAME",
                                        "SSL_PEER_CERT_CN", "HTTP_HOST"};
    struct sockaddr_storage local = {0};
    char line[2048], peer[64], end[64], proxy[64];
    socklen_t length;
    int n;

    if (tcpd_local(session, &local, &length) < 0)
        return -1;
    n = snprintf(line, sizeof(line), "%s %s %s",
                 text_of(tcpd_peer(session, &length), peer, sizeof(peer)),
                 text_of((const struct sockaddr *)&local, end, sizeof(end)),
                 text_of(tcpd_proxy(session, &length), proxy, sizeof(proxy)));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (tcpd_fact(session, names[i]))
            n += snprintf(line + n, sizeof(line) - (size_t)n, " %s=%s", names[i],
                          tcpd_fact(session, names[i]));
    line[n++] = '\n';
    return tcpd_write(session, line, (size_t)n);
}

static void serve(struct tcpd_session *session)
{
    static char data[65536];
    ssize_t n;

    if (say_whom(session) < 0)
        return;
    while ((n = tcpd_read(session, data, sizeof(data))) > 0) {
        if (n == 6 && memcmp(data, "crash\n", 6) == 0)
            (void)raise(SIGKILL);
        if (tcpd_write(session, data, (size_t)n) < 0)
            return;
    }
}

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI, .serve = serve};
