// SPDX-License-Identifier: MIT
// Command lines of `tcpd run`, an argument on each line: a service, help, or what is wrong.

#include <sysexits.h>

#include "run/run.h"

#include "given.h"

#define ARGUMENTS_MAX 64

// What is said about a command line goes nowhere.
static int parse_quietly(char **arguments, struct run *run)
{
    static FILE *nowhere;
    FILE *error = stderr, *out = stdout;
    int status;

    if (!nowhere)
        nowhere = fopen("/dev/null", "we");
    MUST(nowhere);
    stderr = stdout = nowhere;
    status = run_parse(arguments, run);
    stderr = error;
    stdout = out;
    return status;
}

static void check_run(struct run *run)
{
    struct problems problems = {0};
    struct config *config = run_load(&run->source, &problems);

    MUST(config);
    for (size_t i = 0; i < problems.n; i++)
        MUST(strncmp(problems.texts[i], RUN_SOURCE ": ", strlen(RUN_SOURCE ": ")) == 0 ||
             problems.texts[i][0] == '/'); // or a file that was looked at
    if (problems.n == 0)
        MUST(config->n_services + config->n_left_out == 1 && config->services[0].listen.n > 0);
    (void)config_unref(config);
    problems_done(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), *arguments[ARGUMENTS_MAX + 2] = {NULL};
    char *rest = text, name[] = "tcpd-run";
    struct run run;
    size_t n = 0;
    int status;

    MUST(text);
    arguments[n++] = name;
    while (n <= ARGUMENTS_MAX && rest)
        arguments[n++] = strsep(&rest, "\n");
    status = parse_quietly(arguments, &run);
    MUST(status == -1 || status == 0 || status == EX_USAGE);
    if (status == -1)
        check_run(&run);
    run_done(&run);
    free(text);
    return 0;
}
