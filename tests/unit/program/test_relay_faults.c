// SPDX-License-Identifier: MIT
// relay.c, ends that misbehave: that reset, die, hang up, do not read, or send urgent bytes. None
// of it is lost on the session, and nothing makes the relay spin.

#include "relay_kinds.h"

// --- Ends that are gone ---

static void close_with_reset(int *fd)
{
    struct linger now = {.l_onoff = 1};

    (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    base_close_fd(fd);
    *fd = -1;
}

static const struct {
    const char *name;
    size_t n_up, n_down;
    bool client_ends; // its side, before the reset
    bool far_mute;
} resets[] = {
    {"while nothing happens", 0, 0, false, false},
    {"behind a byte", 1, 0, false, false},
    {"while the far end does not read", 4 * MIB, 0, false, true},
    {"while it does not read itself", 0, 4 * MIB, false, false},
    {"behind its end", 1, 0, true, false},
};

// Until the relay has found out.
static void run_until_gone(const char *row, struct bench *bench)
{
    uint64_t limit = base_now_usec() + PATIENCE_USEC;

    while (bench->relay.client_error == 0) {
        (void)bench_turn(bench);
        check_true(row, base_now_usec() < limit);
    }
}

// A client that resets the connection is gone, whatever the relay waits for, and nothing spins.
// The far end's writing fails from then on.
static void check_reset(const char *row, enum pair_kind kind, size_t i)
{
    struct bench bench;

    if (kind != PAIR_TCP)
        return;
    bench_open(&bench, kind, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, texts[0], resets[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[1], resets[i].n_down);
    bench.ends[RELAY_CLIENT].holds = !resets[i].client_ends;
    bench.ends[RELAY_CLIENT].is_mute = true;
    bench.ends[RELAY_FAR].holds = true;
    bench.ends[RELAY_FAR].is_mute = resets[i].far_mute;
    bench_turns(row, &bench, 50);
    close_with_reset(&bench.near.client);
    bench.ends[RELAY_CLIENT].fd = -1;
    run_until_gone(row, &bench);
    for (int turns = 0; turns < 50; turns++)
        (void)bench_turn(&bench);
    check_result(row, &bench, SESSION_OK);
    check_true(row, bench.relay.client_error == ECONNRESET || bench.relay.client_error == EPIPE);
    check_true(row, bench.n_idle <= 1);
    check_number(row, send(bench.far.client, "x", 1, MSG_NOSIGNAL), -1);
    check_number(row, errno, EPIPE);
    bench_close(&bench);
}

static const struct {
    const char *name;
    size_t n_up;
    bool far_mute; // until the client is gone
} farewells[] = {
    {"little", 100, false},
    {"little, unread", 100, true},
    {"more than the relay holds", 300 * 1024, true},
};

// What it has sent before is still the far end's to read, with the end behind it.
static void check_farewell(const char *row, enum pair_kind kind, size_t i)
{
    struct bench bench;
    struct end *far = &bench.ends[RELAY_FAR];

    bench_open(&bench, kind, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, texts[0], farewells[i].n_up);
    bench_text(&bench, RELAY_FAR, texts[1], 1);
    bench.ends[RELAY_CLIENT].is_mute = true; // so that its close is a reset
    bench.ends[RELAY_CLIENT].holds = far->holds = true;
    far->is_mute = farewells[i].far_mute;
    while (bench.ends[RELAY_CLIENT].n_sent < farewells[i].n_up || bench.session.bytes_out == 0)
        check_true(row, !bench_turn(&bench));
    base_close_fd(&bench.near.client);
    bench.near.client = bench.ends[RELAY_CLIENT].fd = -1;
    run_until_gone(row, &bench);
    if (farewells[i].far_mute)
        check_true(row, relay_unread(&bench.relay) >= farewells[i].n_up);
    far->is_mute = false;
    bench_run(row, &bench);
    while (!far->has_ended)
        end_act(far);
    check_got(row, &bench, RELAY_FAR);
    check_number(row, bench.session.bytes_in, farewells[i].n_up);
    check_number(row, relay_unread(&bench.relay), 0);
    check_result(row, &bench, SESSION_OK);
    bench_close(&bench);
}

static void test_farewell(void **state)
{
    (void)state;
    FOR_EACH(check_farewell, farewells);
}

static void test_reset(void **state)
{
    (void)state;
    FOR_EACH(check_reset, resets);
}

// A far end that closes its input does not end what it still sends; what the client sends behind
// that is read and dropped.
static void test_far_end_reads_no_more(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], 4 * MIB);
        bench_text(&bench, RELAY_FAR, texts[1], 3 * MIB);
        (void)shutdown(bench.far.client, SHUT_RD);
        bench.ends[RELAY_FAR].is_mute = true;
        bench_run(row, &bench);
        bench.ends[RELAY_FAR].has_ended = true;
        bench_drain(row, &bench);
        check_got(row, &bench, RELAY_CLIENT);
        check_result(row, &bench, SESSION_OK);
        check_number(row, bench.session.bytes_in, 4 * MIB);
        check_number(row, bench.n_idle, 0);
        bench_close(&bench);
    }
}

// One that dies with input unread resets the socket pair; what it had written is delivered.
static void test_far_end_dies(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], 100);
        bench_text(&bench, RELAY_FAR, texts[1], 50000);
        bench.ends[RELAY_CLIENT].is_mute = bench.ends[RELAY_FAR].is_mute = true;
        bench.ends[RELAY_FAR].holds = true;
        end_send(&bench.ends[RELAY_CLIENT]);
        check_true(row, !relay_step(&bench.relay, NULL));
        end_send(&bench.ends[RELAY_FAR]);
        close_with_reset(&bench.far.client);
        bench.ends[RELAY_FAR].fd = -1;
        bench.ends[RELAY_CLIENT].is_mute = false;
        bench_run(row, &bench);
        bench.ends[RELAY_FAR].has_ended = true;
        bench_drain(row, &bench);
        check_got(row, &bench, RELAY_CLIENT);
        check_result(row, &bench, SESSION_OK);
        bench_close(&bench);
    }
}

// While the far end reads nothing the relay waits for it alone, and does not wake up.
static void test_full_way(void **state)
{
    (void)state;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        const char *row = pair_names[kind];
        struct pollfd fds[RELAY_ENDS];
        struct bench bench;

        bench_open(&bench, (enum pair_kind)kind, (struct deadlines){0});
        bench_text(&bench, RELAY_CLIENT, texts[0], sizeof(texts[0]));
        bench_text(&bench, RELAY_FAR, texts[1], 0);
        bench.ends[RELAY_FAR].is_mute = bench.ends[RELAY_FAR].holds = true;
        bench_turns(row, &bench, 200);
        relay_wants(&bench.relay, fds);
        check_number(row, fds[RELAY_CLIENT].events, 0);
        check_number(row, fds[RELAY_FAR].events, POLLIN | POLLOUT);
        check_number(row, poll(fds, RELAY_ENDS, 20), 0);
        bench.ends[RELAY_FAR].is_mute = bench.ends[RELAY_FAR].holds = false;
        bench_run(row, &bench);
        bench_drain(row, &bench);
        check_got(row, &bench, RELAY_FAR);
        check_number(row, bench.n_idle, 0);
        bench_close(&bench);
    }
}

// A unix client that has closed all of its socket hangs up for ever, which must not keep the
// relay awake.
static void test_hung_up(void **state)
{
    struct bench bench;

    (void)state;
    bench_open(&bench, PAIR_UNIX, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, texts[0], 100);
    bench_text(&bench, RELAY_FAR, texts[1], 0);
    bench.ends[RELAY_FAR].holds = true;
    end_send(&bench.ends[RELAY_CLIENT]);
    base_close_fd(&bench.near.client);
    bench.near.client = bench.ends[RELAY_CLIENT].fd = -1;
    bench_turns("hung up", &bench, 50);
    check_got("hung up", &bench, RELAY_FAR);
    check_number("hung up", bench.n_idle, 0);
    bench.ends[RELAY_FAR].holds = false;
    bench_run("hung up", &bench);
    check_result("hung up", &bench, SESSION_OK);
    bench_close(&bench);
}

// --- Urgent bytes: dropped, as by read(2), and never taken for the end ---

static const struct {
    const char *name, *text; // of which '!' is urgent
    bool by_steps;           // the relay looks behind each byte
} urgents[] = {
    {"in the middle", "abc!def", false},
    {"in the middle, byte by byte", "abc!def", true},
    {"first", "!abc", false},
    {"first, byte by byte", "!abc", true},
    {"last", "abc!", false},
    {"last, byte by byte", "abc!", true},
    {"alone", "!", false},
    {"several, byte by byte", "!a!b!c", true},
};

static void send_urgents(const char *row, struct bench *bench, const char *text, bool by_steps)
{
    for (; *text; text++) {
        check_number(row, send(bench->near.client, text, 1, *text == '!' ? MSG_OOB : 0), 1);
        if (by_steps)
            bench_turns(row, bench, 3);
    }
}

static void check_urgent(const char *row, enum pair_kind kind, size_t i)
{
    char want[8] = "";
    struct bench bench;

    if (kind != PAIR_TCP)
        return;
    for (const char *text = urgents[i].text; *text; text++)
        if (*text != '!')
            strncat(want, text, 1);
    bench_open(&bench, kind, (struct deadlines){0});
    bench_text(&bench, RELAY_CLIENT, want, strlen(want));
    bench_text(&bench, RELAY_FAR, texts[1], 10);
    bench.ends[RELAY_CLIENT].n_sent = strlen(want); // sent here
    bench.ends[RELAY_CLIENT].holds = true;
    bench.ends[RELAY_FAR].sends_last = true;
    send_urgents(row, &bench, urgents[i].text, urgents[i].by_steps);
    bench_turns(row, &bench, 20);
    check_true(row, !bench.ends[RELAY_FAR].has_ended);
    bench.ends[RELAY_CLIENT].holds = false;
    bench_run(row, &bench);
    bench_drain(row, &bench);
    check_got(row, &bench, RELAY_FAR);
    check_got(row, &bench, RELAY_CLIENT);
    check_true(row, bench.n_idle <= strlen(urgents[i].text));
    bench_close(&bench);
}

static void test_urgent(void **state)
{
    (void)state;
    FOR_EACH(check_urgent, urgents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_farewell),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_far_end_reads_no_more),
        cmocka_unit_test(test_far_end_dies),
        cmocka_unit_test(test_full_way),
        cmocka_unit_test(test_hung_up),
        cmocka_unit_test(test_urgent),
    };

    return run_relay_tests(tests, ELEMENTS(tests));
}
