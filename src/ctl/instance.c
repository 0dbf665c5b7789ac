// SPDX-License-Identifier: MIT
// Texts that are made here stay: there is one daemon to a command.

#include "ctl/instance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define SOCKET       TCPD_RUN_DIR "/control"
#define INSTANCE_MAX 200 // bytes of a name: it is part of the name of a unit

__attribute__((format(printf, 1, 2))) static const char *make_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        base_out_of_memory();
    va_end(arguments);
    return text;
}

static bool is_instance(const char *name)
{
    return *name != '\0' && *name != '.' && !strchr(name, '/') && strlen(name) <= INSTANCE_MAX;
}

// The daemon of tcpd@NAME.service; NULL: that of tcpd.service.
static bool choose_instance(struct options *options, const char *name)
{
    if (name && !is_instance(name))
        return false;
    if (!options->socket) {
        options->socket = name ? make_text(TCPD_RUN_DIR "/%s.control", name) : SOCKET;
        options->unit = name ? make_text("tcpd@%s.service", name) : "tcpd.service";
    }
    options->instance = name;
    if (!options->file)
        options->file = name ? make_text(TCPD_CONFIG_DIR "/%s.conf", name) : TCPD_CONFIG;
    return true;
}

// NAME in /etc/tcpd/NAME.conf, which the instance of that name reads; NULL: it is another file.
static const char *find_instance(const char *file)
{
    size_t folder = strlen(TCPD_CONFIG_DIR "/"), length = strlen(file), end = strlen(".conf");
    char *name;

    if (strncmp(file, TCPD_CONFIG_DIR "/", folder) != 0 || length <= folder + end ||
        strcmp(file + length - end, ".conf") != 0)
        return NULL;
    name = base_checked(strndup(file + folder, length - folder - end));
    if (is_instance(name))
        return name;
    free(name);
    return NULL;
}

static bool is_file(const char *word)
{
    size_t length = strlen(word);

    return strchr(word, '/') || strcmp(word, "-") == 0 ||
           (length > 5 && strcmp(word + length - 5, ".conf") == 0);
}

bool instance_choose(struct options *options, const char *word, const char *instance)
{
    cleanup_free char *path = NULL;
    bool is_default;

    if (!word || !is_file(word))
        return choose_instance(options, word ? word : instance);
    path = strcmp(word, "-") == 0 ? NULL : realpath(word, NULL);
    is_default = path && strcmp(path, TCPD_CONFIG) == 0;
    instance = path && !is_default ? find_instance(path) : NULL;
    options->file = word;
    options->is_elsewhere = !is_default && !instance;
    return choose_instance(options, instance);
}
