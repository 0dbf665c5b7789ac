// SPDX-License-Identifier: MIT
// The walk from / to the file. Each step starts from the descriptor that was judged before, and
// symbolic links are read here and not followed by the kernel: nothing is judged by a name and used
// by that name afterwards. A directory with the sticky bit may be anybody's to write to, as /tmp
// is: what root or we own in there, nobody else can rename or remove.

#include "module/module_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"

#define LINKS_MAX  40  // the kernel's limit
#define SHOWN_MAX  400 // bytes of a path in a text, its end
#define WRITE_BITS (S_IWGRP | S_IWOTH)

static const char a_directory[] = "the directory", a_link[] = "the symbolic link",
                  a_file[] = "the file";

struct walk {
    int folder, file;    // the directory it has come to; the file, at its end
    struct stat status;  // the directory's
    char at[PATH_MAX];   // where that is, without links; "" for /
    char rest[PATH_MAX]; // what is still to go
    unsigned n_links;
    uid_t unknown_root; // the owner of /, if that is root and cannot be seen to be; else 0
    char *wrong;
    size_t size;
};

// ---- What is wrong ------------------------------------------------------------------------------

static const char *shown(const struct walk *walk)
{
    size_t length = strlen(walk->at);

    return length == 0 ? "/" : walk->at + (length > SHOWN_MAX ? length - SHOWN_MAX : 0);
}

// Names what it is about, unless that is what was asked for. -1.
__attribute__((format(printf, 3, 4))) static int refuse(const struct walk *walk, const char *what,
                                                        const char *format, ...)
{
    va_list arguments;
    int n = 0;

    if (what != a_file || walk->n_links > 0)
        n = snprintf(walk->wrong, walk->size, "%s %s ", what, shown(walk));
    va_start(arguments, format);
    if (n >= 0 && (size_t)n < walk->size)
        (void)vsnprintf(walk->wrong + n, walk->size - (size_t)n, format, arguments);
    va_end(arguments);
    return -1;
}

static int fail(const struct walk *walk, int error)
{
    if (walk->n_links == 0) // the path says it
        (void)snprintf(walk->wrong, walk->size, "%s", strerror(error));
    else
        (void)snprintf(walk->wrong, walk->size, "%s: %s", shown(walk), strerror(error));
    return -1;
}

// ---- Judgement ----------------------------------------------------------------------------------

// Whether the user has a number of its own here, and not the one that stands for all who have none.
static bool is_mapped(uid_t user)
{
    FILE *map = fopen("/proc/self/uid_map", "re");
    bool mapped = !map;
    unsigned first, n;

    while (!mapped && fscanf(map, "%u %*u %u", &first, &n) == 2)
        mapped = user >= first && user - first < n;
    if (map)
        (void)fclose(map); // only read from
    return mapped;
}

static bool is_trusted(const struct walk *walk, const char *what, uid_t owner)
{
    return owner == 0 || owner == geteuid() ||
           (walk->unknown_root != 0 && owner == walk->unknown_root && what != a_file);
}

static int judge(const struct walk *walk, const char *what, const struct stat *status)
{
    unsigned mode = status->st_mode & 07777;
    const struct passwd *user;

    if (!is_trusted(walk, what, status->st_uid)) {
        user = getpwuid(status->st_uid);
        return refuse(walk, what,
                      "belongs to user %u%s%s%s; it must be root's or that of the user tcpd runs "
                      "as, %u",
                      status->st_uid, user ? " (" : "", user ? user->pw_name : "", user ? ")" : "",
                      geteuid());
    }
    if (S_ISLNK(status->st_mode) || !(mode & WRITE_BITS))
        return 0;
    if (what == a_file)
        return refuse(walk, what,
                      "has mode %04o; neither its group nor others may have write permission",
                      mode);
    if (mode & S_ISVTX)
        return 0;
    return refuse(walk, what, "is writable by %s (mode %04o)",
                  mode & S_IWOTH ? "others" : "its group", mode);
}

// ---- The walk -----------------------------------------------------------------------------------

static void go_to(struct walk *walk, int *folder, const struct stat *status)
{
    base_close_fd(&walk->folder);
    walk->folder = base_take_fd(folder);
    walk->status = *status;
}

// In a user namespace without root, / belongs to the number of all who have none there.
static int go_to_root(struct walk *walk)
{
    cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat status;

    walk->at[0] = '\0';
    if (root < 0 || fstat(root, &status) < 0)
        return fail(walk, errno);
    if (status.st_uid != 0 && !is_mapped(status.st_uid))
        walk->unknown_root = status.st_uid;
    go_to(walk, &root, &status);
    return 0;
}

// A path may begin where we are.
static int start(struct walk *walk, const char *path)
{
    char here[PATH_MAX] = "";
    int n;

    if (strchr(path, '$')) // $ORIGIN and the like, for a loader that replaces them
        return refuse(walk, a_file, "has a '$' in its name, and nothing would replace it");
    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        return fail(walk, errno);
    n = snprintf(walk->rest, sizeof(walk->rest), "%s%s%s", here, here[0] ? "/" : "", path);
    if (n < 0 || (size_t)n >= sizeof(walk->rest))
        return fail(walk, ENAMETOOLONG);
    return go_to_root(walk);
}

// Takes the next name from what is still to go. False: there is none.
static bool take_name(struct walk *walk, char name[PATH_MAX])
{
    const char *rest = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(rest, "/");

    memcpy(name, rest, length);
    name[length] = '\0';
    memmove(walk->rest, rest + length, strlen(rest + length) + 1);
    return length > 0;
}

static void leave_name(struct walk *walk)
{
    char *slash = strrchr(walk->at, '/');

    if (slash)
        *slash = '\0';
}

// Whose directory it is decides what the names in there mean, but not where ".." leads.
static int note_name(struct walk *walk, const char *name)
{
    size_t length = strlen(walk->at);

    if (strcmp(name, "..") == 0)
        leave_name(walk);
    if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        return 0;
    if (judge(walk, a_directory, &walk->status) < 0)
        return -1;
    if (length + 1 + strlen(name) >= sizeof(walk->at))
        return fail(walk, ENAMETOOLONG);
    (void)snprintf(walk->at + length, sizeof(walk->at) - length, "/%s", name);
    return 0;
}

// O_DIRECTORY first: without it a directory that is mounted when it is looked into is not.
static int open_name(const struct walk *walk, const char *name, struct stat *ret_status)
{
    const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    cleanup_close int fd = openat(walk->folder, name, flags | O_DIRECTORY);

    if (fd < 0 && errno == ENOTDIR)
        fd = openat(walk->folder, name, flags);
    if (fd < 0 || fstat(fd, ret_status) < 0)
        return fail(walk, errno);
    return base_take_fd(&fd);
}

static int follow(struct walk *walk, int link)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t length = readlinkat(link, "", target, sizeof(target));
    int n;

    if (length < 0 || ++walk->n_links > LINKS_MAX)
        return fail(walk, length < 0 ? errno : ELOOP);
    n = snprintf(rest, sizeof(rest), "%.*s%s", (int)length, target, walk->rest);
    if (n < 0 || (size_t)n >= sizeof(rest))
        return fail(walk, ENAMETOOLONG);
    memcpy(walk->rest, rest, (size_t)n + 1);
    leave_name(walk);
    return rest[0] == '/' ? go_to_root(walk) : 0;
}

// It may have been replaced since it was looked at; this is the one that counts.
static int open_file(struct walk *walk, const char *name)
{
    struct stat status;

    walk->file = openat(walk->folder, name,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (walk->file < 0 || fstat(walk->file, &status) < 0)
        return fail(walk, errno);
    if (!S_ISREG(status.st_mode))
        return refuse(walk, a_file, "is not a regular file");
    return judge(walk, a_file, &status);
}

static int step(struct walk *walk, const char *name)
{
    struct stat status = {0};
    int r = note_name(walk, name);
    cleanup_close int fd = r < 0 ? r : open_name(walk, name, &status);

    if (fd < 0)
        return -1;
    if (S_ISLNK(status.st_mode)) {
        r = judge(walk, a_link, &status);
        return r < 0 ? r : follow(walk, fd);
    }
    if (S_ISDIR(status.st_mode)) {
        go_to(walk, &fd, &status);
        return 0;
    }
    if (walk->rest[0] != '\0')
        return fail(walk, ENOTDIR);
    if (!S_ISREG(status.st_mode)) // opening a device may do something
        return refuse(walk, a_file, "is not a regular file");
    return open_file(walk, name);
}

int module_file_open(const char *path, char *ret_wrong, size_t size)
{
    struct walk walk = {.folder = -1, .file = -1, .wrong = ret_wrong, .size = size};
    char name[PATH_MAX];
    int r = start(&walk, path);

    while (r >= 0 && walk.file < 0 && take_name(&walk, name))
        r = step(&walk, name);
    if (r >= 0 && walk.file < 0)
        r = refuse(&walk, a_file, "is not a regular file");
    base_close_fd(&walk.folder);
    if (r < 0) {
        base_close_fd(&walk.file);
        return -1;
    }
    return walk.file;
}
