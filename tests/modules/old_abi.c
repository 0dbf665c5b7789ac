// SPDX-License-Identifier: MIT
// Echo, as it was built for version 1 of the interface: the header of that version is no more, so
// what it said stands here.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tcpd_worker;
struct tcpd_session;

struct tcpd_handler {
    unsigned abi;
    int (*open)(const struct tcpd_worker *worker);
    void (*serve)(struct tcpd_session *session);
    void (*close)(void);
};

extern const struct tcpd_handler tcpd_handler __attribute__((visibility("default")));

ssize_t tcpd_read(struct tcpd_session *session, void *buffer, size_t size);
int tcpd_write(struct tcpd_session *session, const void *data, size_t size);
uint8_t *tcpd_buffer(void);

static void serve(struct tcpd_session *session)
{
    uint8_t *buffer = tcpd_buffer();
    ssize_t n;

    while ((n = tcpd_read(session, buffer, 64 * 1024)) > 0)
        if (tcpd_write(session, buffer, (size_t)n) < 0)
            return;
}

const struct tcpd_handler tcpd_handler = {.abi = 1, .serve = serve};
