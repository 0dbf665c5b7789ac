// SPDX-License-Identifier: MIT
// The text of a node's state, as the service manager hands it back: what is read of it is right in
// itself, and is written and read as the same.

#include "master/node_state.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct node_order rooms[2][NODE_SLOTS];
    static char text[NODE_STATE_TEXT_MAX];
    struct node_orders orders = {.items = rooms[0]}, again = {.items = rooms[1]};
    int n_wrong = node_state_read((const char *)data, size, &orders);
    size_t n_lines = 0;

    for (size_t i = 0; i < size; i++)
        n_lines += data[i] == '\n';
    MUST(n_wrong >= -1 && orders.n <= NODE_SLOTS);
    MUST(n_wrong >= 0 || orders.n == 0);
    MUST(n_wrong < 0 || (size_t)n_wrong + orders.n + 1 == n_lines + (data[size - 1] != '\n'));
    for (size_t i = 0; i < orders.n; i++) {
        const struct node_order *order = &orders.items[i];

        MUST(memchr(order->service, '\0', sizeof(order->service)) && order->service[0]);
        MUST((order->kind == NODE_MAINTAIN) == (order->reason[0] != '\0'));
        MUST(!order->reason[0] || node_reason_is_good(order->reason));
        MUST(node_orders_find(&orders, order->service) == order);
    }
    MUST(node_state_read(text, node_state_write(&orders, text), &again) == 0);
    MUST(again.n == orders.n && memcmp(rooms[0], rooms[1], orders.n * sizeof(rooms[0][0])) == 0);
    return 0;
}
