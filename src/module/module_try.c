// SPDX-License-Identifier: MIT
// The child's verdict is in memory that both share: its exit status is the module's to choose. The
// parent has the deadline, as a module may do with signals what it likes. Logs nothing.

#include "module/module_try.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/answers.h"
#include "base/base.h"
#include "config/handler.h"
#include "module/module_file.h"
#include "module/module_options.h"
#include "process/process.h"

#define PATIENCE_SEC 10

struct verdict {
    bool is_good;
    char wrong[MODULE_WRONG_SIZE];
};

_Noreturn static void try_in_child(const struct tcpd_worker *worker, struct verdict *verdict,
                                   pid_t parent)
{
    answers_renounce();
    serving_set(worker);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && // else it died before
        module_open(worker, verdict->wrong, sizeof(verdict->wrong)) >= 0) {
        module_close();
        verdict->is_good = true;
    }
    _exit(0);
}

// Waits for the child's end, and brings it about in the end. False: it has hung.
static bool wait_for(int process, siginfo_t *ret_info)
{
    uint64_t deadline = base_now_usec() + PATIENCE_SEC * USEC_PER_SEC;
    struct pollfd ended = {.fd = process, .events = POLLIN};
    int n;

    do {
        uint64_t now = base_now_usec();

        n = now < deadline ? poll(&ended, 1, (int)((deadline - now) / USEC_PER_MSEC) + 1) : 0;
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        (void)pidfd_send_signal(process, SIGKILL, NULL, 0); // it is there until waitid()
    (void)waitid(P_PIDFD, (id_t)process, ret_info, WEXITED);
    return n > 0;
}

static void describe(struct verdict *verdict, bool hung, const siginfo_t *info)
{
    size_t size = sizeof(verdict->wrong);
    const char *name = sigabbrev_np(info->si_status);

    verdict->wrong[size - 1] = '\0'; // the module may have written anything
    if (hung)
        (void)snprintf(verdict->wrong, size, "its open() or close() took longer than %d s",
                       PATIENCE_SEC);
    else if (info->si_code != CLD_EXITED)
        (void)snprintf(verdict->wrong, size, "was killed by signal %d (%s) while it was opened",
                       info->si_status, name ? name : "unknown");
    else if (verdict->wrong[0] == '\0')
        (void)snprintf(verdict->wrong, size, "exited with status %d (%s) while it was opened",
                       info->si_status, worker_exit_name(info->si_status));
}

// 0 or -errno: it could not be tried.
static int try_one(const struct tcpd_worker *worker, struct verdict *verdict)
{
    siginfo_t info = {0};
    pid_t parent = getpid(), pid = fork();
    cleanup_close int process = -1;
    bool hung;

    if (pid == 0)
        try_in_child(worker, verdict, parent);
    process = pid < 0 ? -1 : pidfd_open(pid, 0);
    if (process < 0)
        return -errno;
    hung = !wait_for(process, &info);
    if (hung || !verdict->is_good)
        describe(verdict, hung, &info);
    return 0;
}

static void try_service(const struct config *config, const struct service *service,
                        struct problems *problems)
{
    struct tcpd_worker worker = {.service = service, .config = config, .listener = -1};
    struct verdict *verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct module_options *options = service->options;
    struct answer none;
    int r = verdict == MAP_FAILED ? -errno : 0;

    (void)answers_find("the module", options->file, &none); // for whoever waits
    if (r >= 0)
        r = try_one(&worker, verdict);

    if (r < 0 || !verdict->is_good)
        problems_add(problems, service->file, options->line, "module \"%s\" of service \"%s\": %s",
                     options->file, service->name, r < 0 ? strerror(-r) : verdict->wrong);
    if (verdict != MAP_FAILED)
        (void)munmap(verdict, sizeof(*verdict)); // a valid mapping
}

void module_try_all(const struct config *config, struct problems *problems)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (config->services[i].handler->loads_code)
            try_service(config, &config->services[i], problems);
}
