// SPDX-License-Identifier: MIT
// scoreboard.c: what a worker tells of a client that has come through a proxy.

#include <arpa/inet.h>

#include "board/scoreboard.h"
#include "unit.h"

// Behind a proxy: the client, and through whom it came; of the next session nothing is left.
static void test_client(void **state)
{
    struct scoreboard board;
    const struct sockaddr_in client = {
        .sin_family = AF_INET, .sin_port = htons(40000), .sin_addr.s_addr = htonl(0xc0000201)};
    const struct sockaddr_in sender = {
        .sin_family = AF_INET, .sin_port = htons(51200), .sin_addr.s_addr = htonl(0x0a000005)};
    struct score_page *page = NULL;
    struct pool_hint *hint = NULL;
    struct score score;

    (void)state;
    check_number("open", scoreboard_open(&board), 0);
    check_number("join", scoreboard_join(board.fd, 3, 0, &page, &hint), 0);
    score_busy(page, 200, (const struct sockaddr *)&sender);
    check_number("before", scoreboard_read(&board, 3).sender.family, 0);
    score_client(page, (const struct sockaddr *)&client, (const struct sockaddr *)&sender);
    score = scoreboard_read(&board, 3);
    check_number("behind", score.state, WORKER_BUSY);
    check_number("behind", score.since_usec, 200);
    check_number("behind", score.peer.family, AF_INET);
    check_number("client", score.peer.port, htons(40000));
    check_number("sender", score.sender.port, htons(51200));
    check_bytes("sender", score.sender.ip, 4, "\x0a\0\0\5", 4);
    score_done(page);
    score = scoreboard_read(&board, 3);
    check_number("done", score.sessions, 1);
    check_number("done", score.peer.family, 0);
    check_number("done", score.sender.family, 0);
    score_busy(page, 300, (const struct sockaddr *)&client);
    check_number("the next one", scoreboard_read(&board, 3).sender.family, 0);
    scoreboard_wipe(&board, 3);
    scoreboard_close(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_client)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
