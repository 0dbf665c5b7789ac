// SPDX-License-Identifier: MIT
// tcpd-import: configurations of inetd, xinetd and tcpserver to that of tcpd. Everything is read
// before anything is written; a file that cannot be read ends it.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "base/file.h"
#include "import/import.h"
#include "import/inetd.h"
#include "import/options.h"
#include "import/tcprules.h"
#include "import/xinetd.h"

#define ITEMS_MAX  20000
#define OUTPUT_MAX (1024 * 1024) // a file of tcpd's

// A closed standard stream's number would be given to a file.
static void open_standard_streams(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); // stays open on purpose when it fills such a gap
    while (fd >= 0 && fd <= STDERR_FILENO);
    base_close_fd(&fd);
}

static const char *why_not(int error)
{
    return error == EISDIR    ? "it is a directory; name the files in it"
           : error == ENOTSUP ? "it is no regular file"
           : error == EFBIG   ? "it has more than 4 MiB"
                              : strerror(error);
}

static int read_text(struct import *import, const char *path, const char *name,
                     struct file_text *text)
{
    const struct place place = {.file = import_file(import, name)};
    bool is_standard = strcmp(path, "-") == 0;
    struct place at = {.file = place.file, .line = 1};
    size_t length;
    int r = is_standard ? file_read_open(STDIN_FILENO, IMPORT_FILE_MAX, text)
                        : file_read(path, IMPORT_FILE_MAX, text);

    if (r < 0)
        return import_error(import, &place, "%s", why_not(-r));
    length = strlen(text->bytes);
    if (length == text->n)
        return EX_OK;
    for (size_t i = 0; i < length; i++)
        at.line += text->bytes[i] == '\n';
    free(text->bytes);
    return import_error(import, &at, "it has a NUL byte here, so it is not a text");
}

static int import_one(struct import *import, const struct options *options, const char *path)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    struct file_text text = {0};
    int status = read_text(import, path, name, &text);

    if (status != EX_OK)
        return status;
    if (options->format == FORMAT_XINETD) {
        import_xinetd(import, name, &text);
        return EX_OK;
    }
    if (options->format == FORMAT_INETD)
        import_inetd(import, name, &text);
    else
        import_tcprules(import, name, &text);
    free(text.bytes);
    return EX_OK;
}

static int write_all(struct import *import, const struct options *options)
{
    struct text text = {0};
    bool is_written;

    if (import->n_items > ITEMS_MAX) {
        (void)fprintf(stderr,
                      "tcpd-import: there are more than %d entries; import fewer files at "
                      "a time\n",
                      ITEMS_MAX);
        return EX_CONFIG;
    }
    import_write(import, &text);
    if (import->n_served == 0)
        (void)fputs("tcpd-import: note: nothing is left to serve; by itself this is no "
                    "configuration\n",
                    stderr);
    if (text.n > OUTPUT_MAX) {
        (void)fputs("tcpd-import: it would have more than 1 MiB, and no file of tcpd's may; import "
                    "fewer files at a time\n",
                    stderr);
        text_done(&text);
        return EX_CONFIG;
    }
    is_written = fwrite(text.bytes, 1, text.n, stdout) == text.n && fflush(stdout) == 0;
    text_done(&text);
    if (!is_written) {
        (void)fprintf(stderr, "tcpd-import: cannot write: %s\n", strerror(errno));
        return EX_OSERR;
    }
    return options->is_strict && import->n_losses > 0 ? EXIT_FAILURE : EX_OK;
}

int main(int argc, char **argv)
{
    struct import import = {.features = &features_known, .world = &world_here, .said = stderr};
    struct options options;
    int status = EX_OK;

    open_standard_streams();
    options = options_parse(argc, argv);
    for (char **file = options.files; *file; file++) {
        int r = import_one(&import, &options, *file);

        status = r != EX_OK ? r : status;
    }
    if (status == EX_OK)
        status = write_all(&import, &options);
    import_done(&import);
    return status;
}
