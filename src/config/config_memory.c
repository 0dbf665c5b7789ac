// SPDX-License-Identifier: MIT
// Whose memory a configuration is.

#include "base/base.h"
#include "config/config.h"
#include "config/handler.h"
#include "config/settings.h"

void config_service_done(struct service *service)
{
    const struct handler *handler = service->handler;

    if (handler && handler->release)
        handler->release(service->options);
    if (handler && handler->form)
        form_done(handler->form, service->options);
    free(service->options);
    access_done(&service->access);
    source_settings_done(&service->sources);
    form_done(&settings_of_service, service);
    free(service->lines);
    free(service->option_lines);
    problems_done(&service->left_out);
    free(service->name);
    free(service->file);
    *service = (struct service){0};
}

static void certificate_done(struct certificate *certificate)
{
    form_done(&settings_of_certificate, certificate);
    free(certificate->lines);
    free(certificate->name);
    free(certificate->file);
}

struct config *config_ref(struct config *config)
{
    config->n_references++;
    return config;
}

struct config *config_unref(struct config *config)
{
    if (!config || --config->n_references > 0)
        return NULL;
    if (config->unload)
        config->unload(config);
    for (size_t i = 0; i < config->n_services + config->n_left_out; i++)
        config_service_done(&config->services[i]);
    for (size_t i = 0; i < config->n_certificates; i++)
        certificate_done(&config->certificates[i]);
    free(config->certificates);
    for (size_t i = 0; config->origins && i < settings_of_file.n; i++)
        free(config->origins[i].file);
    free(config->origins);
    free(config->services);
    form_done(&settings_of_file, config);
    free(config);
    return NULL;
}
