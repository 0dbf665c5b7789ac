// SPDX-License-Identifier: MIT
// A line is ADDRESS:allow or ADDRESS:deny, with variables behind it. tcpserver goes by the most
// specific address and lets in whom no line has; so does tcpd, but that it keeps those out where
// there is a list of who may come in.

#include "import/tcprules.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base.h"
#include "import/networks.h"

struct rule {
    struct network network; // at the start, for network_compare()
    bool allows;
    int line; // of two for one address the first counts
};

struct reading {
    struct import *import;
    struct place place;
    struct entry *entry;
    struct rule *rules;
    size_t n;
};

static void add_rules(struct reading *reading, const struct networks *found, bool allows)
{
    reading->rules = base_checked(
        reallocarray(reading->rules, reading->n + found->n + 1, sizeof(reading->rules[0])));
    for (size_t i = 0; i < found->n; i++)
        reading->rules[reading->n++] = (struct rule){
            .network = found->items[i], .allows = allows, .line = reading->place.line};
}

// A rule that refuses, and is lost, would let somebody in.
static void lose_rule(struct reading *reading, bool allows, const char *address, const char *why)
{
    if (allows)
        import_lose(reading->import, reading->entry, &reading->place, "%s:allow: %s", address, why);
    else
        import_block(reading->import, reading->entry, &reading->place,
                     "%s:deny: %s; as whom it refused would come in, this is not served: remove "
                     "the # below when others keep them out",
                     address, why);
}

static void take_line(struct reading *reading, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length), *rest = colon ? colon + 1 : line;
    size_t n = length - (size_t)(rest - line);
    bool allows = n >= 5 && memcmp(rest, "allow", 5) == 0;
    bool denies = n >= 4 && memcmp(rest, "deny", 4) == 0;
    size_t verdict = allows ? 5 : 4;
    cleanup_free char *address = text_make("%.*s", (int)(colon ? colon - line : 0), line);
    struct networks found = {0};
    const char *wrong;

    if (!colon || (!allows && !denies) || (n > verdict && rest[verdict] != ',')) {
        import_block(reading->import, reading->entry, &reading->place,
                     "it is not ADDRESS:allow or ADDRESS:deny; tcprules does not take it either");
        return;
    }
    wrong = networks_add_tcprules(&found, line, (size_t)(colon - line));
    if (wrong)
        lose_rule(reading, allows, address, wrong);
    add_rules(reading, &found, allows);
    if (n > verdict && !denies)
        import_lose(reading->import, reading->entry, &reading->place,
                    "%.*s: there are no variables for some clients; environment has those for all",
                    (int)(n - verdict - 1), rest + verdict + 1);
    networks_done(&found);
}

static int compare(const void *a, const void *b)
{
    int order = network_compare(a, b);

    return order != 0 ? order : ((const struct rule *)a)->line - ((const struct rule *)b)->line;
}

// Sorts the rules into two lists.
static void split(struct reading *reading, struct networks *allow, struct networks *deny)
{
    const struct rule *last = NULL;

    if (reading->n > 0)
        qsort(reading->rules, reading->n, sizeof(reading->rules[0]), compare);
    for (size_t i = 0; i < reading->n; i++) {
        const struct rule *rule = &reading->rules[i];
        char text[NETWORK_TEXT_MAX];

        if (last && network_compare(last, rule) == 0) {
            reading->place.line = rule->line;
            if (last->allows != rule->allows)
                import_lose(reading->import, reading->entry, &reading->place,
                            "line %d has another rule for %s, and counts", last->line,
                            network_format(&rule->network, text, sizeof(text)));
            continue;
        }
        last = rule;
        networks_add(rule->allows ? allow : deny, &rule->network);
    }
}

// Those that no rule is for are let in, unless there is a rule for all.
static void write_lists(struct reading *reading, struct networks *allow, struct networks *deny)
{
    static const struct network all = {0};

    if (allow->n > 0 && !networks_around(allow, &all) && !networks_around(deny, &all))
        networks_add_all(allow);
    networks_sort(allow);
    networks_sort(deny);
    if (deny->n == 0)
        return; // all of them come in anyway
    if (!reading->import->features->access) {
        import_block(reading->import, reading->entry, &reading->entry->place,
                     "this tcpd has no rules on addresses; a firewall has");
        return;
    }
    if (allow->n > NETWORKS_MAX || deny->n > NETWORKS_MAX)
        import_block(reading->import, reading->entry, &reading->entry->place,
                     "a list of tcpd has at most %d addresses; a firewall takes more",
                     NETWORKS_MAX);
    entry_set_networks(reading->entry, "allow", allow);
    entry_set_networks(reading->entry, "deny", deny);
}

static struct entry *make_entry(struct import *import, const struct place *place, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct entry *entry = import_entry(import, place, slash ? slash + 1 : file);
    char host[] = "127.0.0.1";

    entry->handler = "discard";
    entry->type = SOCK_STREAM;
    entry->comment = import_plain("rules alone. Write the program and the addresses of tcpserver's "
                                  "command line in place of the next two lines.");
    entry_listen(entry, &(struct door){.kind = DOOR_HOST, .host = host});
    return entry;
}

void import_tcprules(struct import *import, const char *file, const struct file_text *text)
{
    struct reading reading = {.import = import,
                              .place = {.file = import_file(import, file), .line = 1}};
    struct networks allow = {0}, deny = {0};
    const char *at = text->bytes;

    reading.entry = make_entry(import, &reading.place, file);
    for (size_t length; *at != '\0'; at += length + (at[length] == '\n'), reading.place.line++) {
        size_t shown;

        length = strcspn(at, "\n");
        shown = length - (length > 0 && at[length - 1] == '\r');
        if (length > IMPORT_LINE_MAX)
            import_block(import, reading.entry, &reading.place,
                         "it is longer than 65536 bytes, which no rule is");
        else if (shown > 0 && *at != '#')
            take_line(&reading, at, shown);
    }
    split(&reading, &allow, &deny);
    write_lists(&reading, &allow, &deny);
    networks_done(&allow);
    networks_done(&deny);
    free(reading.rules);
}
