// SPDX-License-Identifier: MIT
// What is found is published each second and whenever something has changed; what is ordered is in
// node_orders.c.

#include "master/master_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h> // tzset()

#include "base/base.h"
#include "board/node_page.h"
#include "config/handler.h"
#include "log/log.h"
#include "master/load_weight.h"
#include "master/node_store.h"
#include "process/own_memory.h"

#define PUBLISH_USEC (50 * USEC_PER_MSEC) // not more often, but for what was ordered

// What was found of a service in all its pools.
struct sum {
    struct load load;
    bool is_served, is_failing, is_paused;
    unsigned most; // that a pool may have
};

// The master's alone.
struct nodes_memory {
    struct node_order orders[NODE_SLOTS];
    struct load_weight weights[NODE_SLOTS]; // by slot
    size_t slots[NODE_SLOTS];               // of the configuration's services
    struct sum sums[NODE_SLOTS];            // of these
};

static bool has_agent(const struct config *config)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (config->services[i].handler->is_agent)
            return true;
    return false;
}

static void forget_unknown(struct master *master)
{
    struct node_orders *orders = &master->nodes.orders;
    size_t before = orders->n;

    for (size_t i = orders->n; i-- > 0;)
        if (!nodes_knows(master->config, orders->items[i].service)) {
            log_notice("%s is no longer configured: that it was to be kept from clients is "
                       "forgotten",
                       orders->items[i].service);
            (void)node_orders_drop(orders, orders->items[i].service);
        }
    if (orders->n != before)
        node_store_keep(orders);
}

int nodes_open(struct master *master)
{
    struct nodes_memory *memory = own_memory_new(sizeof(*memory));
    struct problems problems = {0};
    char text[NODE_ORDER_TEXT];
    int r;

    if (!memory)
        return -ENOMEM;
    tzset(); // reads a file, if at all, and not later
    master->nodes = (struct nodes){.memory = memory, .orders.items = memory->orders};
    node_store_take(&master->nodes.orders);
    for (size_t i = 0; i < master->nodes.orders.n; i++)
        if (nodes_knows(master->config, memory->orders[i].service))
            log_notice("%s is still %s", memory->orders[i].service,
                       nodes_describe(&memory->orders[i], text, sizeof(text)));
    r = nodes_prepare(master->config, &problems);
    for (size_t i = 0; i < problems.n; i++)
        log_error("%s", problems.texts[i]);
    problems_done(&problems);
    if (r >= 0)
        nodes_adopt(master);
    return r;
}

void nodes_close(struct master *master)
{
    own_memory_free(master->nodes.memory, sizeof(*master->nodes.memory));
    master->nodes = (struct nodes){0};
}

int nodes_prepare(const struct config *config, struct problems *problems)
{
    int r = has_agent(config) ? node_page_open() : 0;

    for (size_t i = 0; r < 0 && i < config->n_services; i++)
        if (config->services[i].handler->is_agent)
            problems_add(problems, config->services[i].file, config->services[i].line,
                         "service \"%s\": the memory in which agents read how services are cannot "
                         "be had: %s",
                         config->services[i].name, strerror(-r));
    return r;
}

void nodes_adopt(struct master *master)
{
    const struct config *config = master->config;
    struct nodes *nodes = &master->nodes;
    size_t *slots = nodes->memory->slots;

    forget_unknown(master);
    nodes->has_agent = has_agent(config);
    for (size_t i = 0; i < NODE_SLOTS; i++)
        slots[i] = i < config->n_services + config->n_left_out && nodes->has_agent &&
                           nodes_knows(config, config->services[i].name)
                       ? node_page_assign(config->services[i].name)
                       : NODE_NO_SLOT;
    node_page_keep(slots, NODE_SLOTS);
    for (size_t i = 0; i < NODE_SLOTS; i++) // whoever comes next to this slot begins anew
        if (node_page_is_free(i))
            nodes->memory->weights[i] = (struct load_weight){0};
    nodes->published_usec = 0;
    nodes_publish(master, base_now_usec());
}

// --- What is found ---

static bool is_failing(const struct pool *pool, uint64_t now)
{
    return throttle_wait(&pool->deaths, now) > 0 &&
           pool->counts.waiting + pool->counts.parked == 0 &&
           !(pool->service->accepts_itself && pool->counts.busy > 0);
}

// Whom a program that accepts by itself serves nobody knows: it is taken to have room.
static void add_pool(struct sum *sum, const struct pool *pool, uint64_t now)
{
    unsigned max = pool_bounds(pool).max;

    sum->is_served = true;
    sum->is_failing |= is_failing(pool, now);
    sum->is_paused |= pool_is_paused(pool);
    sum->most = max > sum->most ? max : sum->most;
    sum->load.max += max;
    if (pool->service->accepts_itself)
        return;
    sum->load.busy += pool->counts.busy;
    sum->load.queued += listener_queued(pool->listener);
}

static enum node_state state_of(const struct master *master, const struct sum *sum,
                                const struct node_order *order)
{
    if (order && order->kind == NODE_MAINTAIN)
        return NODE_MAINTENANCE;
    if (master->phase == MASTER_STOPPING) // whose pools go one by one
        return NODE_DRAINING;
    if (!sum->is_served)
        return NODE_ABSENT;
    if (sum->is_failing)
        return NODE_FAILING;
    return order || sum->is_paused || master->phase == MASTER_STARTING ? NODE_DRAINING
                                                                       : NODE_SERVING;
}

static void publish_service(struct master *master, size_t i, uint64_t now)
{
    const struct service *service = &master->config->services[i];
    const struct node_order *order = node_orders_find(&master->nodes.orders, service->name);
    const struct sum *sum = &master->nodes.memory->sums[i];
    size_t slot = master->nodes.memory->slots[i];
    struct node_news news = {.state = state_of(master, sum, order),
                             .max = sum->most > 0 ? sum->most : service->max_workers,
                             .second = (uint32_t)(now / USEC_PER_SEC)};
    char user[32];

    if (slot >= NODE_SLOTS)
        return;
    news.weight = load_weight_next(&master->nodes.memory->weights[slot], &sum->load, now);
    if (order)
        (void)snprintf(news.why, sizeof(news.why), "by %s: %s",
                       node_order_user(order, user, sizeof(user)), order->reason);
    node_page_write(slot, &news);
}

void nodes_publish(struct master *master, uint64_t now_usec)
{
    struct nodes *nodes = &master->nodes;
    const struct config *config = master->config;
    struct sum *sums = nodes->memory->sums;

    if (!nodes->has_agent ||
        (now_usec < nodes->published_usec + PUBLISH_USEC && nodes->phase == (int)master->phase))
        return;
    nodes->published_usec = now_usec;
    nodes->phase = (int)master->phase;
    memset(sums, 0, sizeof(nodes->memory->sums));
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (pool->config == config && (size_t)(pool->service - config->services) < NODE_SLOTS)
            add_pool(&sums[pool->service - config->services], pool, now_usec);
    for (size_t i = 0; i < config->n_services + config->n_left_out && i < NODE_SLOTS; i++)
        publish_service(master, i, now_usec);
}
