// SPDX-License-Identifier: MIT
// The output goes to a file in memory, so that nobody has to read while the program runs.

#include "ctl/command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/base.h"
#include "base/file.h"

#define OUTPUT_MAX ((size_t)16 << 20)

static int spawn(const char *const *argv, int output, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r == 0)
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0 && output >= 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (r == 0 && output < 0)
        r = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (r == 0) // which does not change its arguments
        r = posix_spawnp(ret, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_run(const char *const *argv, char **ret_output)
{
    cleanup_close int output = ret_output ? memfd_create("output", MFD_CLOEXEC) : -1;
    struct file_text text;
    pid_t pid = 0;
    int status, r;

    if (ret_output && output < 0)
        return -errno;
    r = spawn(argv, output, &pid);
    if (r < 0)
        return r;
    status = wait_for(pid);
    if (!ret_output || status < 0)
        return status;
    if (lseek(output, 0, SEEK_SET) < 0)
        return -errno;
    r = file_read_open(output, OUTPUT_MAX, &text);
    if (r < 0)
        return r;
    *ret_output = text.bytes;
    return status;
}
