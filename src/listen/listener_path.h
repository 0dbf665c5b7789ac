// SPDX-License-Identifier: MIT
// The path of a unix socket, for src/listen/ alone.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/address.h"
#include "config/config.h"

// The object that a path led to at bind; all 0: not known.
struct path_object {
    dev_t device;
    ino_t inode;
};

// Binds a new socket to the address, with the service's mode and owner, and listens. A socket that
// no server listens on is replaced. Of several processes at once one at most succeeds. 0, the
// socket in *ret_fd and what is at the path now in *ret; or -errno with nothing left behind.
int path_listen(const struct service *service, const struct address *address, int *ret_fd,
                struct path_object *ret);

// What would keep path_listen() from it, as far as a look shows: -EEXIST: something is there that
// is no socket; -ENOENT: there is no such directory; 0, or another -errno, which may be the
// looker's.
int path_foresee(const struct address *address);

// Notes the socket that is at the path.
void path_note(const struct address *address, struct path_object *ret);

// Whether the path still leads to the object.
bool path_leads_to(const struct address *address, const struct path_object *object);

// Gives the object the service's mode and owner; -ESTALE: the path leads elsewhere.
int path_set_owner(const struct address *address, const struct path_object *object,
                   const struct service *service);

// Removes the path, if it leads to the object.
void path_remove(const struct address *address, const struct path_object *object);

// Whether two paths are one name in one folder.
bool path_is_same(const struct address *a, const struct address *b);
