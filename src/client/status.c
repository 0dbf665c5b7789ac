// SPDX-License-Identifier: MIT
// Failures in words and numbers. One table joins errno values to both, so that a message and its
// exit status cannot disagree; what is not in it is a system error and keeps the system's words.

#include "client/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static char tls_words[256] = "TLS failed";

static const struct {
    int error;
    enum status status;
    const char *words;
} meanings[] = {
    {ENOENT, STATUS_UNKNOWN, "no such file or directory"},
    {ECONNREFUSED, STATUS_REFUSED, "connection refused"},
    {ETIMEDOUT, STATUS_TIMED_OUT, "timed out"},
    {EHOSTUNREACH, STATUS_UNREACHABLE, "host unreachable"},
    {EHOSTDOWN, STATUS_UNREACHABLE, "host is down"},
    {ENETUNREACH, STATUS_UNREACHABLE, "network unreachable"},
    {ENETDOWN, STATUS_UNREACHABLE, "network is down"},
    {ECONNRESET, STATUS_RESET, "connection reset by the peer"},
    {EPIPE, STATUS_RESET, "connection reset by the peer"},
    {EBADMSG, STATUS_CUT_SHORT, "cut short: the peer closed inside a message"},
    {ECONNABORTED, STATUS_CUT_SHORT, "cut short: the peer ended without saying so (close_notify)"},
    {EKEYREJECTED, STATUS_TLS, tls_words},
    {EPROTOTYPE, STATUS_SYSTEM,
     "a socket of another type is there: try unix:, unix-seqpacket: or "
     "unix-dgram:"},
    {EMSGSIZE, STATUS_SYSTEM, "the peer's message is longer than 65536 bytes"},
};

enum status status_of(int error)
{
    for (size_t i = 0; i < ELEMENTS(meanings); i++)
        if (meanings[i].error == abs(error))
            return meanings[i].status;
    return STATUS_SYSTEM;
}

const char *status_words(int error)
{
    for (size_t i = 0; i < ELEMENTS(meanings); i++)
        if (meanings[i].error == abs(error))
            return meanings[i].words;
    return strerror(abs(error));
}

void status_explain_tls(const char *why)
{
    (void)snprintf(tls_words, sizeof(tls_words), "TLS failed: %s", why);
}

enum status status_tell(const char *subject, int error)
{
    return status_say(status_of(error), "%s: %s", subject, status_words(error));
}

enum status status_say(enum status status, const char *format, ...)
{
    va_list arguments;

    fputs("tcpc: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}
