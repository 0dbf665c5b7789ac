// SPDX-License-Identifier: MIT
// The file: a page with the question that is being asked, then a mark and the answers, each with
// its sizes in front. Questions come again in the order in which they were asked, so the search
// begins behind the answer that was found last.

#include "base/answers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/escape.h"

#define PENDING_SIZE ((size_t)4096)
#define MARK         UINT64_C(0x7463706420312e30)
#define ERRNO_MAX    4095 // the kernel's MAX_ERRNO

struct head {
    uint64_t what, about, size; // bytes, the NUL of texts among them
    int64_t error;              // an errno, and no bytes; 0: an answer
};

static enum { ASKING, KEEPING, GIVEN } state;
static int pending = -1;

// KEEPING: an own copy; GIVEN: the file's.
static struct {
    char *bytes; // the mark, then the answers
    size_t size, room;
    size_t next; // where the next search begins
    void *mapping;
    size_t mapped;
} book;

static bool is_error(const struct head *head)
{
    return head->error > 0 && head->error <= ERRNO_MAX && head->size == 0;
}

// The answer at `at`; 0: there is no whole one. Else where the next one begins.
static size_t read_entry(size_t at, struct head *ret, const char **ret_what)
{
    size_t left = book.size - at;

    if (left < sizeof(*ret))
        return 0;
    memcpy(ret, book.bytes + at, sizeof(*ret));
    left -= sizeof(*ret);
    *ret_what = book.bytes + at + sizeof(*ret);
    if (ret->what == 0 || ret->what > left || ret->about == 0 || ret->about > left - ret->what ||
        ret->size > left - ret->what - ret->about || (*ret_what)[ret->what - 1] != '\0' ||
        (*ret_what)[ret->what + ret->about - 1] != '\0' || (ret->error != 0 && !is_error(ret)))
        return 0;
    return at + sizeof(*ret) + ret->what + ret->about + ret->size;
}

static bool find_in(size_t from, size_t end, const char *what, const char *about,
                    struct answer *ret, int *ret_error)
{
    struct head head;
    const char *text;

    for (size_t at = from, after; at < end; at = after) {
        after = read_entry(at, &head, &text);
        if (after == 0)
            return false;
        if (strcmp(text, what) != 0 || strcmp(text + head.what, about) != 0)
            continue;
        *ret = (struct answer){.bytes = text + head.what + head.about, .size = head.size};
        *ret_error = (int)head.error;
        book.next = after;
        return true;
    }
    return false;
}

static void say_pending(const char *what, const char *about)
{
    char text[PENDING_SIZE] = "";

    if (pending < 0)
        return;
    (void)snprintf(text, sizeof(text), "%s %s", what, about);
    if (pwrite(pending, text, strlen(text) + 1, 0) < 0)
        pending = -1; // it was for a text only
}

int answers_find(const char *what, const char *about, struct answer *ret)
{
    size_t next = book.next;
    int error;

    if (state != ASKING && (find_in(next, book.size, what, about, ret, &error) ||
                            find_in(sizeof(uint64_t), next, what, about, ret, &error)))
        return error != 0 ? -error : 1;
    if (state == GIVEN)
        return -ESTALE;
    say_pending(what, about);
    return 0;
}

static void append(const void *bytes, size_t size)
{
    if (book.room - book.size < size) {
        book.room = 2 * (book.room + size);
        book.bytes = base_checked(realloc(book.bytes, book.room));
    }
    if (size > 0)
        memcpy(book.bytes + book.size, bytes, size);
    book.size += size;
}

static void note(const char *what, const char *about, const void *bytes, size_t size, int error)
{
    const struct head head = {
        .what = strlen(what) + 1, .about = strlen(about) + 1, .size = size, .error = error};

    say_pending("", "");
    if (state != KEEPING)
        return;
    append(&head, sizeof(head));
    append(what, head.what);
    append(about, head.about);
    append(bytes, size);
    book.next = book.size;
}

void answers_note(const char *what, const char *about, const void *bytes, size_t size)
{
    note(what, about, bytes, size, 0);
}

void answers_note_failure(const char *what, const char *about, int error)
{
    note(what, about, NULL, 0, error);
}

void answers_keep(int fd)
{
    static const uint64_t mark = MARK;

    answers_forget();
    pending = fd;
    append(&mark, sizeof(mark));
    book.next = sizeof(mark);
    state = KEEPING;
}

static int write_all(int fd, const char *bytes, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, at);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EIO;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
            at += n;
        }
    }
    return 0;
}

int answers_write(int fd)
{
    uint64_t none = 0;
    int r;

    // The mark goes last: without it the file is not whole.
    r = write_all(fd, (const char *)&none, sizeof(none), PENDING_SIZE);
    if (r >= 0)
        r = write_all(fd, book.bytes + sizeof(none), book.size - sizeof(none),
                      PENDING_SIZE + sizeof(none));
    return r < 0 ? r : write_all(fd, book.bytes, sizeof(none), PENDING_SIZE);
}

static bool is_whole(void)
{
    struct head head;
    const char *text;
    uint64_t mark;
    size_t at = sizeof(mark);

    if (book.size < sizeof(mark))
        return false;
    memcpy(&mark, book.bytes, sizeof(mark));
    while (mark == MARK && at != 0 && at < book.size)
        at = read_entry(at, &head, &text);
    return mark == MARK && at == book.size;
}

int answers_give(int fd)
{
    struct stat st;
    void *mapping;

    answers_forget();
    if (fstat(fd, &st) < 0)
        return -errno;
    if ((size_t)st.st_size < PENDING_SIZE + sizeof(uint64_t))
        return -EBADMSG;
    mapping = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED)
        return -errno;
    book.mapping = mapping;
    book.mapped = (size_t)st.st_size;
    book.bytes = (char *)mapping + PENDING_SIZE;
    book.size = book.mapped - PENDING_SIZE;
    book.next = sizeof(uint64_t);
    state = GIVEN;
    if (is_whole())
        return 0;
    answers_forget();
    return -EBADMSG;
}

bool answers_are_given(void)
{
    return state == GIVEN;
}

void answers_forget(void)
{
    if (state == GIVEN)
        (void)munmap(book.mapping, book.mapped); // a valid mapping
    else
        free(book.bytes);
    memset(&book, 0, sizeof(book));
    pending = -1;
    state = ASKING;
}

void answers_renounce(void)
{
    base_close_fd(&pending);
    answers_forget();
}

const char *answers_pending(int fd, char *text, size_t size)
{
    char bytes[PENDING_SIZE] = "";
    ssize_t n = pread(fd, bytes, sizeof(bytes) - 1, 0);

    bytes[n > 0 ? n : 0] = '\0';
    (void)escape_bytes(bytes, strlen(bytes), text, size);
    return strcmp(text, " ") == 0 ? strcpy(text, "") : text;
}
