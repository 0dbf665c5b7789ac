// SPDX-License-Identifier: MIT
// Services and certificates. A further kind of section is a form, a row in the table, and what is
// to be done at its end.

#include "config/config_sections.h"

#include <string.h>

#include "base/base.h"
#include "config/config_check.h"
#include "config/config_left_out.h"
#include "config/handler.h"
#include "config/settings.h"

// Gives the service its handler, with what the section has for that one.
static void choose_handler(const struct config_sections *sections, struct service *service,
                           struct section *section)
{
    if (!section->chosen)
        return;
    service->handler = handler_find(sections->handlers, section->chosen->variant);
    service->options = section_take(section->chosen);
}

static void end_service(struct section *section, void *data)
{
    struct config_sections *sections = data;
    struct config *config = sections->config;
    cleanup_free struct service *service = section_take(&section->parts[0]);

    service->name = base_checked(strdup(section->title));
    service->file = base_checked(strdup(section->file));
    service->first_line = section->first_line;
    service->line = section->line;
    service->is_again = section->is_again;
    choose_handler(sections, service, section);
    if (!service->is_again)
        config_check_service(service, section, sections->problems);
    service->lines = section_take_lines(&section->parts[0]);
    if (section->chosen)
        service->option_lines = section_take_lines(section->chosen);
    config->services = base_checked(
        reallocarray(config->services, config->n_services + 1, sizeof(*service)));
    config->services[config->n_services++] = *service;
}

static void end_certificate(struct section *section, void *data)
{
    struct config_sections *sections = data;
    struct config *config = sections->config;
    cleanup_free struct certificate *certificate = section_take(&section->parts[0]);

    certificate->name = base_checked(strdup(section->title));
    certificate->file = base_checked(strdup(section->file));
    certificate->line = section->line;
    certificate->is_again = section->is_again;
    certificate->lines = section_take_lines(&section->parts[0]);
    if (!certificate->is_again)
        config_check_certificate(certificate, sections->problems);
    config->certificates = base_checked(
        reallocarray(config->certificates, config->n_certificates + 1, sizeof(*certificate)));
    config->certificates[config->n_certificates++] = *certificate;
}

// Of what stands outside of sections, again and again in several files, the last one counts.
static void note_origin(const struct setting *setting, const struct place *place, void *data)
{
    const struct config_sections *sections = data;
    struct origin *origin = &sections->config->origins[setting - settings_of_file.settings];

    free(origin->file);
    *origin = (struct origin){.file = base_checked(strdup(place->file)), .line = place->line};
}

static size_t count(const struct handler *const *handlers)
{
    size_t n = 0;

    while (handlers[n])
        n++;
    return n;
}

static struct variant *make_variants(const struct handler *const *handlers)
{
    static const struct form nothing;
    size_t n = count(handlers);
    struct variant *variants = base_checked(calloc(n + 1, sizeof(*variants)));

    for (size_t i = 0; i < n; i++)
        variants[i] = (struct variant){.name = handlers[i]->name,
                                       .form = handlers[i]->form ? handlers[i]->form : &nothing};
    return variants;
}

void config_sections_open(struct config_sections *ret, const struct handler *const *handlers,
                          struct problems *problems)
{
    *ret = (struct config_sections){
        .config = base_checked(calloc(1, sizeof(*ret->config))),
        .handlers = handlers,
        .problems = problems,
        .file = {.form = &settings_of_file, .set = note_origin, .data = ret},
        .variants = make_variants(handlers),
    };
    ret->kinds[SECTION_SERVICE] = (struct section_kind){
        .name = "service",
        .form = &settings_of_service,
        .variants = ret->variants,
        .n_variants = count(handlers),
        .end = end_service,
        .data = ret,
    };
    ret->kinds[SECTION_CERTIFICATE] = (struct section_kind){
        .name = "certificate",
        .form = &settings_of_certificate,
        .end = end_certificate,
        .data = ret,
    };
    for (size_t i = 0; i < SECTION_KINDS; i++)
        ret->table[i] = &ret->kinds[i];
    ret->language = (struct reader_language){
        .file = &ret->file,
        .file_values = ret->config,
        .sections = ret->table,
        .n_sections = SECTION_KINDS,
    };
    ret->config->n_references = 1;
    ret->config->origins = base_checked(
        calloc(settings_of_file.n, sizeof(ret->config->origins[0])));
    free(form_init(&settings_of_file, ret->config)); // defaults are right: a test tries them
}

void config_sections_close(struct config_sections *sections)
{
    config_check_addresses(sections->config, sections->problems);
    config_check_tls(sections->config, sections->problems);
    config_check_beside(sections->config, sections->problems);
    config_part_left_out(sections->config);
    free(sections->variants);
    sections->variants = NULL;
}
