// SPDX-License-Identifier: MIT
#include "master/node_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/base.h"
#include "listen/listener_inherit.h"
#include "log/log.h"
#include "log/notify.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

// The text, whose size is *ret_n; NULL: it cannot be one of ours.
static char *read_text(int fd, size_t *ret_n)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat status;
    char *text;

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &status) < 0 ||
        status.st_size > (off_t)NODE_STATE_TEXT_MAX)
        return NULL;
    text = malloc((size_t)status.st_size + 1);
    *ret_n = (size_t)status.st_size;
    if (text && pread(fd, text, *ret_n, 0) == status.st_size)
        return text;
    free(text);
    return NULL;
}

void node_store_take(struct node_orders *ret)
{
    cleanup_close int fd = inherited_take_nodes();
    cleanup_free char *text = NULL;
    size_t n = 0;
    int n_wrong;

    if (fd < 0)
        return;
    text = read_text(fd, &n);
    n_wrong = text ? node_state_read(text, n, ret) : -1;
    if (n_wrong == 0)
        return;
    if (n_wrong < 0)
        log_warning("what was handed over as \"%s\" is no state of a node; nothing is drained",
                    INHERITED_NODES);
    else
        log_warning("%d line%s of the node's state cannot be read; these services are ready",
                    n_wrong, PLURAL(n_wrong));
    node_store_keep(ret);
}

// A file that nobody can change any more; -1: there is none to be had.
static int make_file(const struct node_orders *orders)
{
    cleanup_free char *text = malloc(NODE_STATE_TEXT_MAX);
    cleanup_close int fd = memfd_create("node-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t n;

    if (!text || fd < 0)
        return -1;
    n = node_state_write(orders, text);
    if (write(fd, text, n) != (ssize_t)n || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -1;
    return base_take_fd(&fd);
}

void node_store_keep(const struct node_orders *orders)
{
    cleanup_close int fd = -1;

    notify_unstore(INHERITED_NODES);
    if (orders->n == 0)
        return;
    fd = make_file(orders);
    if (fd < 0 || !notify_store(INHERITED_NODES, fd))
        log_notice("that lasts until tcpd ends: no service manager keeps it over a restart");
}
