// SPDX-License-Identifier: MIT
// proxy_reader.c: a header that comes in any pieces through a socket is what it is as a whole, and
// what is behind it is still there, to the byte.

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session/proxy_reader.h"

#include "fuzz.h"

#define MAX 6000

// What a reading of all of it says.
static enum proxy_read read_at_once(const uint8_t *data, size_t size, enum proxy_versions versions,
                                    struct proxy_header *header)
{
    switch (proxy_header_scan(data, size, versions, header)) {
    case PROXY_DONE:
        return PROXY_READ_WHOLE;
    case PROXY_BAD:
        return PROXY_READ_BAD;
    case PROXY_MORE:
        break;
    }
    return PROXY_READ_WAIT;
}

static void check_rest(int fd, const uint8_t *want, size_t size)
{
    static uint8_t rest[MAX + 1];
    size_t n = 0;

    while (n < size) {
        ssize_t r = recv(fd, rest + n, sizeof(rest) - n, MSG_DONTWAIT);

        MUST(r > 0);
        n += (size_t)r;
    }
    MUST(n == size && memcmp(rest, want, size) == 0);
    MUST(recv(fd, rest, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

static void check_same(const struct proxy_header *got, const struct proxy_header *want)
{
    MUST(got->kind == want->kind && got->length == want->length);
    MUST(memcmp(&got->client, &want->client, sizeof(got->client)) == 0);
    MUST(memcmp(&got->destination, &want->destination, sizeof(got->destination)) == 0);
    MUST(got->authority.length == want->authority.length);
    MUST(got->unique_id.length == want->unique_id.length);
    MUST(got->tls_version.length == want->tls_version.length);
    MUST(got->tls_cipher.length == want->tls_cipher.length);
    MUST(got->tls_name.length == want->tls_name.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cuts cuts = {size ? data[0] : 0};
    enum proxy_versions versions = (enum proxy_versions)(size ? data[0] % PROXY_VERSIONS : 0);
    enum proxy_read want, read = PROXY_READ_WAIT;
    static struct proxy_reader reader;
    struct proxy_header header;
    size_t sent = 0;
    int pair[2];

    if (size == 0 || size > MAX)
        return 0;
    data++;
    size--;
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    want = read_at_once(data, size, versions, &header);
    proxy_reader_open(&reader, versions);
    while (read == PROXY_READ_WAIT && sent < size) {
        size_t n = next_piece(&cuts, size - sent);

        MUST(send(pair[0], data + sent, n, MSG_NOSIGNAL) == (ssize_t)n);
        sent += n;
        if (cuts.state & 0x10000 || sent == size) // else several pieces wait at once
            read = proxy_reader_take(&reader, pair[1]);
    }
    MUST(read == want || size == 0);
    if (read == PROXY_READ_WHOLE) {
        check_same(&reader.header, &header);
        MUST(reader.n_held == header.length);
        check_rest(pair[1], data + header.length, sent - header.length);
    } else if (read == PROXY_READ_BAD) {
        MUST(reader.header.reason == header.reason);
        check_rest(pair[1], data + reader.n_held, sent - reader.n_held);
    } else if (read == PROXY_READ_WAIT) {
        MUST(reader.n_held == sent && memcmp(reader.bytes, data, sent) == 0);
        MUST(shutdown(pair[0], SHUT_WR) == 0);
        MUST(proxy_reader_take(&reader, pair[1]) == PROXY_READ_ENDED);
    }
    (void)close(pair[0]);
    (void)close(pair[1]);
    return 0;
}
