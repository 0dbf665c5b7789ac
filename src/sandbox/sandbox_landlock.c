// SPDX-License-Identifier: MIT
// The kernel's interface as far as it is used here, as Debian 12's headers are older than scopes.

#include "sandbox/sandbox_landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/base.h"

#define CREATE_RULESET_VERSION 1U

#define FS_EXECUTE  (UINT64_C(1) << 0)
#define FS_READ     (UINT64_C(3) << 2) // of files and of folders
#define FS_TRUNCATE 14                 // the number of the right, from ABI 3 on
#define FS_OF_ABI_1 13                 // so many rights

#define SCOPE_ABSTRACT_SOCKETS (UINT64_C(1) << 0)
#define SCOPE_SIGNALS          (UINT64_C(1) << 1)

struct ruleset {
    uint64_t handled_fs;
    uint64_t handled_net;
    uint64_t scoped;
};

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

    return abi > 0 ? (int)abi : 0;
}

// All that an ABI has but reading: nothing is allowed then, as there is no rule.
static uint64_t all_but_reading(int abi)
{
    uint64_t all = (UINT64_C(1) << FS_OF_ABI_1) - 1;

    if (abi >= 3)
        all |= UINT64_C(1) << FS_TRUNCATE;
    return all & ~FS_READ;
}

// Whoever sends a datagram there is answered, and most do that from an abstract socket.
static bool answers_abstract_sockets(int listener)
{
    int domain = 0, type = 0;
    socklen_t length = sizeof(int);

    return getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
           domain == AF_UNIX && getsockopt(listener, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_DGRAM;
}

// A program may talk to whom it likes, and its files are the user's business.
static struct ruleset ruleset_of(enum sandbox_kind kind, int abi, int listener)
{
    struct ruleset ruleset = {0};

    if (kind == SANDBOX_STRICT)
        ruleset.handled_fs = all_but_reading(abi);
    if (abi >= SANDBOX_LANDLOCK_SCOPES)
        ruleset.scoped = SCOPE_SIGNALS;
    if (abi >= SANDBOX_LANDLOCK_SCOPES && kind != SANDBOX_PROGRAMS &&
        !answers_abstract_sockets(listener))
        ruleset.scoped |= SCOPE_ABSTRACT_SOCKETS;
    return ruleset;
}

int sandbox_landlock_enter(enum sandbox_kind kind, int abi, int listener)
{
    struct ruleset ruleset = ruleset_of(kind, abi, listener);
    size_t size = abi >= SANDBOX_LANDLOCK_SCOPES ? sizeof(ruleset) : sizeof(ruleset.handled_fs);
    cleanup_close int fd = -1;

    if (ruleset.handled_fs == 0 && ruleset.scoped == 0)
        return 0;
    fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
    return fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}
