// SPDX-License-Identifier: MIT
// Messages to the service manager, one function each.

#include "log/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/base.h"

void notify_ready(const char *status)
{
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(const char *status)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=%s", base_now_usec(),
                     status);
}

void notify_stopping(const char *status)
{
    (void)sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
    (void)sd_notifyf(0, "STATUS=%s", status);
}

void notify_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

void notify_extend(uint64_t usec)
{
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}

void notify_failure(int error, const char *status)
{
    (void)sd_notifyf(0, "ERRNO=%d\nSTATUS=%s", error, status);
}

uint64_t notify_watchdog_usec(void)
{
    uint64_t usec = 0;

    return sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}

// systemd says since 254 how many it stores; for those before, the unit has to.
bool notify_store(const char *name, int fd)
{
    const char *limit = getenv("FDSTORE");
    char message[512];

    if (!limit || atoi(limit) <= 0)
        return false;
    (void)snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s", name);
    return sd_pid_notify_with_fds(0, 0, message, &fd, 1) > 0;
}

void notify_unstore(const char *name)
{
    (void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}
