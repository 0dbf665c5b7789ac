// SPDX-License-Identifier: MIT
// A call that a worker's list does not have is never made: the kernel sends SIGSYS instead, whose
// handler notes the number and makes one more such call. As the signal is blocked in its own
// handler, the kernel kills then. A worker cannot put another handler there; one that writes over
// the code of this one has gained a call that fails.

#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "config/handler.h"
#include "sandbox/sandbox_landlock.h"

static uint32_t *volatile noted;

void sandbox_open(struct sandbox *sandbox)
{
    *sandbox = (struct sandbox){.landlock = sandbox_landlock_abi()};
    // Without a program it goes as far as to look for one.
    sandbox->has_seccomp = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) < 0 &&
                           errno == EFAULT;
}

void sandbox_close(struct sandbox *sandbox)
{
    for (size_t i = 0; i < ELEMENTS(sandbox->filters); i++)
        sandbox_filter_done(&sandbox->filters[i]);
}

const char *sandbox_lacks(const struct sandbox *sandbox)
{
    if (!sandbox->has_seccomp)
        return sandbox->landlock > 0 ? "seccomp" : "seccomp and Landlock";
    if (sandbox->landlock == 0)
        return "Landlock";
    return sandbox->landlock < SANDBOX_LANDLOCK_SCOPES ? "Landlock's scopes (Linux 6.12)" : NULL;
}

enum sandbox_kind sandbox_kind_of(const struct service *service)
{
    if (service->sandbox != SANDBOX_AUTO)
        return (enum sandbox_kind)service->sandbox;
    if (service->new_privileges) // which whoever is held cannot have
        return SANDBOX_OFF;
    if (service->handler->loads_code) // which may start processes, were it not for this
        return SANDBOX_MODULES;
    return service->handler->starts_processes ? SANDBOX_PROGRAMS : SANDBOX_STRICT;
}

int sandbox_prepare(struct sandbox *sandbox, enum sandbox_kind kind)
{
    const struct sandbox_list *list = sandbox_list_get(kind);

    return list && sandbox->has_seccomp && !sandbox->filters[kind].code
               ? sandbox_filter_make(list, &sandbox->filters[kind])
               : 0;
}

// Async-signal-safe.
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    if (noted)
        *noted = (uint32_t)info->si_syscall + 1;
    (void)syscall(SYS_ptrace, -1L, 0L, 0L, 0L); // no list has it
    _exit(128 + SIGSYS);
}

int sandbox_enter(const struct sandbox *sandbox, enum sandbox_kind kind, int listener,
                  uint32_t *ret_call)
{
    struct sigaction action = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    bool has_filter = sandbox->filters[kind].code != NULL;
    int r = 0;

    if (!has_filter && sandbox->landlock == 0)
        return 0;
    if (kind == SANDBOX_OFF)
        return 0;
    // Both want it of who has no privilege.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (sandbox->landlock > 0)
        r = sandbox_landlock_enter(kind, sandbox->landlock, listener);
    if (r < 0 || !has_filter)
        return r;
    noted = ret_call;
    if (kind != SANDBOX_PROGRAMS && sigaction(SIGSYS, &action, NULL) < 0)
        return -errno;
    return sandbox_filter_load(&sandbox->filters[kind], listener);
}

void sandbox_name_call(uint32_t call, char *text, size_t size)
{
    cleanup_free char *name = call > 0 && call - 1 <= INT32_MAX
                                  ? seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
                                                                     (int)(call - 1))
                                  : NULL;

    (void)snprintf(text, size, "%s", name ? name : "unknown");
}
