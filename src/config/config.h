// SPDX-License-Identifier: MIT
// The configuration: tcpd.conf and tcpd.conf.d/*.conf as a tree of plain structs, checked whole
// before anything is started. The master owns one; workers inherit it by fork and only read it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "access/access.h"
#include "access/source_settings.h"
#include "base/problems.h"
#include "config/form.h"

enum log_sessions { LOG_SESSIONS_NONE, LOG_SESSIONS_ERRORS, LOG_SESSIONS_ALL, LOG_SESSIONS_N };
enum log_sessions_form { LOG_SESSIONS_ENTRIES, LOG_SESSIONS_LINES, LOG_SESSIONS_FORMS };
enum log_addresses {
    LOG_ADDRESSES_FULL,
    LOG_ADDRESSES_MASKED,
    LOG_ADDRESSES_NONE,
    LOG_ADDRESSES_N
};
extern const char *const log_addresses_names[LOG_ADDRESSES_N]; // "full"

enum log_refusals { LOG_REFUSALS_NONE, LOG_REFUSALS_FIRST, LOG_REFUSALS_ALL, LOG_REFUSALS_N };

struct handler;

// Which system calls a worker may make, and its program: sandbox/sandbox.h.
enum sandbox_kind {
    SANDBOX_AUTO, // the one that its handler is for
    SANDBOX_STRICT,
    SANDBOX_MODULES,
    SANDBOX_PROGRAMS,
    SANDBOX_OFF,
    SANDBOX_KINDS
};

// Times of a session, 0 is off.
struct deadlines {
    uint64_t handshake_usec;
    uint64_t first_byte_usec;
    uint64_t idle_usec;
    uint64_t send_usec;
    uint64_t session_usec;
};

enum ws_messages {
    WS_MESSAGES_AUTO,
    WS_MESSAGES_LINE,
    WS_MESSAGES_TEXT,
    WS_MESSAGES_BINARY,
    WS_MESSAGES_N
};

// What a service's `ws:` entries do with requests and messages.
struct websocket {
    struct text_list origins, hosts, protocols;
    char *path;
    enum ws_messages messages;
    uint64_t ping_usec;  // 0: off
    int64_t message_max; // bytes
    int has_page;
};

enum tls_profile_name { TLS_PROFILE_INTERMEDIATE, TLS_PROFILE_MODERN, TLS_PROFILES_N };
enum tls_unknown_name { TLS_UNKNOWN_NAME_SERVE, TLS_UNKNOWN_NAME_REFUSE, TLS_UNKNOWN_NAMES_N };
enum tls_client_name { TLS_CLIENT_NONE, TLS_CLIENT_REQUEST, TLS_CLIENT_REQUIRE, TLS_CLIENTS_N };
enum tls_end { TLS_END_LENIENT, TLS_END_STRICT, TLS_ENDS_N };

struct tls_server;

// What a service's `tls:` and `wss:` entries show and speak.
struct tls {
    struct text_list certificates; // names of sections
    int profile;                   // enum tls_profile_name
    int unknown_name;              // enum tls_unknown_name
    int client;                    // enum tls_client_name
    char *client_ca, *client_crl;  // files
    struct text_list alpn;
    int has_tickets;
    int end;                   // enum tls_end
    struct tls_server *server; // transport/'s, which is made when it is loaded; NULL: none
};

// What a service takes of proxies that say for whom they connect; who they are is in struct access.
struct proxy_settings {
    int versions;          // enum proxy_versions
    int takes_unknown;     // headers that name no client
    uint64_t timeout_usec; // for the whole header
};

// A section of its own: files of PEM, each with a server's
// certificate and those above it, and its key.
struct certificate {
    char *name;
    struct text_list chain, key; // no key: each is in its chain's file
    char *file;                  // where the section is
    int line;                    // where it ends
    bool is_again;               // another one has its name
    int *lines;                  // where its settings are written (section.h); owned
    // --- What its files say, once they are read ---
    int64_t since_sec, until_sec; // when it is valid, since 1970; 0: nobody has read it yet
    char *keys, *names;           // "RSA 2048, EC P-256", "www.example.org"; NULL as before; owned
};

// How fast workers may be started: `burst` at once, then `per_sec`.
struct spawn_rate {
    unsigned burst, per_sec;
};

struct service {
    char *name;
    const struct handler *handler;
    void *options; // the handler's own settings, a struct of its form; owned
    struct listen_list listen;
    unsigned backlog;
    unsigned min_workers, max_workers, spare_workers;
    struct spawn_rate spawn;
    unsigned max_sessions_per_worker; // 0: no limit
    uint64_t max_worker_age_usec;     // 0: no limit
    uint64_t slow_usec;               // a session that takes so long is a slow one; 0: none is
    struct deadlines deadlines;
    struct websocket websocket;
    struct tls tls;
    struct access access;
    struct source_settings sources;
    struct proxy_settings proxy;
    int unit_filter;                  // its socket unit keeps away whom it refuses; unit_filter.h
    int sandbox;                      // enum sandbox_kind, never SANDBOX_AUTO once it is checked
    unsigned amplification;           // of answers to datagrams; 0: any
    int64_t receive_buffer;           // of sockets for datagrams, bytes; 0: the system's
    int core_dumps;                   // of its workers
    int new_privileges;               // may be had by its programs
    unsigned socket_mode;             // unix sockets
    char *socket_user, *socket_group; // unix sockets, NULL: as tcpd runs
    int socket_user_line, socket_group_line;
    uid_t socket_uid; // as config_find_owners() has found them, -1: none
    gid_t socket_gid;
    bool leaves_clients;   // to a program, which takes them, or datagrams, out of the queue
    bool accepts_itself;   // and so for good: handler->become() takes the accept loop's place
    bool leaves_processes; // that live on when their session has ended
    uint64_t ready_usec;   // what accepts by itself is ready when it has lived for so long
    unsigned n_idle_beside, n_busy_beside; // processes that a worker has besides itself
    struct problems left_out; // why it cannot be served here and now: config_left_out.h
    bool is_again;            // another one has its name
    char *file;               // where the section is
    int first_line, line;     // where it begins, where it ends
    int *lines,
        *option_lines; // where its settings and the handler's are written (section.h); owned
};

// Where a setting outside of services was given; file NULL: nowhere.
struct origin {
    char *file;
    int line;
};

struct config {
    uint64_t stop_timeout_usec;
    uint64_t stop_idle_usec;      // of it, for clients that are owed nothing; 0: all of it
    uint64_t drain_delay_usec;    // a stop goes on serving for so long, until balancers know of it
    uint64_t reload_timeout_usec; // how long reading it may take, 0: any time
    uint64_t exit_idle_usec;      // 0: never
    int socket_units;             // 0: tcpd opens its sockets by itself; for the generator
    struct listen control;        // where the control socket is; text NULL: nowhere
    enum log_sessions log_sessions;
    enum log_sessions_form log_sessions_form;
    unsigned log_sessions_rate; // records a second of a pool in the journal, 0: no bound
    enum log_addresses log_addresses;
    enum log_refusals log_refusals;
    struct service *services;
    size_t n_services;
    size_t n_left_out; // further ones behind those, which cannot be served here and now
    struct certificate *certificates;
    size_t n_certificates;
    void (*unload)(struct config *); // what was made of it elsewhere is freed before it; NULL
    struct origin *origins;          // of its settings, in the order of their form
    unsigned n_references; // pools that are being closed still need the configuration before
};

// Where a configuration is read, at the start and anew at each reload.
struct config_source {
    const char *name; // begins what is wrong with it
    // With problems it gives what is right all the same, which is to be served only where they
    // are those of services that are left out (config_left_out.h).
    struct config *(*load)(const struct config_source *source, struct problems *problems);
    const void *data; // load()'s own
};

// Reads and checks path, then path.d/*.conf in the order of their names. handlers: the table of
// those that a service may have, which must stay. Reads files, blocks on nothing else, logs
// nothing. The configuration, with the caller as its owner, or NULL with at least one problem;
// after a syntax error reading goes on at the next section of that file.
struct config *config_load(const char *path, const struct handler *const *handlers,
                           struct problems *problems);

// The same, but with problems it gives what is right all the same: to look at, not to run. A
// service may lack its handler then.
struct config *config_read(const char *path, const struct handler *const *handlers,
                           struct problems *problems);

// Where tcpd.conf is: in a file and those beside it, which are read anew each time, or at standard
// input, which can be read but once.
struct config_input {
    struct config_source source;
    const struct handler *const *handlers;
    char *text; // of standard input; NULL: it is a file
};

// path: of the file, or "-". Blocks on standard input until its end. NULL, or why that cannot be
// read, a text that is valid until the next call of strerror(). ret must not move.
const char *config_input_open(struct config_input *ret, const char *path,
                              const struct handler *const *handlers);
void config_input_close(struct config_input *input);

// The certificate of that name, NULL: there is none.
struct certificate *config_certificate(const struct config *config, const char *name);

// The line where a setting of every service, or of a certificate, is written, or else the section's
// end.
int config_service_line(const struct service *service, const char *setting);
int config_certificate_line(const struct certificate *certificate, const char *setting);

// Prints what would be served where, a line for each service, and that it is right.
void config_describe(const struct config *config, const char *source, FILE *stream);

// Prints what would happen to a client of that address at each service; through: the address of a
// proxy that would announce it, NULL: it comes by itself. 1: it is served by all; 0: not by all;
// -EINVAL: one is no address.
int config_explain(const struct config *config, const char *address, const char *through,
                   FILE *stream);

// Prints it as a tcpd.conf with the value of every setting, and in comments where each is written.
void config_print(const struct config *config, FILE *stream);

// One more owner.
struct config *config_ref(struct config *config);

// One owner fewer; the last one frees all of it. NULL is fine, NULL is returned.
struct config *config_unref(struct config *config);

// Releases what a service holds, not the struct itself.
void config_service_done(struct service *service);
