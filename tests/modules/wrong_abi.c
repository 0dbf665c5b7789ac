// SPDX-License-Identifier: MIT
// Of another version of the interface, of which only the first field is known.

#include <tcpd/handler.h>

static int open_worker(const struct tcpd_worker *worker)
{
    tcpd_log(NULL, LOG_ERR, "open() of another interface was called for %s", tcpd_service(worker));
    return 0;
}

static void serve(struct tcpd_session *session)
{
    tcpd_log(session, LOG_ERR, "serve() of another interface was called");
}

const struct tcpd_handler tcpd_handler = {
    .abi = TCPD_HANDLER_ABI + 1, .open = open_worker, .serve = serve};
