// SPDX-License-Identifier: MIT
// A user's program as a child of a worker: started by vfork and exec with nothing of ours, watched,
// and ended with all that it started. In workers only. exec(3), credentials(7), B44.
#pragma once

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "program/program_options.h"
#include "session/serving.h"
#include "session/session.h"

struct program_pipe;

// One run of the program. It leads a session and a process group of its own, of the same number.
struct program {
    const struct program_options *options;
    pid_t group; // its process group, 0: it was never started
    pid_t pid;   // 0: none runs, or it has ended and was reaped
    struct program_pipe *pipe;
    int err;             // where its standard error comes out, -1: nowhere, or nobody has it
    bool ended;          // the program itself; what it started may live
    bool is_alone;       // nothing that it started lives
    int status;          // as wait(2) has it, once ended
    struct rusage usage; // of it and of all its children that it has waited for
    uint64_t started_usec;
    size_t n_line; // of standard error, not yet logged
    char line[512];
};

// Prepares the worker: environment, SIGCHLD, adoption of what programs leave behind. 0 or -errno.
int program_open(const struct tcpd_worker *worker);

// Starts the program with fd as its standard input and output; the caller keeps fd. session NULL:
// without the variables of a peer. 0, or -errno after logging why; nothing runs then.
int program_start(struct program *program, int fd, const struct tcpd_session *session);

// Whether a failure for want of something that the system is short of was logged in this minute: it
// is tried again for each client.
bool program_is_said_already(int error);

// Blocks until one of fds is ready, a child has ended, or until due_usec (USEC_NEVER: no limit).
void program_poll(struct pollfd *fds, nfds_t n, uint64_t due_usec);

// True when the program has ended. Does not block.
bool program_has_ended(struct program *program);

// The worker has lost its master, and its time is over: it should end its program.
bool program_is_late(void);

// Logs the lines of standard error that are there, at most 1000 a second of all programs. Does not
// block.
void program_log(struct program *program, const struct tcpd_session *session);

// The same at the end: also a last line that has no end. is_clean: nobody can write any more.
void program_close_log(struct program *program, const struct tcpd_session *session, bool is_clean);

// program_end.c. Whether the program, or what it has started, may have the socket open. One call
// says no of a program that has ended and left nothing behind.
bool program_holds(struct program *program, ino_t socket);

// program_end.c. Ends what is left of the program, as kill_mode says: TERM to its group and to all
// it has left behind, or to it alone, and KILL once kill_grace is over; without a session (NULL)
// also where nobody is to be ended. `other` (NULL: none) runs on. Blocks for kill_grace and a
// moment at most. Afterwards its last words are logged, and nothing of it runs, or the worker was
// told to leave, so that what lives on is no child of it any more.
void program_end(struct program *program, const struct program *other,
                 const struct tcpd_session *session);

// program_end.c. Tells a program that runs to end: TERM, to it alone. Does not wait.
void program_tell(const struct program *program);

// Puts how the program ended into the session, for the log; and makes it the session's result,
// unless that was success.
void program_note(const struct program *program, struct tcpd_session *session);
void program_judge(const struct program *program, struct tcpd_session *session);
// Both.
void program_report(const struct program *program, struct tcpd_session *session);

// The program may have changed what is the socket's and not the descriptor's.
void program_make_blocking(int fd);
