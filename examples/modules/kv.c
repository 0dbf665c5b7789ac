// SPDX-License-Identifier: MIT
// kv: keeps values under keys. A module for tcpd, see tcpd-handler(3):
//
//     service "kv" {
//         handler = "module"
//         module = "/usr/local/lib/tcpd/kv.so"
//         module_options = {"directory=/var/lib/tcpd/kv"}
//         listen = {"127.0.0.1:7011"}
//     }
//
// Requests and answers are messages: a length of 32 bits in network byte order, then as many bytes.
//
//     GET KEY          OK VALUE, or NONE
//     SET KEY VALUE    OK
//     DEL KEY          OK, or NONE
//
// or ERROR and why. A key has 1 to 64 letters, digits, '_' and '-'; a value has any bytes, 60,000
// at most.
//
// The workers of a service are processes, so what they share is in files, one for each key, in a
// directory that exists and that tcpd may write to. A value is written to a file of its own and
// then renamed, so that readers see the old one or the new one, never a part. It is not a database:
// of two that set one key at a time the last one wins without knowing of the other, nothing expires
// or is listed, and what was set in the last seconds may be lost when the machine loses its power.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tcpd/handler.h>

#define KEY_MAX   64
#define VALUE_MAX 60000
#define BEFORE    3 // "OK "

struct request {
    char verb[4], key[KEY_MAX + 1];
    const char *value; // NULL: none
    size_t size;
};

static int directory = -1;
static char temporary[32]; // this worker's own

// In the buffer: an answer's length, its text, or a request.
static char *text(void)
{
    return (char *)tcpd_buffer() + sizeof(uint32_t);
}

static int send_answer(struct tcpd_session *session, size_t length)
{
    uint32_t head = htonl((uint32_t)length);

    memcpy(tcpd_buffer(), &head, sizeof(head));
    return tcpd_write(session, tcpd_buffer(), sizeof(head) + length);
}

static int say(struct tcpd_session *session, const char *words)
{
    size_t length = strlen(words);

    memcpy(text(), words, length);
    return send_answer(session, length);
}

static int say_error(struct tcpd_session *session, const char *key)
{
    int error = errno;

    if (error == ENOENT)
        return say(session, "NONE");
    tcpd_log(session, LOG_ERR, "key %s: %s", key, strerror(error));
    return say(session, "ERROR the store has failed");
}

static int get(struct tcpd_session *session, const struct request *request)
{
    int fd = openat(directory, request->key, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text() + BEFORE, VALUE_MAX);
    int r = size < 0 ? say_error(session, request->key) : 0;

    if (fd >= 0)
        (void)close(fd);
    if (size < 0)
        return r;
    memcpy(text(), "OK ", BEFORE);
    return send_answer(session, BEFORE + (size_t)size);
}

static int write_value(const struct request *request)
{
    int fd = openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = fd < 0 ? -1 : write(fd, request->value, request->size);

    if (fd < 0 || close(fd) < 0 || n < 0)
        return -1;
    errno = ENOSPC;
    return n == (ssize_t)request->size ? 0 : -1;
}

static int set(struct tcpd_session *session, const struct request *request)
{
    if (write_value(request) < 0 || renameat(directory, temporary, directory, request->key) < 0)
        return say_error(session, request->key);
    return say(session, "OK");
}

static int del(struct tcpd_session *session, const struct request *request)
{
    if (unlinkat(directory, request->key, 0) < 0)
        return say_error(session, request->key);
    return say(session, "OK");
}

// Divides "VERB KEY" and "VERB KEY VALUE"; false: it is neither.
static bool parse(size_t length, struct request *ret)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *words = text();
    const char *space;
    size_t n_key;

    if (length < 5 || words[3] != ' ')
        return false;
    space = memchr(words + 4, ' ', length - 4);
    n_key = space ? (size_t)(space - words) - 4 : length - 4;
    if (n_key == 0 || n_key > KEY_MAX)
        return false;
    *ret = (struct request){.value = space ? space + 1 : NULL,
                            .size = space ? length - n_key - 5 : 0};
    memcpy(ret->verb, words, 3);
    memcpy(ret->key, words + 4, n_key);
    return strspn(ret->key, allowed) == n_key && ret->size <= VALUE_MAX;
}

static int answer(struct tcpd_session *session, size_t length)
{
    static const struct {
        const char *verb;
        bool has_value;
        int (*act)(struct tcpd_session *session, const struct request *request);
    } verbs[] = {{"GET", false, get}, {"SET", true, set}, {"DEL", false, del}};
    struct request request;

    if (parse(length, &request))
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
            if (strcmp(request.verb, verbs[i].verb) == 0 &&
                verbs[i].has_value == (request.value != NULL))
                return verbs[i].act(session, &request);
    return say(session, "ERROR this is not GET KEY, SET KEY VALUE or DEL KEY");
}

static void serve(struct tcpd_session *session)
{
    ssize_t n;

    do {
        uint32_t length;

        tcpd_expect_message(session);
        n = tcpd_read_exactly(session, &length, sizeof(length));
        if (n <= 0)
            return; // the client's end, or the session's
        length = ntohl(length);
        if (n < (ssize_t)sizeof(length) || length > TCPD_BUFFER_SIZE - sizeof(length) ||
            tcpd_read_exactly(session, text(), length) < (ssize_t)length) {
            tcpd_refuse(session);
            return;
        }
        n = answer(session, length);
    } while (n == 0);
}

static int open_worker(const struct tcpd_worker *worker)
{
    const char *path = tcpd_option(worker, "directory");

    if (!path || tcpd_option_at(worker, 1)) {
        tcpd_log(NULL, LOG_ERR, "module_options must be {\"directory=PATH\"}");
        return -1;
    }
    directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) < 0) {
        tcpd_log(NULL, LOG_ERR, "%s: %s", path, strerror(errno));
        return -1;
    }
    (void)snprintf(temporary, sizeof(temporary), ".%d", getpid()); // no key begins with a dot
    return 0;
}

static void close_worker(void)
{
    (void)unlinkat(directory, temporary, 0); // there is one after a failure only
    (void)close(directory);
}

const struct tcpd_handler tcpd_handler = {
    .abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .close = close_worker};
