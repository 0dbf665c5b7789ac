// SPDX-License-Identifier: MIT
// The settings that stand outside of services, over struct config, and those that every service
// has, over struct service; those of a certificate, over struct certificate. What a handler has of
// its own is declared beside that handler.
#pragma once

#include "config/form.h"

extern const struct form settings_of_file, settings_of_service, settings_of_certificate;
