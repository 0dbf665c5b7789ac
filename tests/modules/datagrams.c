// SPDX-License-Identifier: MIT
// Serves datagrams: tells which kind of session it has, our address and the message, in two parts
// of one answer; to "many" it answers 100 times.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <tcpd/handler.h>

static void serve(struct tcpd_session *session)
{
    char message[100], text[64], host[INET_ADDRSTRLEN] = "";
    struct sockaddr_storage local;
    socklen_t length;
    size_t n;
    int r = tcpd_read_part(session, message, sizeof(message), &n);

    if (r != TCPD_LAST)
        return;
    if (n == 4 && memcmp(message, "many", 4) == 0)
        for (int i = 0; i < 100; i++)
            (void)tcpd_write(session, "again", 5);
    if (tcpd_local(session, &local, &length) == 0)
        (void)inet_ntop(AF_INET, &((struct sockaddr_in *)&local)->sin_addr, host, sizeof(host));
    (void)snprintf(text, sizeof(text), "%d %s ", tcpd_kind(session), host);
    (void)tcpd_write_part(session, text, strlen(text), false);
    (void)tcpd_write_part(session, message, n, true);
}

const struct tcpd_handler tcpd_handler = {
    .abi = TCPD_HANDLER_ABI, .serve = serve, .kinds = TCPD_DATAGRAMS};
