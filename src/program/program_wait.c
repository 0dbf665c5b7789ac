// SPDX-License-Identifier: MIT
// A run begins when the listener is readable, and nobody but the program takes anything out of it.
// One that ends at once and takes nothing would be started again without a pause. Whether it has
// taken something, the queue may show; else its status is believed.

#include "program/program_wait.h"

#include <linux/tcp.h> // libc's struct tcp_info is older
#include <netinet/in.h>
#include <signal.h>
#include <string.h>

#include "base/base.h"
#include "process/process.h"
#include "program/program.h"
#include "program/program_patience.h"

#define QUICK_USEC   USEC_PER_SEC
#define FAILURES_MAX 5  // quick ones in a row: then the worker leaves, and its pool is throttled
#define DOUBTS_FREE  20 // quick ends with success in a row: then ...
#define DOUBT_USEC   (100 * USEC_PER_MSEC) // ... the next run has to wait
#define FIRST_BYTES  64                    // of a datagram that are compared

// What waits at a listener, as far as the kernel tells without taking it.
struct queue {
    bool is_empty;
    unsigned n_connections; // of TCP
    ssize_t length;         // of the first datagram, ...
    struct sockaddr_storage sender;
    char begin[FIRST_BYTES]; // ... and its first bytes
};

static struct queue look_at_queue(int fd)
{
    struct pollfd listener = {.fd = fd, .events = POLLIN};
    struct queue queue = {.is_empty = poll(&listener, 1, 0) <= 0};
    socklen_t length = sizeof(queue.sender), size = sizeof(struct tcp_info);
    struct tcp_info info;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        queue.n_connections = info.tcpi_unacked;
    queue.length = // where connections come, always -1
        recvfrom(fd, queue.begin, sizeof(queue.begin), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT,
                 (struct sockaddr *)&queue.sender, &length);
    return queue;
}

static bool has_taken(const struct queue *before, const struct queue *after)
{
    return after->is_empty || after->n_connections < before->n_connections ||
           after->length != before->length ||
           memcmp(&after->sender, &before->sender, sizeof(after->sender)) != 0 ||
           memcmp(after->begin, before->begin, sizeof(after->begin)) != 0;
}

// Of many clients, or of datagrams that are alike, it may have taken one.
static void doubt(unsigned n_doubts)
{
    uint64_t until = base_now_usec() + DOUBT_USEC;

    if (n_doubts == DOUBTS_FREE + 1)
        tcpd_log(NULL, LOG_WARNING,
                 "the program ends at once with success, and more waits for it: at most 10 runs a "
                 "second are started from now on");
    while (n_doubts > DOUBTS_FREE && !tcpd_stopping() && base_now_usec() < until)
        program_poll(NULL, 0, until); // a late SIGCHLD ends it, too
}

static void judge(const struct program *program, struct tcpd_session *session,
                  const struct queue *before)
{
    static unsigned n_failures, n_doubts; // in a row
    bool is_quick = base_now_usec() - program->started_usec < QUICK_USEC;
    struct queue after = look_at_queue(session->fd);

    program_judge(program, session);
    if (!is_quick || has_taken(before, &after)) {
        n_failures = n_doubts = 0;
    } else if (session->result == SESSION_OK) {
        doubt(++n_doubts);
    } else if (++n_failures >= FAILURES_MAX) {
        tcpd_log(NULL, LOG_ERR, "the program has failed at once %u times, and left what waits",
                 n_failures);
        process_leave(WORKER_EXIT_PROGRAM);
    }
}

static bool start(struct program *program, struct tcpd_session *session)
{
    unsigned n_waits = 0;
    int r;

    program_make_blocking(session->fd); // whatever the one before has done
    r = program_start(program, session->fd, session);
    while (r < 0 && !tcpd_stopping() && program_tries_again(session, r, &n_waits))
        r = program_start(program, session->fd, session);
    return r == 0;
}

// True: it was told to end, by the worker's TERM.
static bool attend(struct program *program, struct tcpd_session *session)
{
    enum session_result late;
    uint64_t due = program_due(session, &late);
    bool is_told = false;

    while (!program_has_ended(program)) {
        struct pollfd err = {.fd = program->err, .events = POLLIN};

        if (tcpd_stopping() && !is_told) {
            program_tell(program);
            is_told = true;
        }
        program_poll(&err, 1, due);
        if (err.revents != 0)
            program_log(program, session);
        if (program_is_late() || base_now_usec() >= due) {
            session_stop(session, late);
            break;
        }
    }
    return is_told;
}

static void run(struct tcpd_session *session)
{
    struct queue before = look_at_queue(session->fd);
    struct program program;
    bool is_told;

    if (!start(&program, session))
        return;
    is_told = attend(&program, session);
    program_end(&program, NULL, session);
    program_note(&program, session);
    if (!is_told) // else it may end as it likes
        judge(&program, session, &before);
}

// TERM is blocked but in program_poll(), or the one that comes before that would be seen too late.
void program_wait_serve(struct tcpd_session *session)
{
    sigset_t term, before;

    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, &before);
    if (!tcpd_stopping()) // else what waits is left to the next worker
        run(session);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}
