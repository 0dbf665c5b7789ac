// SPDX-License-Identifier: MIT
#include "base/histogram.h"

#define DECADE(first) (first), 2 * (first), 5 * (first)

const uint64_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    DECADE(UINT64_C(100)),       DECADE(UINT64_C(1000)),       DECADE(UINT64_C(10000)),
    DECADE(UINT64_C(100000)),    DECADE(UINT64_C(1000000)),    DECADE(UINT64_C(10000000)),
    DECADE(UINT64_C(100000000)), DECADE(UINT64_C(1000000000)), DECADE(UINT64_C(10000000000)),
};

size_t histogram_index(uint64_t usec)
{
    size_t low = 0, high = HISTOGRAM_BOUNDS;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (usec <= histogram_bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += histogram->counts[i];
    return n;
}
