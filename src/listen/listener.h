// SPDX-License-Identifier: MIT
// Listening sockets: handed over by systemd, or bound here. The only caller of bind() and listen().
// Never sets O_NONBLOCK (it belongs to the description that systemd and every worker share), never
// calls shutdown() on a listener (it acts for all holders). sd_listen_fds(3), tcp(7), unix(7).
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"

enum listener_quiet {
    LISTENER_QUIET,    // no new connection comes
    LISTENER_TRICKLES, // one at a time: the kernel refuses better
    LISTENER_OPEN,     // new ones come, for the next start: systemd has the socket, too
};

enum listener_origin { LISTENER_BOUND, LISTENER_ACTIVATED };

struct listener {
    int fd;
    enum listener_origin origin;
    char *service;                  // whose it is; the key for activated ones
    struct address wanted;          // as resolved; the key for bound ones
    struct address bound;           // as the kernel has it
    char address[ADDRESS_TEXT_MAX]; // where it listens, a chosen port included
    int family;
    unsigned backlog;           // as asked for; 0: systemd's
    unsigned effective_backlog; // as the kernel has it
    bool listed;                // `listen` has its address
    bool stored;                // systemd keeps it for the next start, too
    bool taken_back;            // from before a restart
    dev_t device;               // a bound unix socket's path, so that only our own is removed
    ino_t inode;
};

// What a configuration listens on.
struct listener_set {
    struct {
        struct listener *listener;
        const struct service *service;
    } * items;
    size_t n;
};

// Opens what config asks for: sockets handed over under the service's name, then with its address,
// those of `old` that stay, those stored before a restart, else bind. An address that systemd has
// not opened and tcpd may not is left out with a warning at start, and when `running` (NULL at
// start) has it too. May block on a name service for names in `listen`. All that is wrong goes to
// problems; then the result is a negative errno (-EHOSTUNREACH: a name was not resolved) and
// nothing new is left open. The set is the caller's; its listeners may also be old's.
int listeners_open(const struct config *config, const struct config *running,
                   const struct listener_set *old, struct listener_set *ret,
                   struct problems *problems);

// Looks up the names in `listen`, so that opening finds the answers (base/answers.h). 0, or
// -EHOSTUNREACH with problems.
int listeners_resolve(const struct config *config, struct problems *problems);

// The exit status of sysexits.h for a failure to open.
int listeners_exit_status(int error);

// An open listener that stays for a (maybe other) service: its backlog follows. 0 or -errno.
int listener_keep(struct listener *listener, const struct service *service);

// Frees the set, not its listeners.
void listeners_forget(struct listener_set *set);

// Closes the socket, whose number becomes -1, and removes its path if it is ours.
void listener_release(struct listener *listener);

// Releases and frees.
void listener_close(struct listener *listener);

// Connections in the accept queue; for unix sockets 1 stands for any number.
unsigned listener_queued(const struct listener *listener);

// Makes the kernel take no new connection while those in the queue can still be accepted, for bound
// sockets. May log.
enum listener_quiet listener_quiesce(const struct listener *listener);

// Undoes listener_quiesce() for TCP.
void listener_resume(const struct listener *listener);

// Listens again, at the same address, after someone shut the socket down. 0 or -errno; -EALREADY:
// it does listen; -EOPNOTSUPP for systemd's.
int listener_revive(const struct listener *listener);

// Gives a bound listener to the service manager, so that it outlives a restart; takes it back out.
// Without a manager that stores sockets ($FDSTORE) nothing is done.
void listener_store(struct listener *listener);
void listener_unstore(struct listener *listener);
