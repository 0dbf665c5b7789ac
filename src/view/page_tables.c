// SPDX-License-Identifier: MIT
#include "view/page_tables.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "view/figures.h"
#include "view/picture.h"
#include "view/rates.h"

#define SESSIONS 20 // that are shown

static void print_heading(struct html *html, const char *scope, const char *text)
{
    html_open(html, "th");
    html_attribute(html, "scope", scope);
    html_text(html, text);
    html_close(html, "th");
}

static void print_columns(struct html *html, const char *const *columns, size_t n)
{
    html_open(html, "thead");
    html_open(html, "tr");
    for (size_t i = 0; i < n; i++)
        print_heading(html, "col", columns[i]);
    html_close(html, "tr");
    html_close(html, "thead");
}

// A table that is wider than a small screen.
static void begin_table(struct html *html, const char *id, const char *label)
{
    html_open(html, "div");
    html_attribute(html, "class", "wide");
    html_attribute(html, "tabindex", "0"); // it scrolls, by keys as well
    html_attribute(html, "role", "region");
    html_attribute(html, "aria-label", label);
    html_attribute(html, "id", id);
    html_open(html, "table");
}

static void end_table(struct html *html)
{
    html_close(html, "table");
    html_close(html, "div");
}

static void print_number(struct html *html, uint64_t number)
{
    html_open(html, "td");
    html_format(html, "%" PRIu64, number);
    html_close(html, "td");
}

// Those below ten with a digit behind the point.
static void print_rate(struct html *html, bool is_known, double rate)
{
    char text[FIGURE_MAX];

    html_open(html, "td");
    if (!is_known)
        html_text(html, "–");
    else if (rate < 10)
        html_format(html, "%.1f", rate);
    else
        html_text(html, figure_bytes((uint64_t)rate, text, sizeof(text)));
    html_close(html, "td");
}

static void print_percentile(struct html *html, const struct histogram *histogram,
                             unsigned per_cent)
{
    uint64_t usec = rates_percentile(histogram, NULL, per_cent);
    char bound[PICTURE_BOUND_MAX];

    html_open(html, "td");
    if (usec == RATES_NONE)
        html_text(html, "–");
    else if (usec == RATES_BEYOND)
        html_text(html, "> 50000 s");
    else
        html_format(html, "≤ %s", picture_bound(histogram_index(usec), bound));
    html_close(html, "td");
}

// All numbers of a list but those of two names.
static uint64_t sum_without(const struct counters_list *list, const char *name, const char *other)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->names[i], name) != 0 && strcmp(list->names[i], other) != 0)
            sum += list->numbers[i];
    return sum;
}

// In a word; what it means is said above the table.
static const char *describe(const struct counters_pool *pool)
{
    if (pool->is_paused)
        return "paused";
    if (pool->is_throttled)
        return "throttled";
    if (!pool->accepts_itself && pool->max > 0 &&
        counters_number(&pool->workers, "busy") >= pool->max)
        return "at its maximum";
    return "serving";
}

static void print_service(struct html *html, const struct rates *rates, bool has_rates)
{
    const struct counters_pool *pool = rates->pool;

    html_open(html, "tr");
    print_heading(html, "row", pool->service);
    html_element(html, "td", "text", pool->listener);
    html_element(html, "td", "text", describe(pool));
    print_number(html, rates->n_busy);
    print_number(html, rates->n_workers);
    print_number(html, rates->max);
    html_open(html, "td");
    html_format(html, "%" PRIu64 "/%" PRIu64, pool->queue, pool->queue_limit);
    html_close(html, "td");
    print_number(html, pool->begun);
    print_rate(html, has_rates, rates->sessions);
    print_rate(html, has_rates, rates->received);
    print_rate(html, has_rates, rates->sent);
    print_percentile(html, &pool->duration, 50);
    print_percentile(html, &pool->duration, 99);
    print_percentile(html, &pool->wait, 99);
    print_number(html, sum_without(&pool->results, "ok", ""));
    print_number(html, sum_without(&pool->refused, "dry_run", "uncounted"));
    html_close(html, "tr");
}

static void print_caption(struct html *html, const struct page *page)
{
    char age[FIGURE_MAX];

    html_open(html, "caption");
    html_text(html, "Figures since the start; ");
    if (page->before)
        html_format(html, "rates of the last %s", figure_age(page->usec, age, sizeof(age)));
    else
        html_text(html, "rates come with the next look");
    html_close(html, "caption");
}

void page_print_services(struct html *html, const struct page *page)
{
    static const char *const columns[] = {
        "Service",    "Listener", "State",   "Busy", "Workers", "Maximum",  "Queue",  "Sessions",
        "Sessions/s", "In B/s",   "Out B/s", "50%",  "99%",     "Wait 99%", "Failed", "Refused"};
    static const struct rates_choice all = {.service = "", .words = ""};
    struct rates_view view;

    rates_view_make(&view, page->now, page->before, page->usec, &all);
    html_open(html, "section");
    html_element(html, "h2", NULL, "Services");
    begin_table(html, "services", "Services");
    print_caption(html, page);
    print_columns(html, columns, ELEMENTS(columns));
    html_open(html, "tbody");
    for (size_t i = 0; i < view.n; i++)
        print_service(html, &view.rates[i], page->before != NULL);
    html_close(html, "tbody");
    end_table(html);
    html_close(html, "section");
    rates_view_done(&view);
}

static void print_session(struct html *html, const struct session_row *row)
{
    char id[SESSION_ID_MAX], text[FIGURE_MAX];

    html_open(html, "tr");
    print_heading(html, "row", session_id_format(row->pid, row->number, id, sizeof(id)));
    html_element(html, "td", "text", row->service);
    html_element(html, "td", "text", row->listener);
    html_element(html, "td", "text", row->peer[0] != '\0' ? row->peer : "–");
    html_element(html, "td", "text", row->doing);
    html_element(html, "td", NULL, figure_age(row->age_usec, text, sizeof(text)));
    html_element(html, "td", NULL, figure_bytes(row->received, text, sizeof(text)));
    html_element(html, "td", NULL, figure_bytes(row->sent, text, sizeof(text)));
    html_close(html, "tr");
}

void page_print_sessions(struct html *html, const struct page *page)
{
    static const char *const columns[] = {"Session", "Service", "Listener", "Client",
                                          "Doing",   "Age",     "In",       "Out"};
    size_t n = page->n_sessions < SESSIONS ? page->n_sessions : SESSIONS;

    html_open(html, "section");
    html_element(html, "h2", NULL, "Sessions");
    begin_table(html, "sessions", "Sessions");
    html_open(html, "caption");
    html_format(html, "%zu session%s", page->n_sessions, PLURAL(page->n_sessions));
    if (n < page->n_sessions)
        html_format(html, "; the longest %zu", n);
    html_close(html, "caption");
    print_columns(html, columns, ELEMENTS(columns));
    html_open(html, "tbody");
    for (size_t i = 0; i < n; i++)
        print_session(html, &page->sessions->rows[i]);
    html_close(html, "tbody");
    end_table(html);
    html_close(html, "section");
}

void page_print_buckets(struct html *html, const char *name, const char *title,
                        const struct histogram *histogram)
{
    static const char *const columns[] = {"At most", "Sessions"};
    char text[64], bound[PICTURE_BOUND_MAX];

    (void)snprintf(text, sizeof(text), "%s-numbers", name);
    html_open(html, "details");
    html_attribute(html, "id", text);
    html_element(html, "summary", NULL, "Numbers");
    html_open(html, "table");
    html_element(html, "caption", NULL, title);
    print_columns(html, columns, ELEMENTS(columns));
    html_open(html, "tbody");
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        html_open(html, "tr");
        print_heading(html, "row", picture_bound(i, bound));
        print_number(html, histogram->counts[i]);
        html_close(html, "tr");
    }
    html_close(html, "tbody");
    html_close(html, "table");
    html_close(html, "details");
}
