// SPDX-License-Identifier: MIT
// Answers that have a row or more of each worker. They come in pages, and the caller goes on where
// the page before has ended: so no call looks for long, however many workers there are, and nothing
// is kept between two calls. Workers are looked at in the order of their slots, which they keep.
#pragma once

#include "control/control_connection.h"

#define CONTROL_ROWS 256 // of a page

struct control_page {
    struct master *master;
    sd_bus_message *reply;
    const char *service; // "" for all
    uint64_t next;       // the slot where to go on; 0: at the first one, or all is done
    uint32_t limit, n_rows;
    enum log_addresses addresses; // as who asks may see them
    uint64_t now_usec, now_realtime_usec;
};

// Whether there is a service of that name; "" stands for all.
bool control_has_service(const struct master *master, const char *service);
// Sets the error of a caller who has named one that is not there. -errno.
int control_no_service(const char *name, sd_bus_error *error);
// The same of one who has not named an address; more: what else could have been said.
int control_no_address(const char *words, const char *more, sd_bus_error *error);

// What is shown of addresses: those that are not logged in full are root's to see.
enum log_addresses control_addresses_for(const struct control_connection *connection);

// Appends what a worker has. How many rows, or -errno.
typedef int control_row(const struct control_page *page, const struct worker *worker,
                        const void *wanted);

// Reads the arguments "stu": service, where to go on, and how many rows at most. 0 or -errno.
int control_page_begin(struct control_page *page, sd_bus_message *message,
                       const struct control_connection *connection, sd_bus_error *error);
// Sends the answer: an array whose rows have those contents, and where to go on. Returns as a
// method does.
int control_page_answer(struct control_page *page, sd_bus_message *message, const char *contents,
                        control_row *row, const void *wanted);

// The names of a worker's service and listener, or a pool's.
struct control_names {
    char service[CONTROL_NAME_MAX], listener[CONTROL_NAME_MAX];
};
void control_page_names(const struct worker *worker, struct control_names *ret);
void control_names_of(const struct pool *pool, struct control_names *ret);

// How long ago that was; 0 for what is still to come, as a worker may say.
uint64_t control_page_age(const struct control_page *page, uint64_t since_usec);

// Whom a page of the scoreboard names, as the caller may see them: "" for nobody. Returns text.
const char *control_page_peer(const struct control_page *page, const struct score_peer *peer,
                              char *text, size_t size);
// The same as an address of the kernel's.
socklen_t control_page_address(const struct score_peer *peer, struct sockaddr_storage *ret);
