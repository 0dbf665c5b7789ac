// SPDX-License-Identifier: MIT
// Reading files and folders. A kept file is its head and its bytes, or nothing where there is
// none; a kept folder its names one behind the other, or nothing where there is none.

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/answers.h"
#include "base/base.h"

static const char the_file[] = "the file", the_folder[] = "the directory";

// A descriptor of a regular file, or -errno.
static int open_regular(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -ENOTSUP;
    return base_take_fd(&fd);
}

// Reads to the end, or more than max bytes; *bytes, which are *ret_n, grow with it. 0 or -errno.
static int read_all(int fd, size_t expected, size_t max, char **bytes, size_t *ret_n)
{
    size_t size = 0, n = 0;
    ssize_t r = 1;

    while (r != 0 && n <= max) {
        if (n == size) {
            size = size == 0 ? expected + 1 : 2 * size;
            *bytes = base_checked(realloc(*bytes, size));
        }
        r = read(fd, *bytes + n, size - n);
        if (r < 0 && errno != EINTR)
            return -errno;
        n += r > 0 ? (size_t)r : 0;
    }
    *ret_n = n;
    return 0;
}

int file_read_open(int fd, size_t max, struct file_text *ret)
{
    cleanup_free char *bytes = NULL;
    struct stat status;
    size_t n = 0;
    int r = fstat(fd, &status) < 0 ? -errno : 0;

    if (r >= 0)
        r = status.st_size > (off_t)max ? -EFBIG
                                        : read_all(fd, (size_t)status.st_size, max, &bytes, &n);
    if (r < 0 || n > max)
        return r < 0 ? r : -EFBIG;
    *ret = (struct file_text){
        .bytes = base_checked(realloc(bytes, n + 1)),
        .n = n,
        .device = status.st_dev,
        .inode = status.st_ino,
        .mode = status.st_mode,
    };
    bytes = NULL;
    ret->bytes[n] = '\0';
    return 0;
}

static int read_file(const char *path, size_t max, struct file_text *ret)
{
    cleanup_close int fd = open_regular(path);

    return fd < 0 ? fd : file_read_open(fd, max, ret);
}

// What is kept of a file besides its bytes.
struct head {
    dev_t device;
    ino_t inode;
    mode_t mode;
};

static int recall(const struct answer *answer, struct file_text *ret)
{
    struct head head;

    if (answer->size < sizeof(head))
        return -EBADMSG;
    memcpy(&head, answer->bytes, sizeof(head));
    *ret = (struct file_text){.n = answer->size - sizeof(head),
                              .device = head.device,
                              .inode = head.inode,
                              .mode = head.mode};
    ret->bytes = base_checked(malloc(ret->n + 1));
    memcpy(ret->bytes, (const char *)answer->bytes + sizeof(head), ret->n);
    ret->bytes[ret->n] = '\0';
    return 0;
}

static void note(const char *path, const struct file_text *text)
{
    struct head head;
    cleanup_free char *bytes = base_checked(malloc(sizeof(head) + text->n + 1));

    memset(&head, 0, sizeof(head)); // what lies between its members, too
    head.device = text->device;
    head.inode = text->inode;
    head.mode = text->mode;
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), text->bytes, text->n);
    answers_note(the_file, path, bytes, sizeof(head) + text->n);
    explicit_bzero(bytes, sizeof(head) + text->n); // it may be a key
}

int file_read(const char *path, size_t max, struct file_text *ret)
{
    struct answer answer;
    int r = answers_find(the_file, path, &answer);

    if (r != 0)
        return r < 0 ? r : recall(&answer, ret);
    r = read_file(path, max, ret);
    if (r >= 0)
        note(path, ret);
    else
        answers_note_failure(the_file, path, -r);
    return r;
}

static void add_name(char ***names, size_t *n, const char *name)
{
    *names = base_checked(reallocarray(*names, *n + 2, sizeof(char *)));
    (*names)[(*n)++] = base_checked(strdup(name));
    (*names)[*n] = NULL;
}

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), its = strlen(ending);

    return name[0] != '.' && length > its && strcmp(name + length - its, ending) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_folder(const char *folder, const char *ending, char ***ret_names)
{
    char **names = NULL;
    size_t n = 0;
    DIR *directory = opendir(folder);
    struct dirent *entry;
    int error;

    if (!directory)
        return -errno;
    while (errno = 0, (entry = readdir(directory)) != NULL)
        if (ends_in(entry->d_name, ending))
            add_name(&names, &n, entry->d_name);
    error = errno;
    (void)closedir(directory); // only read from
    if (error != 0) {
        file_list_free(names);
        return -error;
    }
    if (n > 1)
        qsort(names, n, sizeof(names[0]), compare);
    *ret_names = names ? names : base_checked(calloc(1, sizeof(char *)));
    return 0;
}

static void note_names(const char *folder, char *const *names)
{
    cleanup_free char *bytes = NULL;
    size_t size = 0;

    for (; *names; names++) {
        size_t length = strlen(*names) + 1;

        bytes = base_checked(realloc(bytes, size + length));
        memcpy(bytes + size, *names, length);
        size += length;
    }
    answers_note(the_folder, folder, bytes, size);
}

int file_list(const char *folder, const char *ending, char ***ret_names)
{
    struct answer answer;
    char **names = NULL;
    size_t n = 0;
    int r = answers_find(the_folder, folder, &answer);

    if (r < 0)
        return r;
    if (r > 0) {
        const char *name = answer.bytes;

        if (answer.size > 0 && name[answer.size - 1] != '\0')
            return -EBADMSG;
        for (size_t at = 0; at < answer.size; at += strlen(name + at) + 1)
            add_name(&names, &n, name + at);
        *ret_names = names ? names : base_checked(calloc(1, sizeof(char *)));
        return 0;
    }
    r = list_folder(folder, ending, ret_names);
    if (r >= 0)
        note_names(folder, *ret_names);
    else
        answers_note_failure(the_folder, folder, -r);
    return r;
}

void file_list_free(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
}
