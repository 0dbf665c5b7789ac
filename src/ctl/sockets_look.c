// SPDX-License-Identifier: MIT
// The generator is run once more, for a folder of our own: what systemd's run of it has left is
// what systemd has loaded.

#include "ctl/sockets_look.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/base.h"
#include "base/file.h"
#include "base/holder.h"
#include "ctl/command.h"
#include "ctl/fail.h"

#define GENERATED "/run/systemd/generator/"
#define UNIT_MAX  ((size_t)1 << 20)
#define WORDS_MAX 32

bool sockets_find_family(const char *control, struct socket_family *ret)
{
    static const char directory[] = "/run/tcpd/", end[] = ".control";
    const char *name = control + strlen(directory);
    int n;

    if (strncmp(control, directory, strlen(directory)) != 0)
        return false;
    if (strcmp(name, "control") == 0) {
        *ret = (struct socket_family){"tcpd.service", "tcpd.socket", "tcpd-"};
        return true;
    }
    n = (int)strlen(name) - (int)strlen(end);
    if (n <= 0 || strcmp(name + n, end) != 0 || strpbrk(name, "/*?[\\ "))
        return false;
    (void)snprintf(ret->service, sizeof(ret->service), "tcpd@%.*s.service", n, name);
    (void)snprintf(ret->socket, sizeof(ret->socket), "tcpd@%.*s.socket", n, name);
    (void)snprintf(ret->prefix, sizeof(ret->prefix), "tcpd:%.*s:", n, name);
    return true;
}

// What systemd says of a unit, or of those that a pattern means, as an owned text; NULL: nothing,
// which was told.
static char *show(const char *properties, const char *unit)
{
    const char *const argv[] = {"systemctl", "show", "--all", properties, "--", unit, NULL};
    char *text = NULL;

    if (command_run(argv, &text) == 0 && text)
        return text;
    free(text);
    (void)fail(0, "systemctl show reports nothing of %s", unit);
    return NULL;
}

// The value of "NAME=VALUE" in a text of lines, cut at the line's end; "": there is none.
static const char *find_value(const char *text, const char *end, const char *name, char *value,
                              size_t size)
{
    size_t n = strlen(name), length;

    value[0] = '\0';
    for (const char *line = text; line < end; line += length + 1) {
        length = strcspn(line, "\n");
        if (strncmp(line, name, n) == 0 && line[n] == '=')
            (void)snprintf(value, size, "%.*s", (int)(length - n - 1), line + n + 1);
    }
    return value;
}

static bool is_up(const char *state)
{
    return strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0 ||
           strcmp(state, "activating") == 0;
}

bool sockets_is_active(const char *unit)
{
    cleanup_free char *text = show("--property=ActiveState", unit);
    char state[64];

    return text &&
           is_up(find_value(text, text + strlen(text), "ActiveState", state, sizeof(state)));
}

// "{ path=P ; argv[]=A B C ; ignore_errors=no ; ..." without the words around.
static const char *cut(char *text, const char *begin, const char *end)
{
    char *from = strstr(text, begin), *to = from ? strstr(from + strlen(begin), end) : NULL;

    if (!to)
        return NULL;
    *to = '\0';
    return from + strlen(begin);
}

int sockets_check(const struct socket_family *family)
{
    cleanup_free char *text = show("--property=ExecStart", family->service);
    cleanup_free char *copy = text ? strdup(text) : NULL;
    const char *path = copy ? cut(copy, "path=", " ;") : NULL;
    const char *words = text ? cut(text, "argv[]=", " ; ignore_errors=") : NULL;
    const char *argv[WORDS_MAX + 2];
    size_t n = 0;
    char *rest = NULL;
    int r;

    if (!path || !words)
        return fail(EXIT_FAILURE, "systemd does not know %s", family->service);
    for (char *word = strtok_r((char *)(uintptr_t)words, " ", &rest); word && n < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        argv[n++] = word;
    argv[0] = path;
    argv[n++] = "-t";
    argv[n] = NULL;
    r = command_run(argv, NULL);
    if (r < 0)
        return fail(EXIT_FAILURE, "cannot run %s", path);
    return r == 0 ? EX_OK : fail(EXIT_FAILURE, "the configuration is wrong; nothing has changed");
}

static const char *find_generator(void)
{
    static const char *const paths[] = {"/run/systemd/system-generators/tcpd-generator",
                                        "/etc/systemd/system-generators/tcpd-generator",
                                        "/usr/local/lib/systemd/system-generators/tcpd-generator",
                                        "/usr/lib/systemd/system-generators/tcpd-generator",
                                        "/lib/systemd/system-generators/tcpd-generator"};

    for (size_t i = 0; i < ELEMENTS(paths); i++)
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    return NULL;
}

// Of a unit of the family the section of sockets in its file; NULL: there is no such file.
static char *read_unit(const char *folder, const char *name)
{
    struct file_text text = {0};
    char path[1024], *section;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (file_read(path, UNIT_MAX, &text) < 0)
        return NULL;
    section = units_section(text.bytes);
    free(text.bytes);
    return section;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st, (void)type, (void)walk;
    return remove(path);
}

static int make_wanted(const char *folder, const struct socket_family *family,
                       struct socket_units *units)
{
    const char *const argv[] = {find_generator(), folder, NULL};
    char **names = NULL;

    if (!argv[0])
        return fail(EXIT_FAILURE, "tcpd-generator is not installed where systemd looks for it");
    if (command_run(argv, NULL) != 0 || file_list(folder, ".socket", &names) < 0)
        return fail(EXIT_FAILURE, "%s has failed", argv[0]);
    for (size_t i = 0; names[i]; i++)
        if (strncmp(names[i], family->prefix, strlen(family->prefix)) == 0)
            units_get(units, names[i])->wanted = read_unit(folder, names[i]);
    file_list_free(names);
    return EX_OK;
}

int sockets_look_wanted(const struct socket_family *family, struct socket_units *units)
{
    char folder[] = "/run/tcpdctl.XXXXXX";
    int status;

    if (!mkdtemp(folder))
        return fail(EXIT_FAILURE, "cannot make a directory in /run: %s", strerror(errno));
    status = make_wanted(folder, family, units);
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return status;
}

// One unit as `systemctl show` tells of it, in lines up to end.
static void take_loaded(const char *lines, const char *end, struct socket_units *units)
{
    char name[512], state[64], load[64], path[1024], made[1024];
    struct socket_unit *unit;

    (void)find_value(lines, end, "Id", name, sizeof(name));
    (void)find_value(lines, end, "LoadState", load, sizeof(load));
    (void)find_value(lines, end, "ActiveState", state, sizeof(state));
    (void)find_value(lines, end, "FragmentPath", path, sizeof(path));
    (void)snprintf(made, sizeof(made), GENERATED "%s", name);
    if (name[0] == '\0')
        return;
    unit = units_get(units, name);
    unit->is_active = is_up(state);
    unit->is_foreign = strcmp(load, "not-found") != 0 && path[0] != '\0' && strcmp(path, made) != 0;
    unit->loaded = read_unit(GENERATED, name);
}

int sockets_look_loaded(const struct socket_family *family, struct socket_units *units)
{
    char pattern[300];
    cleanup_free char *text = NULL;
    const char *end;

    (void)snprintf(pattern, sizeof(pattern), "%s*.socket", family->prefix);
    text = show("--property=Id,LoadState,ActiveState,FragmentPath", pattern);
    if (!text)
        return EXIT_FAILURE;
    for (const char *lines = text; *lines; lines = end + strspn(end, "\n")) {
        end = strstr(lines, "\n\n");
        end = end ? end : lines + strlen(lines);
        take_loaded(lines, end, units);
    }
    return EX_OK;
}

// Its own sockets show whether we may look at all.
static bool can_look(const struct socket_family *family)
{
    static int can = -1;
    char path[512];
    struct unit_address *address;
    size_t n = 0;

    if (can >= 0)
        return can;
    if (strcmp(family->socket, "tcpd.socket") == 0)
        (void)snprintf(path, sizeof(path), "ListenStream=/run/tcpd/control");
    else
        (void)snprintf(path, sizeof(path), "ListenStream=/run/tcpd/%.*s.control",
                       (int)(strlen(family->prefix) - strlen("tcpd::")),
                       family->prefix + strlen("tcpd:"));
    address = units_addresses(path, &n);
    can = n > 0 && holder_has_listener(1, &address[0].address);
    free(address);
    return can;
}

bool sockets_are_held(const struct socket_family *family, const struct socket_unit *unit)
{
    size_t n = 0;
    cleanup_free struct unit_address *list = units_addresses(unit->wanted, &n);

    for (size_t i = 0; can_look(family) && i < n; i++)
        if (list[i].address.length > 0 && !holder_has_listener(1, &list[i].address))
            return false;
    return true;
}
