// SPDX-License-Identifier: MIT
// tcpd-generator: makes socket units from tcpd's configurations, when systemd starts or reloads its
// units; systemd.generator(7). What is wrong with a configuration is told, what is right in it is
// made all the same: a mistake must not close the ports of other services. Never fails systemd.

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/base.h"
#include "base/file.h"
#include "config/config.h"
#include "generator/socket_unit.h"
#include "handlers/handlers.h"

#define MAIN_CONFIG    "tcpd.conf"
#define UNIT_MAX       512
#define NAME_MAX_BYTES 128 // systemd takes 255 bytes for the whole name of a unit

static const char help[] =
    "usage: tcpd-generator [-c DIRECTORY] OUTPUT [EARLY LATE]\n"
    "Makes a socket unit in OUTPUT for each service of DIRECTORY/tcpd.conf and of\n"
    "DIRECTORY/NAME.conf (for tcpd@NAME.service). systemd runs it.\n"
    "\n"
    "  -c, --config DIRECTORY  read the configurations there, not in " TCPD_CONFIG_DIR "\n"
    "  -V, --version           print the version\n"
    "  -h, --help              print this\n";

struct generator {
    int output; // directory
    struct taken_addresses taken;
    char previous[UNIT_MAX]; // the unit that the next one starts after, empty: none
};

// Run by systemd nobody reads standard error, and early at boot there is only the kernel's log.
__attribute__((format(printf, 2, 3))) static void say(int priority, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    FILE *kernel;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!getenv("SYSTEMD_SCOPE")) {
        (void)fprintf(stderr, "tcpd-generator: %s\n", text);
        return;
    }
    if (sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority,
                        "SYSLOG_IDENTIFIER=tcpd-generator", NULL) >= 0)
        return;
    kernel = fopen("/dev/kmsg", "we");
    if (!kernel)
        return;
    (void)fprintf(kernel, "<%d>tcpd-generator[%d]: %s\n", priority, getpid(), text);
    (void)fclose(kernel);
}

static void say_problems(struct problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        say(LOG_ERR, "%s", problems->texts[i]);
    problems_done(problems);
}

// Writes a file below the output directory, whose own directory must be there.
static int write_file(const struct generator *generator, const char *name, const char *text,
                      size_t size)
{
    cleanup_close int fd = openat(generator->output, name,
                                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = write(fd, text, size);
    if (n < 0)
        return -errno;
    return (size_t)n == size ? 0 : -ENOSPC;
}

static int make_directory(const struct generator *generator, const char *name)
{
    return mkdirat(generator->output, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

// The unit's file, and the link that starts it together with the family's socket.
static int write_unit(const struct generator *generator, const struct unit_family *family,
                      const char *unit, const char *text, size_t size)
{
    char directory[512], link[1024], target[520];
    int r = write_file(generator, unit, text, size);

    (void)snprintf(directory, sizeof(directory), "%s.socket.wants", family->base);
    (void)snprintf(link, sizeof(link), "%s/%s", directory, unit);
    (void)snprintf(target, sizeof(target), "../%s", unit);
    if (r >= 0)
        r = make_directory(generator, directory);
    if (r >= 0 && symlinkat(target, generator->output, link) < 0 && errno != EEXIST)
        r = -errno;
    return r;
}

static bool has_path(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.kind == ADDRESS_UNIX)
            return true;
    return false;
}

static void make_unit(struct generator *generator, const struct unit_family *family,
                      const struct service *service, FILE *drop_in)
{
    struct problems problems = {0};
    cleanup_free char *text = NULL;
    size_t size, n;
    FILE *stream = open_memstream(&text, &size);
    char unit[UNIT_MAX];
    int r = 0;

    if (!stream)
        base_out_of_memory();
    n = socket_unit_write(stream, family, service,
                          generator->previous[0] ? generator->previous : NULL, &generator->taken,
                          &problems);
    if (fclose(stream) != 0)
        base_out_of_memory();
    unit_name(family, service, unit, sizeof(unit));
    if (n > 0) {
        r = write_unit(generator, family, unit, text, size);
        (void)fprintf(drop_in, "PartOf=%s\n", unit);
        if (has_path(service)) // its unit fails when somebody shuts it down; no one else opens it
            (void)fprintf(drop_in, "Wants=%s\n", unit);
        memcpy(generator->previous, unit, sizeof(unit));
    } else {
        say(LOG_WARNING, "%s is not made: service \"%s\" has no address for it", unit,
            service->name);
    }
    if (r < 0)
        say(LOG_ERR, "%s: cannot be written: %s", unit, strerror(-r));
    say_problems(&problems);
}

// All units of one configuration.
static void make_family(struct generator *generator, const char *path,
                        const struct unit_family *family)
{
    static const char head[] = "# Made by tcpd-generator; see tcpd-generator(8).\n[Unit]\n";
    struct problems problems = {0};
    struct config *config = config_read(path, handlers, &problems);
    cleanup_free char *text = NULL;
    size_t size;
    FILE *drop_in = open_memstream(&text, &size);
    char name[512];
    int r;

    if (!drop_in)
        base_out_of_memory();
    say_problems(&problems);
    (void)fputs(head, drop_in);
    for (size_t i = 0; config->socket_units && i < config->n_services; i++)
        if (unit_is_for(&config->services[i]))
            make_unit(generator, family, &config->services[i], drop_in);
    (void)config_unref(config);
    (void)snprintf(generator->previous, UNIT_MAX, "%s.socket", family->base);
    taken_addresses_done(&generator->taken); // whether two families clash shows when both start
    if (fclose(drop_in) != 0)
        base_out_of_memory();
    (void)snprintf(name, sizeof(name), "%s.service.d", family->base);
    r = make_directory(generator, name);
    (void)snprintf(name, sizeof(name), "%s.service.d/50-sockets.conf", family->base);
    if (r >= 0)
        r = write_file(generator, name, text, size);
    if (r < 0)
        say(LOG_ERR, "%s: cannot be written: %s", name, strerror(-r));
}

// /etc/tcpd/web.conf is for tcpd@web.service; tcpd.conf for tcpd.service. False: for neither.
static bool name_family(const char *path, struct unit_family *ret)
{
    const char *file = strrchr(path, '/') + 1;
    int length = (int)(strlen(file) - strlen(".conf"));

    if (strcmp(file, MAIN_CONFIG) == 0) {
        *ret = (struct unit_family){.base = "tcpd", .prefix = "tcpd-"};
        return true;
    }
    for (int i = 0; i < length; i++)
        if (!isalnum((unsigned char)file[i]) && !strchr("._-", file[i]))
            return false;
    *ret = (struct unit_family){0};
    (void)snprintf(ret->base, sizeof(ret->base), "tcpd@%.*s", length, file);
    (void)snprintf(ret->prefix, sizeof(ret->prefix), "tcpd:%.*s:", length, file);
    return length > 0 && length <= NAME_MAX_BYTES;
}

static void make_all(struct generator *generator, const char *config_directory)
{
    struct unit_family family;
    char **names = NULL;
    int r = file_list(config_directory, ".conf", &names);

    if (r < 0 && r != -ENOENT)
        say(LOG_ERR, "%s: %s", config_directory, strerror(-r));
    for (size_t i = 0; names && names[i]; i++) {
        cleanup_free char *path = NULL;

        if (asprintf(&path, "%s/%s", config_directory, names[i]) < 0)
            base_out_of_memory();
        if (name_family(path, &family))
            make_family(generator, path, &family);
        else
            say(LOG_WARNING, "%s is left out: its name cannot be that of a unit", path);
    }
    file_list_free(names);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"config", required_argument, NULL, 'c'},
                                          {"version", no_argument, NULL, 'V'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    const char *config_directory = TCPD_CONFIG_DIR;
    struct generator generator = {.output = -1};
    int option;

    argv[0] = program_invocation_short_name; // getopt's messages begin with it
    while ((option = getopt_long(argc, argv, "c:Vh", names, NULL)) >= 0)
        if (option == 'c') {
            config_directory = optarg;
        } else if (option == 'V' || option == 'h') {
            (void)fputs(option == 'V' ? "tcpd-generator " TCPD_VERSION "\n" : help, stdout);
            return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
        } else {
            (void)fputs("See tcpd-generator --help.\n", stderr); // getopt has said what is wrong
            return EX_USAGE;
        }
    if (argc - optind < 1 || argc - optind > 3) {
        (void)fputs(help, stderr);
        return EX_USAGE;
    }
    generator.output = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (generator.output < 0) {
        say(LOG_ERR, "%s: %s", argv[optind], strerror(errno));
        return EX_CANTCREAT;
    }
    names_files_only();
    make_all(&generator, config_directory);
    (void)close(generator.output);
    return EX_OK;
}
