// SPDX-License-Identifier: MIT
#include "ctl/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "view/counters.h"
#include "view/metrics.h"

// *ret_reply: what counters have their names in.
static int ask(const struct options *options, struct counters *ret, sd_bus_message **ret_reply)
{
    sd_bus *bus = NULL;
    int status = link_open(options->socket, options->timeout_usec, &bus);
    int r;

    if (status == EX_OK)
        status = link_call(bus, "GetCounters", options->timeout_usec, ret_reply);
    (void)sd_bus_close_unref(bus);
    if (status != EX_OK)
        return status;
    r = counters_read(*ret_reply, ret);
    return r < 0 ? fail(EXIT_FAILURE, "cannot read the counters: %s", strerror(-r)) : EX_OK;
}

// 0 or -errno.
static int print(FILE *stream, const struct options *options, const struct counters *counters)
{
    metrics_print(stream, options->open_metrics ? METRICS_OPEN : METRICS_TEXT, counters);
    errno = 0;
    if (fflush(stream) != 0 || ferror(stream))
        return errno > 0 ? -errno : -EIO;
    return 0;
}

// Whoever reads the file meanwhile has the old one, or the new one, whole.
static int print_file(const struct options *options, const struct counters *counters)
{
    cleanup_free char *path = NULL;
    FILE *stream;
    struct stat there;
    int fd, r;

    if (lstat(options->output, &there) == 0 && !S_ISREG(there.st_mode))
        return fail(EX_CANTCREAT, "cannot write %s: it is no regular file, and would be replaced",
                    options->output);
    if (asprintf(&path, "%s.XXXXXX", options->output) < 0)
        base_out_of_memory();
    fd = mkostemp(path, O_CLOEXEC);
    stream = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!stream)
        return fail(EX_CANTCREAT, "cannot write %s: %s", options->output, strerror(errno));
    r = print(stream, options, counters);
    if (r == 0 && fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) < 0)
        r = -errno;
    if (fclose(stream) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(path, options->output) < 0)
        r = -errno;
    if (r == 0)
        return EX_OK;
    (void)unlink(path);
    return fail(EX_IOERR, "cannot write %s: %s", options->output, strerror(-r));
}

int metrics_run(const struct options *options)
{
    sd_bus_message *reply = NULL;
    struct counters counters = {0};
    int status = ask(options, &counters, &reply);

    if (options->output && (status == EX_OK || status == EX_UNAVAILABLE)) {
        status = print_file(options, status == EX_OK ? &counters : NULL);
    } else if (status == EX_OK) {
        (void)print(stdout, options, &counters); // its failure stays with the stream
    }
    counters_done(&counters);
    (void)sd_bus_message_unref(reply);
    return status;
}
