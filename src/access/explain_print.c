// SPDX-License-Identifier: MIT
// What happens to a client, as people read it.

#include "access/explain.h"

static void print_rule(const char *label, const char *rule, const char *place, FILE *stream)
{
    (void)fprintf(stream, "  %-8s %-*s%s%s\n", label, place[0] != '\0' ? 24 : 0, rule,
                  place[0] != '\0' ? " " : "", place);
}

static void print_source(const struct explanation *explanation, FILE *stream)
{
    const struct {
        const char *label, *text;
    } lines[] = {{"source", explanation->source},
                 {"has", explanation->connections},
                 {"rate", explanation->rate},
                 {"penalty", explanation->penalty}};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (lines[i].text[0] != '\0')
            print_rule(lines[i].label, lines[i].text, "", stream);
}

void explain_print(const struct explanation *explanation, FILE *stream)
{
    bool is_served = explanation->is_served;

    (void)fprintf(stream, "%s on %s: %s%s\n", explanation->service, explanation->listener,
                  is_served ? "served" : "REFUSED, ", is_served ? "" : explanation->reason);
    print_rule("rule", explanation->rule[0] != '\0' ? explanation->rule : "none",
               explanation->place, stream);
    if (explanation->near[0] != '\0')
        print_rule("not", explanation->near, explanation->near_place, stream);
    print_source(explanation, stream);
    if (!is_served)
        (void)fprintf(stream, "  it gets  %s\n", explanation->gets);
}
