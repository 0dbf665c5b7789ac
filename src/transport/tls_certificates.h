// SPDX-License-Identifier: MIT
// tls.so, which is loaded only where an entry of listen needs it, and what it makes of a
// configuration's certificates: contexts, one set for each service, that live as long as the
// configuration.
#pragma once

#include "base/problems.h"
#include "config/config.h"
#include "transport/stage.h"

// Reads the files of certificates and makes the contexts of the services that show them. What is
// wrong goes to problems: with a certificate, at the services that need it.
void tls_certificates_load(struct config *config, struct problems *problems,
                           struct problems *warnings);

// In a worker that has no use for them: keys go out of its memory, if any are there.
// may_use_library: code of somebody else's does, and needs it whole.
void tls_certificates_forget(bool may_use_library);

// The stage of a service's connections in this worker, on `socket`; is_http: of `wss:`.
struct stage *tls_certificates_stage(const struct service *service, struct stage_end socket,
                                     bool is_http);
