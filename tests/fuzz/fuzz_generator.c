// SPDX-License-Identifier: MIT
// Socket units of any configuration, read as systemd reads them (systemd.syntax(7)): they have the
// settings that are meant, each once but addresses, and no line is another's; and tcpdctl finds the
// same addresses in them.

#include "generator/socket_unit.h"

#include "ctl/sockets_units.h"

#include "given.h"

static const struct unit_family family = {.base = "tcpd@web", .prefix = "tcpd:web:"};

static const char *const settings[][20] = {
    {"[Unit]", "Description", "Documentation", "SourcePath", "PartOf", "Before",
     "StartLimitIntervalSec", "After"},
    {"[Socket]", "Service", "FileDescriptorName", "ListenStream", "ListenDatagram",
     "ListenSequentialPacket", "BindIPv6Only", "Backlog", "FreeBind", "TriggerLimitIntervalSec",
     "PassPacketInfo", "ReceiveBuffer", "SocketMode", "RemoveOnStop", "SocketUser", "SocketGroup"},
};

// How far the unit was read.
struct unit {
    size_t section; // 0: none yet, else one more than its index
    bool seen[2][20];
    size_t n_addresses;
};

// Without its specifiers a value is what we have meant.
static void check_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        MUST((unsigned char)value[i] >= ' ' && value[i] != 0x7f);
        if (value[i] == '%')
            MUST(i + 1 < length && value[++i] == '%');
    }
    MUST(length > 0 && value[0] != ' ' && value[length - 1] != ' ' && value[length - 1] != '\\');
}

static void check_line(struct unit *unit, const char *line, size_t length)
{
    const char *equals = memchr(line, '=', length);
    size_t n = equals ? (size_t)(equals - line) : length, i = 1;

    if (length == 0 || line[0] == '#') {
        MUST(length == 0 || line[length - 1] != '\\');
        return;
    }
    if (line[0] == '[') {
        MUST(unit->section < 2 && strlen(settings[unit->section][0]) == length &&
             memcmp(settings[unit->section][0], line, length) == 0);
        unit->section++;
        return;
    }
    MUST(equals && unit->section > 0);
    while (settings[unit->section - 1][i] && (strlen(settings[unit->section - 1][i]) != n ||
                                              memcmp(settings[unit->section - 1][i], line, n) != 0))
        i++;
    MUST(settings[unit->section - 1][i]);
    if (strncmp(line, "Listen", strlen("Listen")) == 0)
        unit->n_addresses++;
    else
        MUST(!unit->seen[unit->section - 1][i]);
    unit->seen[unit->section - 1][i] = true;
    check_value(equals + 1, length - n - 1);
}

static void check_unit(const char *text, size_t size, size_t n_addresses)
{
    struct unit unit = {0};
    char *section = units_section(text);
    size_t n;

    MUST(strlen(text) == size && size > 0 && text[size - 1] == '\n');
    for (const char *line = text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        check_line(&unit, line, (size_t)(end - line));
    }
    MUST(unit.section == 2);
    MUST(unit.n_addresses >= n_addresses && unit.n_addresses <= 2 * n_addresses); // [::] as two
    free(units_addresses(section, &n));
    MUST(n == unit.n_addresses);
    free(section);
}

static void check_service(const struct service *service, char *previous, size_t room,
                          struct taken_addresses *taken, struct problems *problems)
{
    cleanup_free char *text = NULL;
    size_t size, n;
    FILE *stream = open_memstream(&text, &size);

    MUST(stream);
    n = socket_unit_write(stream, &family, service, previous[0] ? previous : NULL, taken, problems);
    MUST(fclose(stream) == 0);
    check_unit(text, size, n);
    unit_name(&family, service, previous, room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problems problems = {0};
    struct taken_addresses taken = {0};
    struct config *config;
    char previous[300] = "";

    names_files_only();
    give_files(data, size);
    config = config_read(MAIN_FILE, given_handlers(), &problems);
    for (size_t i = 0; i < config->n_services; i++)
        if (unit_is_for(&config->services[i]))
            check_service(&config->services[i], previous, sizeof(previous), &taken, &problems);
    taken_addresses_done(&taken);
    (void)config_unref(config);
    problems_done(&problems);
    answers_forget();
    return 0;
}
