// SPDX-License-Identifier: MIT
// score_session.h, scoreboard.c: what a worker tells of the session in hand, and what the master
// makes of it, whatever that is.

#include <sys/socket.h>

#include "board/scoreboard.h"
#include "unit.h"

static int open_board(void **state)
{
    static struct scoreboard board;

    *state = &board;
    return scoreboard_open(&board);
}

static int close_board(void **state)
{
    struct scoreboard *board = *state;

    scoreboard_close(board);
    scoreboard_close(board); // twice does no harm
    return board->fd == -1 ? 0 : -1;
}

static struct score_page *join(const struct scoreboard *board, unsigned slot)
{
    struct score_page *page = NULL;
    struct pool_hint *hint = NULL;

    assert_int_equal(scoreboard_join(board->fd, slot, 0, &page, &hint), 0);
    return page;
}

// What a worker tells of the session in hand, from its accept() to its end.
static void test_session(void **state)
{
    const struct scoreboard *board = *state;
    const struct sockaddr nobody = {.sa_family = AF_UNIX};
    struct score_page *page = join(board, 1);
    struct score_session *session = score_session(page);
    struct score_live live;

    score_counts(page)->received = 1000;
    score_counts(page)->sent = 2000;
    score_busy(page, 100, &nobody);
    live = scoreboard_read(board, 1).live;
    check_number("not begun", live.number, 0);
    check_number("not begun", live.doing, DOING_OPENING);
    check_number("not begun", live.received + live.sent + live.turns + live.peer_ended, 0);
    score_begin(page, 7);
    check_number("its number", scoreboard_number(board, 1), 7);
    score_add(&score_counts(page)->received, 5);
    score_add(&score_counts(page)->sent, 6);
    score_turn(session, DOING_READING, 3);
    score_peer_ended(session);
    live = scoreboard_read(board, 1).live;
    check_number("served", live.number, 7);
    check_number("served", live.doing, DOING_READING);
    check_number("received", live.received, 5);
    check_number("sent", live.sent, 6);
    check_number("turns", live.turns, 2);
    check_true("the client has ended", live.peer_ended);
    score_done(page);
    check_number("over", scoreboard_number(board, 1), 0);
    score_busy(page, 200, &nobody);
    live = scoreboard_read(board, 1).live;
    check_number("the next one", live.number + live.received + live.sent + live.turns, 0);
    check_true("the next one", !live.peer_ended);
}

// Whatever its worker writes there.
static void test_session_of_a_liar(void **state)
{
    const struct scoreboard *board = *state;
    struct score_page *page = join(board, 2);
    struct score_session *session = score_session(page);
    struct score_live live;

    score_busy(page, 100, &(struct sockaddr){.sa_family = AF_UNIX});
    session->received_before = session->sent_before = UINT64_MAX;
    session->doing = 200;
    session->turns = UINT32_MAX;
    session->number = UINT64_MAX;
    live = scoreboard_read(board, 2).live;
    check_number("less than before", live.received + live.sent, 0);
    check_number("out of range", live.doing, DOING_NOTHING);
    check_number("turns", live.turns, INT64_C(1) << 31);
    session->received_before = 0;
    score_counts(page)->received = UINT64_MAX;
    check_number("too many", scoreboard_read(board, 2).live.received, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_session, open_board, close_board),
        cmocka_unit_test_setup_teardown(test_session_of_a_liar, open_board, close_board),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
