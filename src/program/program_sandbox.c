// SPDX-License-Identifier: MIT
// The sandbox as /proc/self/mountinfo shows it. ProtectHome= puts an empty tmpfs in the place of a
// folder, or a folder of systemd's that is closed, which lies in one; PrivateTmp= a folder of its
// own name, or, for both folders, a tmpfs.

#include "program/program_sandbox.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/base.h"

#define A_TMPFS " - tmpfs "

// systemd says so to what it starts. Elsewhere such mounts are the machine's own.
static bool is_in_unit(void)
{
    return getenv("INVOCATION_ID") != NULL;
}

// Whether something is mounted there, in whose line of mountinfo the mark is.
static bool has_mount(const char *point, const char *mark)
{
    FILE *stream = fopen("/proc/self/mountinfo", "re");
    cleanup_free char *line = NULL;
    size_t size = 0;
    bool has = false;

    while (stream && getline(&line, &size, stream) >= 0) {
        char at[256];

        if (sscanf(line, "%*d %*d %*s %*s %255s", at) == 1 && strcmp(at, point) == 0)
            has = strstr(line, mark) != NULL; // the last one is on top
    }
    if (stream)
        (void)fclose(stream); // only read from
    return has;
}

static bool is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

const struct sandbox_part *sandbox_hides(const char *path)
{
    static const struct {
        struct sandbox_part part;
        const char *mount, *mark;
    } table[] = {
        {{"/home", "ProtectHome=", false}, "/home", A_TMPFS},
        {{"/root", "ProtectHome=", false}, "/root", A_TMPFS},
        {{"/run/user", "ProtectHome=", false}, "/run/user", A_TMPFS},
        {{"/proc", "ProcSubset=", false}, "/proc", "subset=pid"},
        {{"/tmp", "PrivateTmp=", true}, "/tmp", "/systemd-private-"},
        {{"/tmp", "PrivateTmp=", true}, "/var/tmp", A_TMPFS},
        {{"/var/tmp", "PrivateTmp=", true}, "/var/tmp", "/systemd-private-"},
        {{"/var/tmp", "PrivateTmp=", true}, "/var/tmp", A_TMPFS},
    };

    for (size_t i = 0; is_in_unit() && i < ELEMENTS(table); i++)
        if (is_below(path, table[i].part.path) && has_mount(table[i].mount, table[i].mark))
            return &table[i].part;
    return NULL;
}

static bool is_noexec(const char *path)
{
    struct statvfs status;

    return statvfs(path, &status) == 0 && (status.f_flag & ST_NOEXEC) != 0;
}

bool sandbox_forbids_execution(const char *path)
{
    return is_in_unit() && is_noexec("/") && is_noexec(path);
}
