// SPDX-License-Identifier: MIT
// Lines are cut here, as ncurses would wrap them. A size of nothing is what a terminal says that
// does not know its own.

#include "ctl/top_screen.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/base.h"
#include "ctl/top_state.h"
#include "ctl/top_terminal.h"

#define ROWS          24 // of a terminal that does not say
#define COLUMNS       80
#define ESCAPE_MSEC   25 // after it, what may be the rest of a key
#define LAST_MIN_ROWS 6

enum pair { RED = 1, YELLOW };

static struct {
    SCREEN *screen;
    int row; // the next line's
    bool has_colors;
} its;

bool top_screen_is_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && top_terminal_moves();
}

bool top_screen_open(void)
{
    its.screen = newterm(NULL, stdout, stdin);
    if (!its.screen)
        return false;
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)set_escdelay(ESCAPE_MSEC);
    (void)curs_set(0);
    its.has_colors = has_colors() && !getenv("NO_COLOR"); // NOLINT(concurrency-mt-unsafe)
    if (its.has_colors) {
        (void)start_color();
        (void)use_default_colors();
        (void)init_pair(RED, COLOR_RED, -1);
        (void)init_pair(YELLOW, COLOR_YELLOW, -1);
    }
    top_screen_resize();
    return true;
}

void top_screen_close(void)
{
    (void)endwin();
    delscreen(its.screen);
    its.screen = NULL;
}

void top_screen_size(int *ret_rows, int *ret_columns)
{
    getmaxyx(stdscr, *ret_rows, *ret_columns);
}

void top_screen_resize(void)
{
    struct winsize size = {0};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    (void)resizeterm(size.ws_row > 0 ? size.ws_row : ROWS, size.ws_col > 0 ? size.ws_col : COLUMNS);
    top_screen_repaint();
}

void top_screen_repaint(void)
{
    (void)clearok(stdscr, TRUE);
}

int top_screen_key(void)
{
    static const struct {
        int code, key;
    } names[] = {
        {KEY_UP, TOP_KEY_UP},         {KEY_DOWN, TOP_KEY_DOWN},
        {KEY_PPAGE, TOP_KEY_PAGE_UP}, {KEY_NPAGE, TOP_KEY_PAGE_DOWN},
        {KEY_HOME, TOP_KEY_HOME},     {KEY_END, TOP_KEY_END},
        {KEY_ENTER, TOP_KEY_ENTER},   {KEY_BACKSPACE, TOP_KEY_BACKSPACE},
        {KEY_DC, TOP_KEY_BACKSPACE},  {0x1b, TOP_KEY_ESCAPE},
    };
    int code;

    do // resizeterm() leaves one behind
        code = getch();
    while (code == KEY_RESIZE);
    if (code == ERR)
        return -1;
    for (size_t i = 0; i < ELEMENTS(names); i++)
        if (names[i].code == code)
            return names[i].key;
    return code < 0x100 ? code : TOP_KEY_OTHER;
}

void top_screen_begin(void)
{
    (void)erase();
    its.row = 0;
}

static attr_t attributes(enum top_style style)
{
    attr_t red = its.has_colors ? (attr_t)COLOR_PAIR(RED) : 0;
    attr_t yellow = its.has_colors ? (attr_t)COLOR_PAIR(YELLOW) : 0;
    const attr_t all[TOP_STYLES] = {
        [TOP_HEAD] = A_REVERSE,
        [TOP_NOTICE] = A_BOLD,
        [TOP_WARNING] = yellow,
        [TOP_ALARM] = A_BOLD | red,
    };

    return all[style];
}

void top_screen_put(const struct top_line *line)
{
    cleanup_free char *text = base_checked(strdup(line->text));
    int rows, columns;

    top_screen_size(&rows, &columns);
    if (its.row >= rows)
        return;
    top_text_cut(text, columns);
    (void)attrset((int)attributes(line->style));
    if (line->style == TOP_HEAD) // as wide as the screen
        (void)mvhline(its.row, 0, ' ' | A_REVERSE, columns);
    (void)mvaddstr(its.row++, 0, text); // fails in the last corner, which is filled all the same
    (void)attrset(A_NORMAL);
}

void top_screen_end(const char *last)
{
    int rows, columns;

    top_screen_size(&rows, &columns);
    if (rows >= LAST_MIN_ROWS && its.row < rows)
        (void)mvaddnstr(rows - 1, 0, last, columns - 1);
    (void)refresh();
}
