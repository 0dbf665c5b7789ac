// SPDX-License-Identifier: MIT
// Listening sockets: handed over by systemd, or bound here. The only caller of bind() and listen().
// Never sets O_NONBLOCK (it belongs to the description that systemd and every worker share), never
// calls shutdown() on a listener (it acts for all holders). sd_listen_fds(3), tcp(7), unix(7).
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"
#include "listen/listen_plan.h"
#include "listen/listener_options.h"
#include "listen/listener_path.h"

enum listener_quiet {
    LISTENER_QUIET,    // no new connection comes
    LISTENER_TRICKLES, // one at a time: the kernel refuses better
    LISTENER_SHUT,     // none can come; what is left is known when a worker says so
    LISTENER_OPEN,     // new ones come, for the next start: systemd has the socket, too
};

enum listener_origin { LISTENER_BOUND, LISTENER_ACTIVATED };

struct listener {
    int fd;
    enum listener_origin origin;
    char *service;         // whose it is; the key for activated ones
    struct address wanted; // as resolved; the key for bound ones
    struct address bound;  // as the kernel has it
    enum address_speaks speaks;
    char address[ADDRESS_TEXT_MAX]; // as an entry is written, numbers for names
    int family;
    unsigned backlog;                // as asked for; 0: systemd's
    unsigned effective_backlog;      // as the kernel has it; of datagrams, bytes
    struct listener_options options; // as they were when it was opened
    bool stored;                     // systemd keeps it for the next start, too
    bool taken_back;                 // from before a restart
    bool misplaced;                  // its path led elsewhere, and it could not be bound anew yet
    bool emptied;                    // shut down, and a worker has found its queue empty
    struct path_object object;       // what a bound unix socket's path led to
    bool replaced;                   // another one has its address
    struct listener *replaces;       // which goes as soon as this one is stored
};

// What a configuration listens on.
struct listener_set {
    struct {
        struct listener *listener;
        const struct service *service;
        bool is_listed;             // `listen` has its address
        enum address_speaks speaks; // as its entry says
    } * items;
    size_t n;
    size_t n_services;         // that have one
    struct unserved *unserved; // what is asked for, and is not there
    size_t n_unserved;
    int error; // of the first of these that was no reason to give up, or 0
};

// Texts of its own.
struct unserved {
    char *service, *address, *why; // the address as it is written, empty: there is none
};

// What listeners are wanted for.
struct listeners_request {
    const struct config *config;
    const struct listen_plan *plan; // its addresses
    const struct config *running;   // NULL at start
    const struct listener_set *old; // what is open, NULL: nothing
    bool may_come; // an address that the machine has not: it need not be there for a check
    struct problems *problems, *warnings;
    struct problems *skipped; // a start: what is wrong with addresses, while others can be opened,
                              // which are then; NULL: it is among the problems, as all else
};

// Opens what is asked for: sockets handed over under the service's name, then with its address,
// those of `old` that stay, those stored before a restart, else bind. One of old whose path has
// gone or is another's is bound anew, if that can be done. An address that systemd has not opened
// and tcpd may not is left out with a warning at start, and when `running` has it too. Looks up no
// name, does not block. All that is wrong goes to problems; then the result is a negative errno and
// nothing new is left open. What is left out is told in the set, too. The set is the caller's; its
// listeners may also be old's.
int listeners_open(const struct listeners_request *request, struct listener_set *ret);

// The same, but for bind(): whether that would go wrong is foreseen as far as can be known. 0 or
// -errno, as listeners_open() would have it; sockets that nobody asks for may yet be handed over.
// Takes sockets that were handed over, and closes them.
int listeners_check(const struct listeners_request *request);

// The exit status of sysexits.h for a failure to open.
int listeners_exit_status(int error);

// An open listener that stays for a (maybe other) service: its backlog and what it speaks follow. 0
// or -errno.
int listener_keep(struct listener *listener, const struct service *service,
                  enum address_speaks speaks);

// Leaves the sockets with systemd while tcpd restarts, where it wants that, and logs what is there.
void listeners_store(const struct listener_set *set);

// Frees the set, not its listeners.
void listeners_forget(struct listener_set *set);

// Closes the socket, whose number becomes -1, and removes its path if it is ours.
void listener_release(struct listener *listener);

// Releases and frees.
void listener_close(struct listener *listener);

// Connections in the accept queue; for unix sockets and for datagrams 1 stands for any number.
unsigned listener_queued(const struct listener *listener);

// Whether listener_queued() knows the number.
bool listener_counts(const struct listener *listener);

// The same as it is shown: of datagrams their bytes, as the kernel counts them.
unsigned listener_waiting(const struct listener *listener);

// What limits it, for the log: "backlog 4096", "receive buffer 212992". Returns text.
const char *listener_describe_room(const struct listener *listener, char *text, size_t size);

// Datagrams that the kernel has dropped, as it had no room; all of them, modulo 2^32.
unsigned listener_dropped(const struct listener *listener);

// Makes the kernel take no new connection while those in the queue can still be accepted, for bound
// sockets. For good: it need not be undone. May log.
enum listener_quiet listener_quiesce(const struct listener *listener, bool for_good);

// Undoes listener_quiesce() for TCP, if it was not for good.
void listener_resume(const struct listener *listener);

// Puts right what somebody who has a copy of the socket has done to its options and its backlog; of
// one that is served, and that no program has that accepts by itself: it may count on them. What
// was wrong, NULL: nothing. *ret_error: it still is, as the kernel refuses.
const char *listener_restore(const struct listener *listener, int *ret_error);

// Clears O_NONBLOCK, which whoever has a copy of the socket may set, and sets for all of them. Only
// for a socket that no program has that accepts by itself: it may count on it. True: it was set.
bool listener_make_blocking(const struct listener *listener);

// Whether somebody has shut the socket down: shutdown(2) acts for all who have a copy of it.
bool listener_is_shut(const struct listener *listener);

// Whether a bound unix socket is still what its path leads to.
bool listener_is_in_place(const struct listener *listener);

// Makes an internet listener that was shut down listen again, at the same address. 0 or -errno;
// -EOPNOTSUPP: a unix socket is shut down for ever.
int listener_revive(struct listener *listener);

// Closes one that listener_open() or listener_bind_again() has made, as if it had never been.
void listener_undo(struct listener *fresh);

// A new listener at the address of one that does not listen any more, or is not what its path leads
// to; that one is the caller's to drain. 0 and a listener owned by the caller, or -errno.
int listener_bind_again(struct listener *listener, const struct service *service,
                        struct listener **ret);

// Gives a bound listener to the service manager, so that it outlives a restart; takes it back out.
// Without a manager that stores sockets ($FDSTORE) nothing is done.
void listener_store(struct listener *listener);
void listener_unstore(struct listener *listener);
