// SPDX-License-Identifier: MIT
// rate.c against a simple reading of the same texts; what it writes it reads as the same.

#include <errno.h>

#include "base/rate.h"

#include "fuzz.h"

// Whether sscanf() and a second look make a rate of it.
static bool read_simply(const char *text, unsigned long long *ret_n, unsigned *ret_seconds)
{
    static const char *const tails[] = {"/s", "/min", "/h"};
    static const unsigned seconds[] = {1, 60, 3600};
    size_t n = strspn(text, "0123456789");

    *ret_n = n < 18 ? strtoull(text, NULL, 10) : UINT64_MAX;
    *ret_seconds = 0;
    if (n > 0 && strspn(text, "0") == n) {
        *ret_n = 0;
        return text[n] == '\0';
    }
    for (size_t i = 0; i < 3; i++)
        if (strcmp(text + n, tails[i]) == 0)
            *ret_seconds = seconds[i];
    return n > 0 && text[0] != '0' && *ret_seconds > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[100], written[RATE_TEXT_MAX];
    struct rate rate = {0}, again = {0};
    unsigned long long n;
    unsigned seconds;
    int r;

    if (size >= sizeof(text))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    r = rate_parse(text, &rate);
    if (!read_simply(text, &n, &seconds)) {
        MUST(r == -EINVAL);
        return 0;
    }
    MUST(r == (n > RATE_MAX ? -ERANGE : 0));
    if (r < 0)
        return 0;
    MUST(rate.n == n && (n == 0 || rate.seconds == seconds));
    MUST((rate_interval_nsec(&rate) > 0) == (n > 0));
    MUST(rate_parse(rate_format(&rate, written, sizeof(written)), &again) == 0);
    MUST(again.n == rate.n && again.seconds == rate.seconds);
    return 0;
}
