// SPDX-License-Identifier: MIT
// Services made without a file: a handler and its own settings, by their names in tcpd.conf.
#pragma once

#include "config/handler.h"
#include "handlers/handlers.h"
#include "unit.h"

// Sets a field of values, a struct of the form, which must take the text.
static inline void form_set(const struct form *form, void *values, const char *name,
                            const char *text)
{
    static const struct place place = {.file = "test", .line = 1};
    const struct setting *setting = form_find(form, name);
    char *wrong;

    check_true(name, setting != NULL);
    wrong = setting_set(setting, values, text, &place);
    check_text(name, wrong, NULL);
}

// A service with that handler; settings: names and texts in turn, then NULL; NULL: none. To be
// given to config_service_done().
static inline struct service service_make(const char *handler, const char *const *settings)
{
    struct service service = {.handler = handler_find(handlers, handler)};
    const struct form *form;

    check_true(handler, service.handler != NULL);
    form = service.handler->form;
    if (!form)
        return service;
    service.options = calloc(1, form->size);
    check_text(handler, form_init(form, service.options), NULL);
    for (; settings && *settings; settings += 2)
        form_set(form, service.options, settings[0], settings[1]);
    return service;
}
