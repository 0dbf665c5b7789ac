// SPDX-License-Identifier: MIT
// upper: answers each line in upper case. A module for tcpd, see tcpd-handler(3):
//
//     service "upper" {
//         handler = "module"
//         module = "/usr/local/lib/tcpd/upper.so"
//         listen = {"127.0.0.1:7010"}
//     }

#include <ctype.h>

#include <tcpd/handler.h>

static void serve(struct tcpd_session *session)
{
    ssize_t length;
    char *line;

    tcpd_expect_message(session); // a whole line within idle_timeout
    while ((length = tcpd_read_line(session, &line)) >= 0) {
        for (ssize_t i = 0; i < length; i++)
            line[i] = (char)toupper((unsigned char)line[i]);
        line[length] = '\n'; // in the place of the NUL
        if (tcpd_write(session, line, (size_t)length + 1) < 0)
            return;
        tcpd_expect_message(session);
    }
}

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI, .serve = serve};
