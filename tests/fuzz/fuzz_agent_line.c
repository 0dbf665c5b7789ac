// SPDX-License-Identifier: MIT
// What a client sends an agent, and what it is told: only a line that is a service's name, letter
// by letter, chooses one; and whatever has been published, the answer is a line of those that there
// are.

#include "handlers/agent_answer.h"

#include "fuzz.h"

#define SERVICES 3

static const char *const names[SERVICES] = {"web", "mail", "w"};

// Whether the line is that name, without its end.
static bool is_line(const uint8_t *line, size_t size, const char *name)
{
    size_t n = 0;

    while (n < size && line[n] != '\n')
        n++;
    if (n > 0 && line[n - 1] == '\r')
        n--;
    return n == strlen(name) && memcmp(line, name, n) == 0;
}

static void check_answer(const char *text, size_t n)
{
    static const char *const heads[] = {"up ", "stopped 0% #maintenance ", "fail 0% #"};
    bool is_known = false;

    MUST(n > 0 && n < AGENT_ANSWER_MAX && strlen(text) == n && text[n - 1] == '\n');
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        is_known |= strncmp(text, heads[i], strlen(heads[i])) == 0;
    MUST(is_known);
    for (size_t i = 0; i + 1 < n; i++)
        MUST(text[i] >= ' ' && text[i] <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent_fact facts[SERVICES] = {0};
    struct agent_terms terms;
    char text[AGENT_ANSWER_MAX];
    size_t found;

    if (size < 16)
        return 0;
    terms = (struct agent_terms){
        .weight = data[0] % AGENT_WEIGHTS, .n_balancers = data[1], .second = data[2]};
    for (size_t i = 0; i < SERVICES; i++) {
        facts[i].service = names[i];
        facts[i].news = (struct node_news){.state = (enum node_state)(data[3 + i] % NODE_STATES),
                                           .weight = data[6 + i] % 101,
                                           .max = data[9 + i] * 256U,
                                           .second = data[12 + i]};
        memset(facts[i].news.why, 'x', data[15] % (NODE_WHY_MAX + 1));
    }
    check_answer(text, agent_answer(facts, SERVICES, &terms, text));
    data += 16;
    size -= 16;
    found = agent_line_find(data, size, facts, SERVICES);
    MUST(found <= SERVICES);
    for (size_t i = 0; i < SERVICES; i++)
        MUST((found == i) == is_line(data, size, names[i]));
    return 0;
}
