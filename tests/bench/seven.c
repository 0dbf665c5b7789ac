// SPDX-License-Identifier: MIT
// The program of the benchmark: prints seven bytes and ends, so that only its start counts.

#include <stdio.h>

int main(void)
{
    return puts("seven.") < 0;
}
