// SPDX-License-Identifier: MIT
// Questions are asked as tcpd asks them, but for what only its sandbox would say.

#include "import/world.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/address.h"
#include "base/base.h"
#include "base/file.h"
#include "import/text.h"

#define WRAPPERS_MAX (1024 * 1024)

static bool resolve(const char *host, const char *port, int type, struct address *ret)
{
    struct address_spec spec = {.kind = strcmp(host, "*") == 0 ? ADDRESS_WILDCARD : ADDRESS_INET,
                                .type = type};

    if (strlen(host) >= sizeof(spec.host) || strlen(port) >= sizeof(spec.port))
        return false;
    strcpy(spec.host, host);
    strcpy(spec.port, port);
    return address_resolve(&spec, AF_UNSPEC, true, ret, 1) > 0;
}

static unsigned find_port(const char *name, int type)
{
    struct address address;

    return resolve("*", name, type, &address) ? address_port(&address.any) : 0;
}

static bool has_host(const char *host)
{
    struct address address;

    return resolve(host, "0", SOCK_STREAM, &address);
}

// A name or a number. False: there is no such user; nobody needs to have a number.
static bool find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid, bool *ret_is_known)
{
    char *end;
    unsigned long number = strtoul(user, &end, 10);
    bool is_number = *user >= '0' && *user <= '9' && *end == '\0' && number < UINT32_MAX;
    const struct passwd *found = is_number ? getpwuid((uid_t)number) : getpwnam(user);

    *ret_is_known = found != NULL;
    *ret_uid = found ? found->pw_uid : (uid_t)number;
    *ret_gid = found ? found->pw_gid : 0;
    return found || is_number;
}

static bool find_group(const char *group, gid_t *ret)
{
    char *end;
    unsigned long number = strtoul(group, &end, 10);
    bool is_number = *group >= '0' && *group <= '9' && *end == '\0' && number < UINT32_MAX;
    const struct group *found = is_number ? NULL : getgrnam(group);

    *ret = found ? found->gr_gid : (gid_t)number;
    return found || is_number;
}

static char *refuse_user(const char *user, const char *group)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    bool is_known = true;

    if (user && !find_user(user, &uid, &gid, &is_known))
        return text_make("there is no user %s here", user);
    if (group && !find_group(group, &gid))
        return text_make("there is no group %s here", group);
    if (!is_known && !group && uid != geteuid())
        return text_make("no user has the number %s, so a group is needed as well", user);
    if (geteuid() != 0 && (uid != geteuid() || gid != getegid()))
        return text_make("only a tcpd that runs as root can run a program as %s",
                         user ? user : group);
    return NULL;
}

// Asks as the user that it will run as. Without the right to do so, or if that user is not there,
// it is asked as this one.
static bool can_execute(const char *path, const char *user, const char *group)
{
    uid_t uid = geteuid();
    gid_t gid = getegid(), groups[NGROUPS_MAX];
    int n = geteuid() == 0 ? getgroups(NGROUPS_MAX, groups) : -1;
    const struct passwd *found;
    bool is_known, can;

    if (n < 0 || !user || !find_user(user, &uid, &gid, &is_known) ||
        (group && !find_group(group, &gid)))
        return access(path, X_OK) == 0;
    found = getpwuid(uid);
    can = (found ? initgroups(found->pw_name, gid) : setgroups(1, &gid)) >= 0 &&
          setegid(gid) >= 0 && seteuid(uid) >= 0 &&
          faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
    if (seteuid(0) < 0 || setegid(getgid()) < 0 || setgroups((size_t)n, groups) < 0)
        abort(); // nothing that follows would be true
    return can;
}

// What a script has wrong with its first line; NULL: nothing, or it is none.
static const char *refuse_script(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char line[256];
    ssize_t n = fd >= 0 ? read(fd, line, sizeof(line) - 1) : 0;
    size_t end;

    if (n < 2 || line[0] == '\177' || memchr(line, '\0', (size_t)n))
        return NULL;
    line[n] = '\0';
    if (strncmp(line, "#!", 2) != 0)
        return "is a text that does not begin with #!";
    end = strcspn(line, "\n");
    if (line[end - 1] == '\r')
        return "has a first line that ends in CR LF";
    line[end] = '\0';
    end = 2 + strspn(line + 2, " \t");
    line[end + strcspn(line + end, " \t")] = '\0';
    return line[end] == '\0'                                   ? "names no interpreter behind #!"
           : line[end] == '/' && access(line + end, X_OK) != 0 ? "names an interpreter that cannot "
                                                                 "be executed"
                                                               : NULL;
}

static char *refuse_program(const char *path, const char *user, const char *group)
{
    struct stat status;
    const char *wrong;

    if (*path != '/')
        return text_make("%s is no absolute path", path);
    if (stat(path, &status) < 0)
        return errno == ENOENT || errno == ENOTDIR ? text_make("there is no %s here", path)
                                                   : text_make("%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return text_make("%s is no file", path);
    if (!can_execute(path, user, group))
        return text_make("%s may not execute %s", user ? user : "this user", path);
    wrong = refuse_script(path);
    return wrong ? text_make("%s %s", path, wrong) : NULL;
}

// Whether a file has a line that is no comment.
static bool has_lines(const char *path)
{
    struct file_text text;
    bool has = false;

    if (file_read(path, WRAPPERS_MAX, &text) < 0)
        return false;
    for (const char *at = text.bytes; *at != '\0' && !has; at += strcspn(at, "\n")) {
        at += strspn(at, " \t\r\n");
        has = *at != '#' && *at != '\0';
    }
    free(text.bytes);
    return has;
}

static bool has_wrappers(void)
{
    return has_lines("/etc/hosts.deny") || has_lines("/etc/hosts.allow");
}

static bool can_limit(int resource, unsigned long long value)
{
    struct rlimit own;

    return geteuid() == 0 || getrlimit((__rlimit_resource_t)resource, &own) < 0 ||
           value <= own.rlim_max;
}

static bool can_nice(int nice)
{
    struct rlimit own;

    return geteuid() == 0 || nice >= getpriority(PRIO_PROCESS, 0) ||
           getrlimit(RLIMIT_NICE, &own) < 0 || 20 - nice <= (int)own.rlim_cur;
}

const struct world world_here = {
    .port = find_port,
    .has_host = has_host,
    .refuse_user = refuse_user,
    .refuse_program = refuse_program,
    .has_wrappers = has_wrappers,
    .can_limit = can_limit,
    .can_nice = can_nice,
};
