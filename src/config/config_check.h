// SPDX-License-Identifier: MIT
// Checks between the options of a configuration, for config_sections.c, run/ and
// the rehearsal. What is wrong goes to problems.
#pragma once

#include "config/config.h"
#include "config/section.h"

// What a service's name is made of.
extern const char config_name_characters[];

// A service whose section has just ended. Lets the handler prepare itself, which may read a file.
// Of its WebSockets.
void config_check_websocket(const struct service *service, const struct section *section,
                            struct problems *problems);

// Of who may connect: reads the files that its lists name, and lays them flat.
void config_check_access(struct service *service, const struct section *section,
                         struct problems *problems);

// Of proxies, once these lists are there; and what is allowed, and hardly meant.
void config_check_proxy(const struct service *service, const struct section *section,
                        struct problems *problems);
void config_warn_of_senders(const struct config *config, struct problems *warnings);

// A certificate's section that has just ended; then what services say of them, once all are read.
void config_check_certificate(const struct certificate *certificate, struct problems *problems);
void config_check_tls(const struct config *config, struct problems *problems);
void config_warn_of_certificates(const struct config *config, struct problems *warnings);

// What handlers say of their services beside all others.
void config_check_beside(const struct config *config, struct problems *problems);

void config_check_service(struct service *service, const struct section *section,
                          struct problems *problems);

// Looks up who owns unix sockets. May block on a directory service, so it is done before anything
// is bound; not for the generator, whose units name them.
// 0, or -EDESTADDRREQ with problems.
int config_find_owners(struct config *config, struct problems *problems);

// What is allowed and does not do what it looks like.
void config_warn(const struct config *config, struct problems *warnings);

// Whether it can be the control socket.
bool config_is_control(const struct address_spec *spec);

// No address may be asked for twice, but for port 0; and the control socket is one path.
void config_check_addresses(const struct config *config, struct problems *problems);
