// SPDX-License-Identifier: MIT
// sandbox.c: each row enters a list in a child of its own, makes one call, and is judged by how the
// child ends: by SIGSYS with the call's number, or with the call's errno.

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sandbox/sandbox.h"
#include "unit.h"

#define LISTENER 77 // no descriptor is there: what is allowed fails with EBADF
#define GARBAGE  (INT64_C(1) << 40)
#define DIES     (-1)

static struct sandbox sandbox;

// Stand for what only the child knows.
enum special { OWN = -1000, PARENT };

static const struct row {
    const char *name;
    enum sandbox_kind kind;
    long number;
    int64_t arguments[4];
    int want; // errno, 0, or DIES
} rows[] = {
    {"strict: read", SANDBOX_STRICT, SYS_read, {99}, EBADF},
    {"strict: no exec", SANDBOX_STRICT, SYS_execve, {0}, DIES},
    {"strict: no clone", SANDBOX_STRICT, SYS_clone, {SIGCHLD}, DIES},
    {"strict: no internet socket", SANDBOX_STRICT, SYS_socket, {AF_INET, SOCK_STREAM}, DIES},
    {"strict: the journal's socket", SANDBOX_STRICT, SYS_socket, {AF_UNIX, SOCK_DGRAM}, 0},
    {"strict: reading a file", SANDBOX_STRICT, SYS_openat, {99, 0, O_RDONLY}, EFAULT},
    {"strict: writing one", SANDBOX_STRICT, SYS_openat, {99, 0, O_WRONLY}, DIES},
    {"strict: making one", SANDBOX_STRICT, SYS_openat, {99, 0, O_CREAT}, DIES},
    {"strict: options of a session", SANDBOX_STRICT, SYS_setsockopt, {99, 1, 20}, EBADF},
    {"strict: of the listener", SANDBOX_STRICT, SYS_setsockopt, {LISTENER, 1, 20}, DIES},
    {"strict: TERM's dup3", SANDBOX_STRICT, SYS_dup3, {99, LISTENER, 0}, EBADF},
    {"strict: raise", SANDBOX_STRICT, SYS_kill, {OWN, 0}, 0},
    {"strict: another's signal", SANDBOX_STRICT, SYS_kill, {PARENT, 0}, DIES},
    {"strict: its handler stays", SANDBOX_STRICT, SYS_rt_sigaction, {SIGSYS, 0, 0, 8}, DIES},
    {"strict: other handlers", SANDBOX_STRICT, SYS_rt_sigaction, {SIGUSR1, 0, 0, 8}, 0},
    {"strict: mremap", SANDBOX_STRICT, SYS_mremap, {0}, EPERM},
    {"modules: internet socket", SANDBOX_MODULES, SYS_socket, {AF_INET, SOCK_DGRAM}, 0},
    {"modules: connect", SANDBOX_MODULES, SYS_connect, {99}, EBADF},
    {"modules: bind", SANDBOX_MODULES, SYS_bind, {99}, EPERM},
    {"modules: listen", SANDBOX_MODULES, SYS_listen, {99, 1}, DIES},
    {"modules: a process", SANDBOX_MODULES, SYS_clone, {SIGCHLD}, DIES},
    {"modules: clone3", SANDBOX_MODULES, SYS_clone3, {0}, ENOSYS},
    {"modules: io_uring", SANDBOX_MODULES, SYS_io_uring_setup, {0}, ENOSYS},
    {"modules: shutdown", SANDBOX_MODULES, SYS_shutdown, {99, 2}, EBADF},
    {"modules: of the listener", SANDBOX_MODULES, SYS_shutdown, {LISTENER, 2}, DIES},
    {"modules: with garbage", SANDBOX_MODULES, SYS_shutdown, {LISTENER + GARBAGE, 2}, DIES},
    {"modules: a copy of it", SANDBOX_MODULES, SYS_dup, {LISTENER}, DIES},
    {"modules: own limits", SANDBOX_MODULES, SYS_prlimit64, {0, RLIMIT_NOFILE}, 0},
    {"modules: another's", SANDBOX_MODULES, SYS_prlimit64, {PARENT, RLIMIT_NOFILE}, DIES},
    {"modules: ptrace", SANDBOX_MODULES, SYS_ptrace, {0}, DIES},
    {"modules: own group", SANDBOX_MODULES, SYS_kill, {0, 0}, DIES},
    {"programs: ptrace", SANDBOX_PROGRAMS, SYS_ptrace, {0}, EPERM},
    {"programs: mount", SANDBOX_PROGRAMS, SYS_mount, {0}, EPERM},
    {"programs: listen", SANDBOX_PROGRAMS, SYS_listen, {99, 1}, EBADF},
    {"programs: bind", SANDBOX_PROGRAMS, SYS_bind, {99}, EBADF},
    {"programs: mremap", SANDBOX_PROGRAMS, SYS_mremap, {1}, EINVAL},
    {"off: ptrace", SANDBOX_OFF, SYS_listen, {LISTENER, 1}, EBADF},
};

static int64_t argument(int64_t given)
{
    if (given == OWN)
        return getpid();
    return given == PARENT ? getppid() : given;
}

static _Noreturn void child(const struct row *row, uint32_t *call)
{
    const int64_t *given = row->arguments;

    if (sandbox_enter(&sandbox, row->kind, LISTENER, call) < 0)
        _exit(255);
    _exit(syscall(row->number, argument(given[0]), argument(given[1]), argument(given[2]),
                  argument(given[3]), 0L, 0L) < 0
              ? errno
              : 0);
}

static void test_calls(void **state)
{
    uint32_t *call = mmap(NULL, sizeof(*call), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0);

    (void)state;
    if (!sandbox.has_seccomp)
        skip();
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const struct row *row = &rows[i];
        int status;
        pid_t pid;

        *call = 0;
        check_number(row->name, sandbox_prepare(&sandbox, row->kind), 0);
        pid = fork();
        if (pid == 0)
            child(row, call);
        check_number(row->name, waitpid(pid, &status, 0), pid);
        if (row->want == DIES) {
            check_true(row->name, WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
            check_number(row->name, *call, row->number + 1);
        } else {
            check_true(row->name, WIFEXITED(status));
            check_number(row->name, WEXITSTATUS(status), row->want);
        }
    }
    (void)munmap(call, sizeof(*call));
}

// What comes from a page may be any number.
static void test_names(void **state)
{
    static const struct {
        const char *name;
        uint32_t call;
    } names[] = {{"ptrace", SYS_ptrace + 1},
                 {"unknown", 0},
                 {"unknown", 100000},
                 {"unknown", INT32_MAX},
                 {"unknown", UINT32_MAX}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        sandbox_name_call(names[i].call, text, sizeof(text));
        assert_string_equal(text, names[i].name);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_calls),
                                              cmocka_unit_test(test_names)};
    int status;

    sandbox_open(&sandbox);
    status = cmocka_run_group_tests(tests, NULL, NULL);
    sandbox_close(&sandbox);
    return status;
}
