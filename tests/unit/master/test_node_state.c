// SPDX-License-Identifier: MIT
// node_state.c: what is written is read as the same; what is wrong is passed over, line by line.

#include "master/node_state.h"
#include "unit.h"

#define HEAD "tcpd node-state 1\n"

static struct node_order room[NODE_SLOTS];

static const struct {
    const char *name, *text;
    int n_wrong;
    size_t n;
} rows[] = {
    {"nothing at all", "", -1, 0},
    {"another text", "tcpd node-state 2\ndrain web 0 1\n", -1, 0},
    {"a part of the head", "tcpd node-sta", -1, 0},
    {"no order", HEAD, 0, 0},
    {"drained", HEAD "drain web 0 1764290000\n", 0, 1},
    {"maintenance", HEAD "maint web 1000 1764290000 a new disk, 2 TB\n", 0, 1},
    {"both", HEAD "drain web 0 1\nmaint m.a_i-l 4294967294 99999999999 x\n", 0, 2},
    {"a reason of 80",
     HEAD "maint web 0 1 "
          "12345678901234567890123456789012345678901234567890123456789012345678901234567890\n",
     0, 1},
    {"a reason of 81",
     HEAD "maint web 0 1 "
          "123456789012345678901234567890123456789012345678901234567890123456789012345678901\n",
     1, 0},
    {"no end of the line", HEAD "drain web 0 1", 1, 0},
    {"an empty line", HEAD "\ndrain web 0 1\n", 1, 1},
    {"another word", HEAD "stop web 0 1\n", 1, 0},
    {"two spaces", HEAD "drain  web 0 1\n", 1, 0},
    {"a space at the end", HEAD "drain web 0 1 \n", 1, 0},
    {"drained for a reason", HEAD "drain web 0 1 so\n", 1, 0},
    {"maintenance without one", HEAD "maint web 0 1\n", 1, 0},
    {"with an empty one", HEAD "maint web 0 1 \n", 1, 0},
    {"with spaces before it", HEAD "maint web 0 1  x\n", 1, 0},
    {"a control character", HEAD "maint web 0 1 \033[2J\n", 1, 0},
    {"no ASCII", HEAD "maint web 0 1 \303\251\n", 1, 0},
    {"a name with a slash", HEAD "drain ../web 0 1\n", 1, 0},
    {"a name of 65",
     HEAD "drain 12345678901234567890123456789012345678901234567890123456789012345 0 1\n", 1, 0},
    {"no user", HEAD "drain web -1 1\n", 1, 0},
    {"nobody", HEAD "drain web 4294967295 1\n", 1, 0},
    {"a time beyond", HEAD "drain web 0 100000000000\n", 1, 0},
    {"a zero in front", HEAD "drain web 0 01\n", 1, 0},
    {"twice", HEAD "drain web 0 1\ndrain web 0 2\n", 1, 1},
    {"a good one behind bad ones", HEAD "x\ny\nmaint web 0 1 x\n", 2, 1},
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        struct node_orders orders = {.items = room};

        check_number(rows[i].name, node_state_read(rows[i].text, strlen(rows[i].text), &orders),
                     rows[i].n_wrong);
        check_number(rows[i].name, orders.n, rows[i].n);
    }
}

static void test_nul(void **state)
{
    static const char text[] = HEAD "maint web 0 1 x\0y\ndrain web 0 1\n";
    struct node_orders orders = {.items = room};

    (void)state;
    check_number("a NUL", node_state_read(text, sizeof(text) - 1, &orders), 1);
    check_number("a NUL", orders.n, 1);
}

static void test_write(void **state)
{
    static struct node_order again_room[NODE_SLOTS];
    static char text[NODE_STATE_TEXT_MAX], second[NODE_STATE_TEXT_MAX];
    struct node_orders orders = {.items = room}, again = {.items = again_room};
    size_t n;

    (void)state;
    for (unsigned i = 0; i < NODE_SLOTS; i++) { // the longest there may be
        struct node_order order = {.uid = UINT32_MAX - 1 - i,
                                   .since_sec = UINT64_C(99999999999) - i,
                                   .kind = i % 2 == 0 ? NODE_MAINTAIN : NODE_DRAIN};

        (void)snprintf(order.service, sizeof(order.service), "%064u", i);
        if (i % 2 == 0)
            (void)snprintf(order.reason, sizeof(order.reason), "%080u", i);
        check_true("there is room", node_orders_set(&orders, &order));
    }
    check_true("no more", !node_orders_set(&orders, &(struct node_order){.service = "one more"}));
    n = node_state_write(&orders, text);
    check_number("all of it", node_state_read(text, n, &again), 0);
    check_number("all of it", again.n, NODE_SLOTS);
    for (size_t i = 0; i < NODE_SLOTS; i++)
        assert_memory_equal(&again.items[i], &orders.items[i], sizeof(room[0]));
    check_number("again", node_state_write(&again, second), n);
    assert_memory_equal(text, second, n);
}

static void test_orders(void **state)
{
    struct node_orders orders = {.items = room};
    struct node_order order = {.service = "web", .uid = 1000};
    char text[32];

    (void)state;
    check_true("none yet", !node_orders_find(&orders, "web") && !node_orders_drop(&orders, "web"));
    check_true("the first", node_orders_set(&orders, &order));
    check_text("whose", node_order_user(node_orders_find(&orders, "web"), text, sizeof(text)),
               "user 1000");
    order.uid = 0;
    check_true("in its place", node_orders_set(&orders, &order) && orders.n == 1);
    check_text("whose", node_order_user(node_orders_find(&orders, "web"), text, sizeof(text)),
               "root");
    check_true("gone", node_orders_drop(&orders, "web") && orders.n == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_orders),
    };

    return cmocka_run_group_tests_name("node_state", tests, NULL, NULL);
}
