// SPDX-License-Identifier: MIT
// What ends sessions is never meant by default: ids, or a choice that is confirmed.

#include "ctl/session_options.h"

#include <stdlib.h>
#include <string.h>

#include "access/prefix.h"
#include "base/base.h"
#include "base/timespan.h"

#define BIT(option) (1U << ((option)-SESSION_PEER))

#define CHOICE (BIT(SESSION_PEER) | BIT(SESSION_OLDER) | BIT(SESSION_DOING))
#define LIST                                                                               \
    (BIT(SESSION_SORT) | BIT(SESSION_LIMIT) | BIT(SESSION_KERNEL) | BIT(SESSION_WAITING) | \
     BIT(SESSION_RECENT))
#define KICK (BIT(SESSION_SERVICE) | BIT(SESSION_YES) | BIT(SESSION_RESET) | BIT(SESSION_KILL))

static const char *const doing_names[] = {"opening", "reading", "writing", "working", "closing"};

static bool is_doing(const char *value)
{
    for (size_t i = 0; i < ELEMENTS(doing_names); i++)
        if (strcmp(value, doing_names[i]) == 0)
            return true;
    return false;
}

static bool parse_order(const char *value, enum sessions_order *ret)
{
    for (size_t i = 0; i < SESSIONS_ORDERS; i++)
        if (strcmp(value, sessions_order_names[i]) == 0) {
            *ret = (enum sessions_order)i;
            return true;
        }
    return false;
}

static bool parse_limit(const char *value, uint64_t *ret)
{
    size_t n = strspn(value, "0123456789");

    if (n == 0 || n > 9 || value[n] != '\0')
        return false;
    *ret = strtoull(value, NULL, 10);
    return *ret > 0;
}

const char *session_options_take(struct session_options *options, enum session_option option,
                                 const char *value)
{
    struct prefix prefixes[PREFIX_WORD_MAX];
    char wrong[PREFIX_WRONG_MAX];

    options->given |= BIT(option);
    if (option == SESSION_PEER) {
        options->peer = value;
        if (prefix_parse(value, prefixes, wrong) < 0)
            return "--peer takes an address or a prefix such as 192.0.2.0/24, not ";
    } else if (option == SESSION_OLDER) {
        if (timespan_parse(value, &options->older_usec) < 0)
            return "--older takes a time such as 1h, not ";
    } else if (option == SESSION_DOING) {
        options->doing = value;
        if (!is_doing(value))
            return "--doing takes opening, reading, writing, working or closing, not ";
    } else if (option == SESSION_SORT) {
        if (!parse_order(value, &options->order))
            return "--sort takes age, in or out, not ";
    } else if (option == SESSION_LIMIT) {
        if (!parse_limit(value, &options->limit))
            return "--limit takes a number from 1 to 999999999, not ";
    } else if (option == SESSION_SERVICE) {
        options->service = value;
        if (*value == '\0')
            return "--service takes the name of a service, not an empty one";
    }
    return NULL;
}

static const char *check_kick(const struct session_options *options, const char **ret_word)
{
    bool has_choice = (options->given & (CHOICE | BIT(SESSION_SERVICE))) != 0;
    uint64_t number;
    uint32_t pid;

    if (!options->ids[0] && !has_choice)
        return "kick takes sessions as tcpdctl sessions names them, PID.N, or --peer, --service, "
               "--older or --doing";
    if (options->ids[0] && has_choice)
        return "kick takes sessions, or options that choose them, and not both";
    if (has_choice && !session_options_has(options, SESSION_YES))
        return "kick needs --yes with options that choose sessions: it ends all those that tcpdctl "
               "sessions lists with them";
    if (session_options_has(options, SESSION_RESET) && session_options_has(options, SESSION_KILL))
        return "--reset and --kill exclude each other";
    for (char **id = options->ids; *id; id++)
        if (!session_id_parse(*id, &pid, &number)) {
            *ret_word = *id;
            return "kick takes sessions as tcpdctl sessions names them, PID.N, not ";
        }
    return NULL;
}

const char *session_options_check(const struct session_options *options, bool is_list, bool is_kick,
                                  const char **ret_word)
{
    *ret_word = "";
    if ((options->given & CHOICE) != 0 && !is_list && !is_kick)
        return "--older and --doing are for sessions and kick only";
    if ((options->given & LIST) != 0 && !is_list)
        return "--sort, --limit, --kernel, --waiting and --recent are for sessions only";
    if ((options->given & KICK) != 0 && !is_kick)
        return "--service, --yes, --reset and --kill are for kick only";
    if (session_options_has(options, SESSION_RECENT) &&
        (options->given & ~(BIT(SESSION_RECENT) | BIT(SESSION_LIMIT))) != 0)
        return "--recent goes with --limit only";
    return is_kick ? check_kick(options, ret_word) : NULL;
}
