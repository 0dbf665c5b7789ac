// SPDX-License-Identifier: MIT
// Paths of unix sockets. Whoever may write to the folder may put anything in a path's place at any
// moment. So mode and owner are never set by name: the object is opened without following links,
// compared with the one noted at bind, and that descriptor is used. See unix(7), open(2) O_PATH.

#include "listen/listener_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/base.h"
#include "listen/listener_datagram.h"

static const char *path_of(const struct address *address)
{
    return ((const struct sockaddr_un *)(const void *)&address->storage)->sun_path;
}

// The folder of a path, so that it stays the same one, and the name in it. The descriptor or
// -errno.
static int open_folder(const struct address *address, const char **ret_name)
{
    const char *path = path_of(address), *slash = strrchr(path, '/');
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    int fd;

    *ret_name = slash + 1; // paths are absolute
    (void)snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static bool is_object(const struct stat *st, const struct path_object *object)
{
    return S_ISSOCK(st->st_mode) && st->st_dev == object->device && st->st_ino == object->inode;
}

static void remove_object(int folder, const char *name, const struct path_object *object)
{
    struct stat st = {0};

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_object(&st, object))
        (void)unlinkat(folder, name, 0); // a leftover is stale and replaced at the next start
}

// Opens what a path leads to, to look at; never a link's target. The descriptor or -errno.
static int open_object(int folder, const char *name, struct stat *ret)
{
    cleanup_close int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fstat(fd, ret) < 0)
        return -errno;
    return base_take_fd(&fd);
}

// fchmod(2) takes no O_PATH; the link in /proc leads to the object, whatever its name is now.
static int set_mode(int fd, mode_t mode)
{
    char link[32];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    return chmod(link, mode) < 0 ? -errno : 0;
}

// The mode first: whoever may give an object away may not change it afterwards.
static int set_owner(int fd, const struct stat *st, const struct service *service)
{
    uid_t uid = service->socket_uid;
    gid_t gid = service->socket_gid;
    int r = 0;

    if ((st->st_mode & 07777) != service->socket_mode)
        r = set_mode(fd, service->socket_mode);
    if (r == 0 &&
        ((uid != (uid_t)-1 && uid != st->st_uid) || (gid != (gid_t)-1 && gid != st->st_gid)) &&
        fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
        r = -errno;
    return r;
}

void path_note(const struct address *address, struct path_object *ret)
{
    struct stat st = {0};

    if (lstat(path_of(address), &st) == 0 && S_ISSOCK(st.st_mode))
        *ret = (struct path_object){.device = st.st_dev, .inode = st.st_ino};
}

bool path_leads_to(const struct address *address, const struct path_object *object)
{
    struct stat st = {0};

    return lstat(path_of(address), &st) == 0 && is_object(&st, object);
}

int path_set_owner(const struct address *address, const struct path_object *object,
                   const struct service *service)
{
    const char *name;
    cleanup_close int folder = open_folder(address, &name);
    cleanup_close int fd = -1;
    struct stat st = {0};

    if (folder < 0)
        return folder;
    fd = open_object(folder, name, &st);
    if (fd < 0 || !is_object(&st, object))
        return -ESTALE;
    return set_owner(fd, &st, service);
}

void path_remove(const struct address *address, const struct path_object *object)
{
    const char *name;
    cleanup_close int folder = open_folder(address, &name);

    if (folder >= 0)
        remove_object(folder, name, object);
}

bool path_is_same(const struct address *a, const struct address *b)
{
    const char *a_name, *b_name;
    cleanup_close int a_folder = open_folder(a, &a_name);
    cleanup_close int b_folder = open_folder(b, &b_name);
    struct stat a_st, b_st;

    if (strcmp(path_of(a), path_of(b)) == 0)
        return true;
    return strcmp(a_name, b_name) == 0 && a_folder >= 0 && b_folder >= 0 &&
           fstat(a_folder, &a_st) == 0 && fstat(b_folder, &b_st) == 0 &&
           a_st.st_dev == b_st.st_dev && a_st.st_ino == b_st.st_ino;
}

static bool is_same_file(int fd, int folder, const char *name)
{
    struct stat held, named;

    return fstat(fd, &held) == 0 && fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static void name_lock(const char *name, char lock[static NAME_MAX + 1])
{
    (void)snprintf(lock, NAME_MAX + 1, ".%s.lock", name); // a path has 107 bytes at most
}

// From the look at what is there until the new socket listens, nobody else may come to think that
// it is stale. A lock on the folder itself would do, but strangers may hold that for ever. Does not
// wait: whoever holds it has the path. The descriptor or -errno.
static int lock_path(int folder, const char *name)
{
    char lock[NAME_MAX + 1];

    name_lock(name, lock);
    for (int tries = 0; tries < 100; tries++) {
        cleanup_close int fd = openat(
            folder, lock, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
        if (is_same_file(fd, folder, lock))
            return base_take_fd(&fd);
    } // each time its holder has removed it meanwhile
    return -EADDRINUSE;
}

static void unlock_path(int folder, const char *name)
{
    char lock[NAME_MAX + 1];

    name_lock(name, lock);
    (void)unlinkat(folder, lock, 0); // still locked: the descriptor is closed afterwards
}

// Removes a path that no server listens on any more. 0, or -errno: something is there.
static int remove_stale(const struct address *address, int folder, const char *name)
{
    cleanup_close int fd = socket(AF_UNIX, address->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat st = {0};

    if (fd < 0)
        return -errno;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    if (connect(fd, &address->any, address->length) == 0 || errno != ECONNREFUSED)
        return -EADDRINUSE;
    return unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

// What bind() has just made: until it has its mode it has none, which no socket of anybody's has
// that is worth taking for ours.
static bool note_new(const struct stat *st, struct path_object *ret)
{
    if (!S_ISSOCK(st->st_mode) || (st->st_mode & 07777) != 0 || st->st_nlink != 1)
        return false;
    *ret = (struct path_object){.device = st->st_dev, .inode = st->st_ino};
    return true;
}

// Noted by its name first: one that could not be opened has to be removed, as without a mode it
// would not be found to be stale by anybody but root.
static int take_new(int folder, const char *name, const struct service *service,
                    struct path_object *ret)
{
    struct stat st = {0};
    cleanup_close int fd = -1;

    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!note_new(&st, ret))
        return -EADDRINUSE;
    fd = open_object(folder, name, &st);
    if (fd < 0)
        return fd;
    return note_new(&st, ret) ? set_owner(fd, &st, service) : -EADDRINUSE;
}

static int bind_and_listen(const struct service *service, const struct address *address, int folder,
                           const char *name, int *ret_fd, struct path_object *ret)
{
    cleanup_close int fd = -1;
    int r = remove_stale(address, folder, name);

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, address->type | SOCK_CLOEXEC, 0);
    if (fd < 0 || fchmod(fd, 0) < 0 || bind(fd, &address->any, address->length) < 0)
        return -errno;
    r = take_new(folder, name, service, ret);
    if (r == 0)
        r = datagram_or_listen(fd, address->type, service);
    if (r < 0) {
        remove_object(folder, name, ret);
        return r;
    }
    *ret_fd = base_take_fd(&fd);
    return 0;
}

int path_foresee(const struct address *address)
{
    const char *name;
    cleanup_close int folder = open_folder(address, &name);
    struct stat st;

    if (folder < 0)
        return folder;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISSOCK(st.st_mode) ? -EEXIST
                                                                                         : 0;
}

int path_listen(const struct service *service, const struct address *address, int *ret_fd,
                struct path_object *ret)
{
    const char *name;
    cleanup_close int folder = open_folder(address, &name);
    cleanup_close int lock = -1;
    int r;

    if (folder < 0)
        return folder;
    lock = lock_path(folder, name);
    if (lock < 0)
        return lock;
    *ret = (struct path_object){0};
    r = bind_and_listen(service, address, folder, name, ret_fd, ret);
    unlock_path(folder, name);
    return r;
}
