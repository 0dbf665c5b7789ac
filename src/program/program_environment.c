// SPDX-License-Identifier: MIT
// Environments. The names that end in HOST and INFO are never set, not even empty: there is no
// lookup, and an empty one would say that there was.

#include "program/program_environment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/base.h"
#include "session/session_proxy.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static bool has_name(const char *entry, const char *name, size_t length)
{
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

static bool is_among(const char *const *names, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++) {
        size_t prefix = strlen(names[i]);
        bool open = names[i][prefix - 1] == '*';

        if (strncmp(name, names[i], open ? prefix - 1 : length) == 0 &&
            (open ? length >= prefix - 1 : length == prefix))
            return true;
    }
    return false;
}

// Puts an entry in the place of the one of the same name, which is among the first n; or behind all
// others.
static void put(struct environment *environment, char *entry, size_t n)
{
    size_t length = strcspn(entry, "="), i = 0;

    while (i < n && !has_name(environment->entries[i], entry, length))
        i++;
    environment->entries[i < n ? i : environment->n_common++] = entry;
}

static void put_all(struct environment *environment, const struct text_list *entries)
{
    for (size_t i = 0; i < entries->n; i++)
        put(environment, entries->items[i], environment->n_common);
}

// Whether a variable of tcpd's own environment is the program's as well. What systemd gave tcpd is
// about tcpd alone, and what tells of a peer would tell of a wrong one.
static bool is_handed_on(const char *name, size_t length, bool inherits)
{
    static const char *const little[] = {"PATH", "LANG", "TZ"};
    static const char *const tcpds[] = {"INVOCATION_ID", "SYSTEMD_EXEC_PID", "MANAGERPID*",
                                        "FDSTORE",       "LISTEN_PIDFDID",   "MEMORY_PRESSURE_*",
                                        "TRIGGER_*"};

    if (!inherits)
        return is_among(little, ELEMENTS(little), name, length);
    return !environment_is_ours(name, length) && !is_among(tcpds, ELEMENTS(tcpds), name, length);
}

// Each name is there once.
static void put_own(struct environment *environment, bool inherits)
{
    size_t n = environment->n_common;

    for (char **entry = environ; entry && *entry; entry++) {
        size_t length = strcspn(*entry, "=");

        if ((*entry)[length] == '=' && is_handed_on(*entry, length, inherits))
            put(environment, *entry, n);
    }
}

static size_t count_own(void)
{
    size_t n = 0;

    while (environ && environ[n])
        n++;
    return n;
}

int environment_open(struct environment *environment, const struct program_options *options)
{
    static char path[] = DEFAULT_PATH;
    const struct identity *identity = &options->identity;
    size_t n = 1 + identity->login.n + count_own() + options->variables.n;

    *environment = (struct environment){
        .entries = calloc(n + ENVIRONMENT_OF_SESSION + 1, sizeof(char *))};
    if (!environment->entries)
        return -ENOMEM;
    put(environment, path, 0);
    if (!identity->user) // tcpd may have been given others
        put_all(environment, &identity->login);
    put_own(environment, options->inherits_environment);
    if (identity->user)
        put_all(environment, &identity->login);
    put_all(environment, &options->variables);
    return 0;
}

// What is being put together for one session.
struct maker {
    struct environment *environment;
    size_t n, used;
};

static struct maker begin(struct environment *environment)
{
    return (struct maker){.environment = environment, .n = environment->n_common};
}

static bool has_room(const struct maker *maker)
{
    return maker->n - maker->environment->n_common < ENVIRONMENT_OF_SESSION;
}

// Adds an entry; one that has no room is left out whole.
__attribute__((format(printf, 2, 3))) static void add(struct maker *maker, const char *format, ...)
{
    char *text = maker->environment->text + maker->used;
    size_t room = ENVIRONMENT_TEXT - maker->used;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text, room, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= room || !has_room(maker))
        return;
    maker->environment->entries[maker->n++] = text;
    maker->used += (size_t)n + 1;
}

static char *const *end(const struct maker *maker)
{
    maker->environment->entries[maker->n] = NULL;
    return maker->environment->entries;
}

// An internet address as UCSPI writes it: of IPv4 behind IPv6, the IPv4 one. Returns the port.
static unsigned describe(const struct sockaddr *address, char *text, socklen_t size)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;

    if (address->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &in->sin_addr, text, size); // enough room, a known family
        return ntohs(in->sin_port);
    }
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        (void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, size);
    else
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, text, size);
    return ntohs(in6->sin6_port);
}

// Of a program that takes its clients by itself: what they speak.
static void add_protocol(struct maker *maker, int fd, sa_family_t family)
{
    int type = SOCK_STREAM;
    socklen_t length = sizeof(type);

    (void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
    add(maker, "PROTO=%s", family == AF_UNIX ? "UNIX" : type == SOCK_DGRAM ? "UDP" : "TCP");
}

static void add_internet(struct maker *maker, const struct sockaddr *local,
                         const struct sockaddr *peer)
{
    char text[INET6_ADDRSTRLEN];
    unsigned port;

    add(maker, "PROTO=TCP"); // over IPv6 as well
    port = describe(local, text, sizeof(text));
    add(maker, "TCPLOCALIP=%s", text);
    add(maker, "TCPLOCALPORT=%u", port);
    port = describe(peer, text, sizeof(text));
    add(maker, "TCPREMOTEIP=%s", text);
    add(maker, "TCPREMOTEPORT=%u", port);
    add(maker, "REMOTE_ADDR=%s", text);
    add(maker, "REMOTE_PORT=%u", port);
}

static void add_unix(struct maker *maker, int fd, const struct sockaddr_un *local, socklen_t length)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    size_t start = offsetof(struct sockaddr_un, sun_path);

    add(maker, "PROTO=UNIX");
    if (length > start && local->sun_path[0] != '\0')
        add(maker, "UNIXLOCALPATH=%.*s", (int)strnlen(local->sun_path, length - start),
            local->sun_path);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return;
    add(maker, "UNIXREMOTEEUID=%u", peer.uid);
    add(maker, "UNIXREMOTEEGID=%u", peer.gid);
    add(maker, "UNIXREMOTEPID=%d", peer.pid);
}

// Through whom the client came.
static void add_proxy(struct maker *maker, const struct tcpd_session *session)
{
    const struct sockaddr *sender = &session->sender.any;
    char text[INET6_ADDRSTRLEN];
    struct ucred peer;
    socklen_t size = sizeof(peer);
    unsigned port;

    if (!session->header)
        return;
    if (!session->is_unix) {
        port = describe(sender, text, sizeof(text));
        add(maker, "TCPPROXYIP=%s", text);
        add(maker, "TCPPROXYPORT=%u", port);
    } else if (getsockopt(session->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
        add(maker, "UNIXPROXYUID=%u", peer.uid);
    }
}

char *const *environment_for(struct environment *environment, const struct tcpd_session *session)
{
    struct maker maker = begin(environment);
    struct sockaddr_storage local = {0};
    socklen_t length, size = sizeof(uint64_t);
    const char *fact;
    uint64_t cookie;

    if (!session || tcpd_local(session, &local, &length) < 0)
        return end(&maker);
    if (session->is_run) {
        add_protocol(&maker, session->fd, local.ss_family);
        return end(&maker);
    }
    if (local.ss_family == AF_UNIX)
        add_unix(&maker, session->fd, (const struct sockaddr_un *)&local, length);
    else
        add_internet(&maker, (const struct sockaddr *)&local, &session->peer.any);
    add_proxy(&maker, session);
    if (getsockopt(session->fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0)
        add(&maker, "SO_COOKIE=%" PRIu64, cookie);
    for (size_t i = 0; (fact = session_fact(session, i)) && has_room(&maker); i++)
        environment->entries[maker.n++] = (char *)(uintptr_t)fact; // the session's
    return end(&maker);
}

char *const *environment_for_listener(struct environment *environment, const char *service,
                                      const char *journal)
{
    struct maker maker = begin(environment);

    add(&maker, "LISTEN_FDS=1");
    add(&maker, "LISTEN_PID=%d", getpid());
    add(&maker, "LISTEN_FDNAMES=%s", service);
    if (journal)
        add(&maker, "JOURNAL_STREAM=%s", journal);
    return end(&maker);
}

bool environment_is_of_peer(const char *name, size_t length)
{
    static const char *const names[] = {"PROTO",        "TCPLOCAL*",      "TCPREMOTE*",
                                        "TCPPROXY*",    "UNIXPROXY*",     "UNIXLOCAL*",
                                        "UNIXREMOTE*",  "REMOTE_ADDR",    "REMOTE_PORT",
                                        "SO_COOKIE",    "PATH_INFO",      "REQUEST_URI",
                                        "HTTP_HOST",    "QUERY_STRING",   "HTTP_USER_AGENT",
                                        "HTTP_ORIGIN",  "HTTP_COOKIE",    "SEC_WEBSOCKET_PROTOCOL",
                                        "SSL_PROTOCOL", "SSL_CIPHER",     "SSL_TLS_SNI_SERVERNAME",
                                        "SSL_CLIENT_*", "SSL_PEER_CERT_*"};

    return is_among(names, ELEMENTS(names), name, length);
}

bool environment_is_ours(const char *name, size_t length)
{
    static const char *const names[] = {"LISTEN_FDS",    "LISTEN_PID", "LISTEN_FDNAMES",
                                        "NOTIFY_SOCKET", "WATCHDOG_*", "JOURNAL_STREAM"};

    return is_among(names, ELEMENTS(names), name, length) || environment_is_of_peer(name, length);
}
