// SPDX-License-Identifier: MIT
// Capabilities as capabilities(7) has them: a program of an ordinary user gets the ambient ones,
// each of which is an inheritable one as well. A unit gives tcpd one to bind low ports, which is
// the master's business; others it gives for programs.

#include "process/privileges.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT32_C(1) << (capability))
#define FOR_PROGRAMS    (BIT(CAP_SETGID) | BIT(CAP_SETUID)) // systemd/examples/programs.conf

static void lower(uint32_t bits, unsigned first)
{
    for (unsigned i = 0; bits != 0; i++, bits >>= 1)
        if ((bits & 1) != 0)
            (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, first + i, 0, 0);
}

void privileges_give_up(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    uint32_t low, high;

    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_capget, &header, sets) < 0)
        return;
    low = sets[0].inheritable & ~FOR_PROGRAMS;
    high = sets[1].inheritable;
    if (low == 0 && high == 0)
        return;
    lower(low, 0); // by itself: a filter of system calls may refuse capset()
    lower(high, 32);
    sets[0].inheritable &= FOR_PROGRAMS;
    sets[1].inheritable = 0;
    (void)syscall(SYS_capset, &header, sets);
}
