// SPDX-License-Identifier: MIT
// tcpdctl's view of what others have written: units of systemd's, and texts that become JSON.

#include "ctl/sockets_units.h"

#include "fuzz.h"
#include "view/json.h"

// A JSON string (RFC 8259): quoted, without control characters, each escape a known one.
static void check_json(const char *text)
{
    FILE *stream;
    char *json = NULL;
    size_t size, i = 1;

    stream = open_memstream(&json, &size);
    MUST(stream);
    json_print_string(stream, text);
    MUST(fclose(stream) == 0 && size >= 2 && json[0] == '"' && json[size - 1] == '"');
    for (; i < size - 1; i++) {
        MUST((uint8_t)json[i] >= ' ' && json[i] != '"');
        if (json[i] == '\\') {
            i++;
            MUST(i < size - 1 && strchr("\"\\/bfnrtu", json[i]));
        }
    }
    free(json);
}

static void check_units(const char *text, const char *other)
{
    struct socket_units units = {0};
    struct socket_unit *unit = units_get(&units, "tcpd-echo.socket");
    char *shown = NULL;
    size_t size, n;
    FILE *stream = open_memstream(&shown, &size);

    MUST(stream);
    unit->wanted = units_section(text);
    unit->loaded = units_section(other);
    unit->change = units_decide(unit, true);
    MUST(unit->change != SOCKETS_UNCHANGED || strcmp(unit->wanted, unit->loaded) == 0);
    units_print(unit, true, stream);
    MUST(fclose(stream) == 0);
    free(shown);
    free(units_addresses(unit->wanted, &n));
    MUST(n <= strlen(text));
    units_done(&units);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size), *other;

    MUST(text);
    other = strstr(text, "\n%%%%\n");
    check_json(text);
    if (other)
        *other = '\0';
    check_units(text, other ? other + 1 : "");
    free(text);
    return 0;
}
