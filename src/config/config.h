// SPDX-License-Identifier: MIT
// The configuration: tcpd.conf and tcpd.conf.d/*.conf as a tree of plain structs, checked whole
// before anything is started. The master owns one; workers inherit it by fork and only read it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/framing.h"
#include "pool/sizing.h"

enum log_sessions { LOG_SESSIONS_NONE, LOG_SESSIONS_ERRORS, LOG_SESSIONS_ALL, LOG_SESSIONS_N };
enum log_addresses {
    LOG_ADDRESSES_FULL,
    LOG_ADDRESSES_MASKED,
    LOG_ADDRESSES_NONE,
    LOG_ADDRESSES_N
};
enum message_end { END_NONE, END_CRLF, END_NUL, END_N };
enum transfer { TRANSFER_COPY, TRANSFER_SPLICE, TRANSFER_N };
enum program_mode { PROGRAM_CONNECTION, PROGRAM_PRESTART, PROGRAM_LISTENER, PROGRAM_MODES };
enum date_format { FORMAT_RFC867, FORMAT_ISO8601, FORMAT_N };

struct handler;

// One entry of `listen`.
struct listen {
    char *text;
    struct address_spec spec;
    char *file; // where it stands
    int line;
};

// Times of a session, 0 is off.
struct deadlines {
    uint64_t first_byte_usec;
    uint64_t idle_usec;
    uint64_t send_usec;
    uint64_t session_usec;
};

// A list of texts, which execve(2) takes as it is.
struct text_list {
    char **items; // behind the last one NULL; NULL itself when n is 0
    size_t n;
};

#define INHERIT INT64_MAX // `inherit`: as tcpd itself has it

// Who a program runs as.
struct identity {
    char *user, *group; // as written, NULL: not given
    bool changes;       // else as tcpd runs
    uid_t uid;
    gid_t gid;
    gid_t *groups; // owned here
    size_t n_groups;
};

// How a program is run.
struct program_options {
    struct text_list argv;
    enum program_mode mode;
    struct text_list environment;                            // NAME=VALUE
    char *directory;                                         // NULL: as tcpd's
    int64_t umask, nice;                                     // or INHERIT
    int64_t limit_nofile, limit_as, limit_core, limit_nproc; // or INHERIT, RLIM_INFINITY
    uint64_t limit_cpu_usec;                                 // 0: as tcpd's
    uint64_t timeout_usec;                                   // of a session, 0: none
    uint64_t kill_grace_usec;                                // between TERM and KILL
    struct identity identity;
};

// The file that is executed, and its arguments, the first of which is its name: the file's, or, of
// {"@FILE", "NAME", ...}, what stands there. The program must be configured.
const char *program_file(const struct program_options *program);
char *const *program_arguments(const struct program_options *program);

// What single handlers read; which option belongs to which handler is in settings.c.
struct handler_options {
    char *message;           // greeting
    enum message_end end;    // greeting
    char *file;              // greeting: entries to choose from
    char *file_text;         // the file's contents, owned here
    size_t n_entries;        // greeting: entries found in file_text
    struct entry *entries;   // offsets into file_text
    enum date_format format; // daytime
    enum transfer transfer;  // echo
    enum framing framing;    // hello
    uint64_t delay_usec;     // hello
    struct program_options program;
    char *module;                    // module: the file
    int module_line;                 // module: where it stands
    struct text_list module_options; // module: NAME=VALUE
    uint64_t hang_usec;              // module: without a call of ours, 0: for ever
};

struct service {
    char *name;
    const struct handler *handler;
    struct listen *listen;
    size_t n_listen;
    unsigned backlog;
    unsigned min_workers, max_workers, spare_workers;
    struct sizing_rate spawn;
    unsigned max_sessions_per_worker; // 0: no limit
    uint64_t max_worker_age_usec;     // 0: no limit
    struct deadlines deadlines;
    unsigned socket_mode;             // unix sockets
    char *socket_user, *socket_group; // unix sockets, NULL: as tcpd runs
    struct handler_options options;
    char *file; // where the section ends
    int line;
};

struct config {
    uint64_t stop_timeout_usec;
    uint64_t exit_idle_usec; // 0: never
    int socket_units;        // 0: tcpd opens its sockets by itself; for the generator
    enum log_sessions log_sessions;
    unsigned log_sessions_rate; // records a second of a pool in the journal, 0: no bound
    enum log_addresses log_addresses;
    struct service *services;
    size_t n_services;
    unsigned n_references; // pools that are being closed still need the configuration before
};

// Texts of what is wrong, each "FILE:LINE: what, and what is allowed".
struct problems {
    char **texts;
    size_t n;
};

// Where a configuration is read, at the start and anew at each reload.
struct config_source {
    const char *name; // begins what is wrong with it
    struct config *(*load)(const struct config_source *source, struct problems *problems);
    const void *data; // load()'s own
};

// Adds a text; line 0: of the whole file. Aborts without memory, as all of the start-up does.
void problems_add(struct problems *problems, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void problems_done(struct problems *problems);

// "FILE:LINE", or "FILE" without a line in it. Returns text.
const char *config_place(const char *file, int line, char *text, size_t size);

// Where a setting of the service was given: the line, 0: nowhere, negative: in no file. lines are
// those that checks get.
int config_line(const int *lines, const char *name);

// Reads and checks path, then path.d/*.conf in the order of their names. Reads files, blocks on
// nothing else, logs nothing. The configuration, with the caller as its owner, or NULL with at
// least one problem; after a syntax error reading goes on at the next service of that file.
struct config *config_load(const char *path, struct problems *problems);

// The same, but with problems it gives what is right all the same: to look at, not to run. A
// service may lack its handler then.
struct config *config_read(const char *path, struct problems *problems);

// One more owner.
struct config *config_ref(struct config *config);

// One owner fewer; the last one frees all of it. NULL is fine, NULL is returned.
struct config *config_unref(struct config *config);

// Releases what a service holds, not the struct itself.
void config_service_done(struct service *service);
