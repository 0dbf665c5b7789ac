// SPDX-License-Identifier: MIT
// Variables of programs. What tcpd itself sets it does not take from a configuration.

#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "import/xinetd_private.h"

// As src/program/ has them; those that end in a star are beginnings.
static const char *const reserved[] = {
    "PROTO",           "TCPLOCAL*",      "TCPREMOTE*",   "UNIXLOCAL*",
    "UNIXREMOTE*",     "REMOTE_ADDR",    "REMOTE_PORT",  "SO_COOKIE",
    "PATH_INFO",       "REQUEST_URI",    "HTTP_HOST",    "QUERY_STRING",
    "HTTP_USER_AGENT", "HTTP_ORIGIN",    "HTTP_COOKIE",  "SEC_WEBSOCKET_PROTOCOL",
    "SSL_PROTOCOL",    "SSL_CIPHER",     "SSL_CLIENT_*", "SSL_TLS_SNI_SERVERNAME",
    "LISTEN_FDS",      "LISTEN_PID",     "WATCHDOG_*",   "SSL_PEER_CERT_HASH",
    "NOTIFY_SOCKET",   "LISTEN_FDNAMES", "TCPPROXY*",    "JOURNAL_STREAM",
};

static bool is_reserved(const char *entry)
{
    size_t length = strcspn(entry, "=");

    for (size_t i = 0; i < ELEMENTS(reserved); i++) {
        size_t n = strcspn(reserved[i], "*");

        if (strncmp(reserved[i], entry, n) == 0 && (reserved[i][n] == '*' || n == length))
            return true;
    }
    return false;
}

// NULL, or what is wrong with NAME=VALUE.
static const char *refuse_variable(const char *entry)
{
    size_t length = strspn(entry,
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    if (length == 0 || entry[length] != '=' || (entry[0] >= '0' && entry[0] <= '9'))
        return "a name has letters, digits and underscores; set it in a script";
    return is_reserved(entry) ? "tcpd sets that itself; give the program another name" : NULL;
}

// All of it at once, where it is set last.
void xservice_env(struct xservice *service, const struct xattribute *attribute)
{
    struct xlist list = xlist_make(service, "env");
    struct text text = {0};

    if (attribute->op == XOP_REMOVE)
        xservice_block(service, attribute, "it cannot have -=; xinetd does not serve it either");
    for (size_t i = 0; i < attribute->values.n; i++) {
        const char *wrong = refuse_variable(attribute->values.items[i]);

        if (wrong)
            xservice_lose(service, attribute, "%s: %s", attribute->values.items[i], wrong);
    }
    for (size_t i = 0; list.last == attribute && i < list.n; i++) {
        if (refuse_variable(list.items[i].text))
            continue;
        text_add(&text, "%s", text.n > 0 ? ", " : "");
        text_add_quoted(&text, list.items[i].text);
    }
    if (text.n > 0)
        entry_set(service->entry, "environment", "{%s}", text.bytes);
    text_done(&text);
    free(list.items);
}

void xservice_passenv(struct xservice *service, const struct xattribute *attribute)
{
    static const char *const passed[] = {"PATH", "LANG", "TZ"};

    for (size_t i = 0; attribute->op != XOP_REMOVE && i < attribute->values.n; i++) {
        const char *name = attribute->values.items[i];
        size_t p = 0;

        while (p < ELEMENTS(passed) && strcmp(passed[p], name) != 0)
            p++;
        if (p == ELEMENTS(passed))
            xservice_lose(
                service, attribute,
                "%s: of tcpd's own variables a program has PATH, LANG and TZ; environment "
                "= {\"inherit\"} hands all of them on",
                name);
    }
}
