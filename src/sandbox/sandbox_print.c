// SPDX-License-Identifier: MIT
// The lists in words, for `tcpd -t -v`.

#include <string.h>

#include "base/base.h"
#include "sandbox/sandbox.h"

static const char *const kind_names[SANDBOX_KINDS] = {
    [SANDBOX_STRICT] = "strict", [SANDBOX_MODULES] = "modules", [SANDBOX_PROGRAMS] = "programs"};

static const char *const action_words[] = {[SANDBOX_ALLOW] = "allowed",
                                           [SANDBOX_KILL] = "forbidden (SIGSYS)",
                                           [SANDBOX_REFUSE] = "refused (EPERM)",
                                           [SANDBOX_ABSENT] = "not there (ENOSYS)"};

// A call of which only a part is meant has a mark.
static void print_action(const struct sandbox_list *list, enum sandbox_action action, FILE *stream)
{
    const char *sign = ":";

    for (size_t i = 0; i < SANDBOX_TABLES; i++)
        for (size_t k = 0; k < list->tables[i].n; k++) {
            const struct sandbox_row *row = &list->tables[i].rows[k];

            if (row->action != action)
                continue;
            if (*sign == ':')
                (void)fprintf(stream, "  %s", action_words[action]);
            (void)fprintf(stream, "%s %s%s", sign, row->call,
                          row->when == SANDBOX_ALWAYS ? "" : "*");
            sign = "";
        }
    if (*sign != ':')
        (void)fputc('\n', stream);
}

static void print_list(enum sandbox_kind kind, FILE *stream)
{
    const struct sandbox_list *list = sandbox_list_get(kind);

    (void)fprintf(stream, "sandbox %s: all else is %s; * with some arguments\n", kind_names[kind],
                  action_words[list->tables[0].other]);
    for (int action = SANDBOX_ALLOW; action <= SANDBOX_ABSENT; action++)
        print_action(list, (enum sandbox_action)action, stream);
}

void sandbox_print(const struct config *config, FILE *stream)
{
    bool has[SANDBOX_KINDS] = {false};

    for (size_t i = 0; i < config->n_services; i++)
        has[sandbox_kind_of(&config->services[i])] = true;
    for (int kind = SANDBOX_STRICT; kind < SANDBOX_OFF; kind++)
        if (has[kind])
            print_list((enum sandbox_kind)kind, stream);
}
