// SPDX-License-Identifier: MIT
// Text to prefix and back: what is taken is written as a text that means the same, and is one that
// a simple reading of the text takes; of what is refused there is a text that says why.

#include <arpa/inet.h>

#include "access/prefix.h"

#include "fuzz.h"

// An address and a length by sscanf(3); mapped ones stay as they are.
static bool read_simply(const char *text, uint8_t ip[16], unsigned *ret_length, bool *ret_is_v6)
{
    char address[100] = "", rest;
    unsigned length = 0;
    int n = sscanf(text, "%99[^/]/%3u%c", address, &length, &rest);

    *ret_is_v6 = strchr(address, ':') != NULL;
    if (inet_pton(*ret_is_v6 ? AF_INET6 : AF_INET, address, ip) != 1 || n < 1 || n > 2)
        return false;
    *ret_length = n == 2 ? length : *ret_is_v6 ? 128 : 32;
    return true;
}

static void check_simply(const char *text, const struct prefix *prefix)
{
    uint8_t ip[16] = {0};
    unsigned length;
    bool is_v6;

    MUST(read_simply(text, ip, &length, &is_v6));
    if (is_v6 && !prefix->is_v6) { // it was mapped
        MUST(length >= 96 && length - 96 == prefix->length && memcmp(ip + 12, prefix->ip, 4) == 0);
        return;
    }
    MUST(is_v6 == prefix->is_v6 && length == prefix->length);
    MUST(memcmp(ip, prefix->ip, is_v6 ? 16 : 4) == 0);
}

static void check_bits(const struct prefix *prefix)
{
    MUST(prefix->length <= (prefix->is_v6 ? 128 : 32));
    for (unsigned bit = prefix->length; bit < 128; bit++)
        MUST((prefix->ip[bit / 8] & 0x80 >> bit % 8) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[100], wrong[PREFIX_WRONG_MAX] = "", written[PREFIX_TEXT_MAX];
    struct prefix list[PREFIX_WORD_MAX], again[PREFIX_WORD_MAX];
    int n;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    n = prefix_parse(text, list, wrong);
    MUST(n == 1 || n == 2 || (n < 0 && wrong[0] != '\0'));
    for (int i = 0; i < n; i++) {
        check_bits(&list[i]);
        (void)prefix_format(&list[i], written, sizeof(written));
        MUST(prefix_parse(written, again, wrong) == 1 && prefix_is_same(&again[0], &list[i]));
    }
    if (n == 1)
        check_simply(text, &list[0]);
    return 0;
}
