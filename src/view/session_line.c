// SPDX-License-Identifier: MIT
// Written by hand, as each session of a busy service has one. What is written is read as the same,
// and what is not as it is written is not read at all.

#include "view/session_line.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"

#define SEC_PER_DAY UINT64_C(86400)
#define LAST_SECOND UINT64_C(253402300799) // of the year 9999

// ---- Writing
// -------------------------------------------------------------------------------------

// All of these return the end of what they wrote.
static char *put_digits(char *to, uint64_t number, int n)
{
    for (int i = n - 1; i >= 0; i--, number /= 10)
        to[i] = (char)('0' + number % 10);
    return to + n;
}

static char *put_number(char *to, uint64_t number)
{
    int n = 1;

    for (uint64_t rest = number / 10; rest > 0; rest /= 10)
        n++;
    return put_digits(to, number, n);
}

// At most ADDRESS_TEXT_MAX bytes, for which there is room; one word.
static char *put_word(char *to, const char *text)
{
    for (size_t i = 0; i < ADDRESS_TEXT_MAX - 1 && text[i] != '\0'; i++)
        *to++ = text[i] == ' ' ? '_' : text[i];
    return to;
}

static char *put_text(char *to, const char *text)
{
    while (*text != '\0')
        *to++ = *text++;
    return to;
}

// The day of that number since 1970-01-01, in the Gregorian calendar: years begin in March, so that
// the odd day of a leap year is a year's last.
static char *put_day(char *to, uint64_t days)
{
    uint64_t since = days + 719468; // 0000-03-01
    uint64_t era = since / 146097, of_era = since % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153; // from March
    uint64_t day = of_year - (153 * month + 2) / 5 + 1;

    year += era * 400 + (month >= 10);
    month = month < 10 ? month + 3 : month - 9;
    to = put_digits(to, year, 4);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    return put_digits(to, day, 2);
}

static char *put_time(char *to, uint64_t realtime_usec)
{
    uint64_t seconds = realtime_usec / USEC_PER_SEC;

    if (seconds > LAST_SECOND)
        seconds = LAST_SECOND;
    to = put_day(to, seconds / SEC_PER_DAY);
    *to++ = 'T';
    to = put_digits(to, seconds / 3600 % 24, 2);
    *to++ = ':';
    to = put_digits(to, seconds / 60 % 60, 2);
    *to++ = ':';
    to = put_digits(to, seconds % 60, 2);
    *to++ = '.';
    to = put_digits(to, realtime_usec % USEC_PER_SEC, 6);
    *to++ = 'Z';
    return to;
}

static char *put_seconds(char *to, uint64_t usec, int n_decimals)
{
    uint64_t rest = usec % USEC_PER_SEC;

    to = put_number(to, usec / USEC_PER_SEC);
    *to++ = '.';
    to = put_digits(to, n_decimals == 3 ? rest / USEC_PER_MSEC : rest, n_decimals);
    *to++ = 's';
    return to;
}

size_t session_line_format(const struct session_line *line, char text[SESSION_LINE_MAX])
{
    char *to = put_time(text, line->end_realtime_usec);

    *to++ = ' ';
    to = put_word(to, line->peer);
    if (line->through) {
        to = put_text(to, " through ");
        to = put_word(to, line->through);
    }
    *to++ = ' ';
    to = put_word(to, line->result);
    *to++ = ' ';
    to = put_seconds(to, line->duration_usec, 6);
    *to++ = ' ';
    to = put_number(to, line->received);
    to = put_text(to, "B in ");
    to = put_number(to, line->sent);
    to = put_text(to, "B out wait ");
    if (line->wait_usec == SESSION_LINE_UNKNOWN)
        *to++ = '-';
    else
        to = put_seconds(to, line->wait_usec, 3);
    *to++ = ' ';
    to = put_number(to, line->pid);
    *to++ = '.';
    to = put_number(to, line->number);
    if (line->is_slow)
        to = put_text(to, " slow");
    *to = '\0';
    return (size_t)(to - text);
}

// ---- Reading
// -------------------------------------------------------------------------------------

// All of these move *text behind what they have read; false: it is not there.
static bool take_text(char **text, const char *wanted)
{
    size_t length = strlen(wanted);

    if (strncmp(*text, wanted, length) != 0)
        return false;
    *text += length;
    return true;
}

// Digits, how many there are; at most 20, as a number of 64 bits has.
static int take_number(char **text, uint64_t *ret)
{
    uint64_t number = 0;
    int n = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++, n++) {
        uint64_t digit = (uint64_t)(**text - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return 0;
        number = number * 10 + digit;
    }
    *ret = number;
    return n;
}

// As it is written: without zeros in front.
static bool take_count(char **text, uint64_t *ret)
{
    const char *first = *text;
    int n = take_number(text, ret);

    return n > 0 && (n == 1 || *first != '0');
}

static bool take_digits(char **text, int n, uint64_t max, uint64_t *ret)
{
    return take_number(text, ret) == n && *ret <= max;
}

// A word, which ends up as a text of its own.
static bool take_word(char **text, const char **ret)
{
    size_t length = strcspn(*text, " ");

    if (length == 0 || length >= ADDRESS_TEXT_MAX || (*text)[length] != ' ')
        return false;
    *ret = *text;
    (*text)[length] = '\0';
    *text += length + 1;
    return true;
}

static bool is_leap(uint64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool take_day(char **text, uint64_t *ret_days)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    uint64_t year, month, day, past;

    if (!take_digits(text, 4, 9999, &year) || !take_text(text, "-") ||
        !take_digits(text, 2, 12, &month) || !take_text(text, "-") ||
        !take_digits(text, 2, 31, &day) || year < 1970 || month == 0 || day == 0)
        return false;
    if (day > (uint64_t)before[month] - before[month - 1] + (month == 2 && is_leap(year)))
        return false;
    past = year - 1;
    *ret_days = past * 365 + past / 4 - past / 100 + past / 400 - 719162 + before[month - 1] +
                (month > 2 && is_leap(year)) + day - 1;
    return true;
}

static bool take_time(char **text, uint64_t *ret_usec)
{
    uint64_t days, hours, minutes, seconds, usec;

    if (!take_day(text, &days) || !take_text(text, "T") || !take_digits(text, 2, 23, &hours) ||
        !take_text(text, ":") || !take_digits(text, 2, 59, &minutes) || !take_text(text, ":") ||
        !take_digits(text, 2, 59, &seconds) || !take_text(text, ".") ||
        !take_digits(text, 6, USEC_PER_SEC - 1, &usec) || !take_text(text, "Z "))
        return false;
    seconds += days * SEC_PER_DAY + hours * 3600 + minutes * 60;
    *ret_usec = seconds * USEC_PER_SEC + usec;
    return true;
}

static bool take_seconds(char **text, int n_decimals, uint64_t *ret_usec)
{
    uint64_t seconds, rest;

    if (!take_count(text, &seconds) || !take_text(text, ".") ||
        !take_digits(text, n_decimals, USEC_PER_SEC - 1, &rest) || !take_text(text, "s "))
        return false;
    rest *= n_decimals == 3 ? USEC_PER_MSEC : 1;
    if (seconds > (UINT64_MAX - rest) / USEC_PER_SEC)
        return false;
    *ret_usec = seconds * USEC_PER_SEC + rest;
    return true;
}

static bool take_wait(char **text, uint32_t *ret)
{
    uint64_t usec;

    *ret = SESSION_LINE_UNKNOWN;
    if (take_text(text, "- "))
        return true;
    if (!take_seconds(text, 3, &usec) || usec >= SESSION_LINE_UNKNOWN)
        return false;
    *ret = (uint32_t)usec;
    return true;
}

int session_line_parse(char *text, struct session_line *ret)
{
    bool good;

    *ret = (struct session_line){0};
    good = take_time(&text, &ret->end_realtime_usec) && take_word(&text, &ret->peer) &&
           (!take_text(&text, "through ") || take_word(&text, &ret->through)) &&
           take_word(&text, &ret->result) && take_seconds(&text, 6, &ret->duration_usec) &&
           take_count(&text, &ret->received) && take_text(&text, "B in ") &&
           take_count(&text, &ret->sent) && take_text(&text, "B out wait ") &&
           take_wait(&text, &ret->wait_usec) && take_count(&text, &ret->pid) &&
           take_text(&text, ".") && take_count(&text, &ret->number);
    if (good)
        ret->is_slow = take_text(&text, " slow");
    return good && *text == '\0' ? 0 : -EINVAL;
}
