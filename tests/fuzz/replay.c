// SPDX-License-Identifier: MIT
// replay FILE...: gives a target what is in files, once each, without libFuzzer: for valgrind,
// which sees into libraries that were built without sanitizers.

#include "fuzz.h"

int main(int argc, char **argv)
{
    static uint8_t data[1024 * 1024];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "re");
        size_t n;

        if (!file) {
            perror(argv[i]);
            return 1;
        }
        n = fread(data, 1, sizeof(data), file);
        (void)fclose(file); // only read from
        (void)LLVMFuzzerTestOneInput(data, n);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
