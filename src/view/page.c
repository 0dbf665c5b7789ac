// SPDX-License-Identifier: MIT
#include "view/page.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "view/figures.h"
#include "view/html.h"
#include "view/page_tables.h"
#include "view/picture.h"

#define REFRESH "10" // seconds, without a script

// ---- What is not as it should be --------------------------------------------------------------

static void print_finding(struct html *html, const struct finding *finding)
{
    html_open(html, "li");
    if (finding->service[0] != '\0')
        html_format(html, "%s%s%s: ", finding->service, finding->listener[0] != '\0' ? " " : "",
                    finding->listener);
    html_text(html, finding->text);
    if (finding->advice[0] != '\0') {
        html_text(html, " → ");
        html_element(html, "span", "advice", finding->advice);
    }
    html_close(html, "li");
}

static void print_findings(struct html *html, const struct page *page)
{
    const struct findings *findings = page->findings;

    html_open(html, "div");
    html_attribute(html, "id", "findings");
    html_attribute(html, "role", "status");
    if (findings->n > 0)
        html_open(html, "ul");
    for (size_t i = 0; i < findings->n; i++)
        print_finding(html, &findings->items[i]);
    if (findings->n > 0)
        html_close(html, "ul");
    html_close(html, "div");
}

// ---- What there is ----------------------------------------------------------------------------

static void print_summary(struct html *html, const struct page *page)
{
    const struct status_daemon *daemon = &page->status->daemon;
    char uptime[FIGURE_MAX];

    html_open(html, "p");
    html_attribute(html, "id", "summary");
    html_element(html, "strong", daemon->state, daemon->state);
    html_format(html, " · up %s · version %s · generation %" PRIu64,
                figure_age(daemon->uptime_usec, uptime, sizeof(uptime)), daemon->version,
                daemon->generation);
    html_close(html, "p");
}

static void print_workers(struct html *html, const struct page *page)
{
    html_open(html, "section");
    html_element(html, "h2", NULL, "Workers");
    if (page->now->n > 0)
        picture_workers(html, page->now);
    html_close(html, "section");
}

static void print_durations(struct html *html, const struct page *page)
{
    static const struct {
        const char *name, *title;
        size_t offset;
    } kinds[] = {
        {"duration", "Durations of sessions", offsetof(struct counters_pool, duration)},
        {"reply", "Times to the first byte sent", offsetof(struct counters_pool, reply)},
        {"wait", "Times in the queue", offsetof(struct counters_pool, wait)},
    };

    html_open(html, "section");
    html_element(html, "h2", NULL, "Times");
    for (size_t i = 0; i < ELEMENTS(kinds); i++) {
        struct histogram sum = {0};

        for (size_t k = 0; k < page->now->n; k++) {
            const struct histogram *its = (const void *)((const char *)&page->now->pools[k] +
                                                         kinds[i].offset);

            for (size_t b = 0; b <= HISTOGRAM_BOUNDS; b++)
                sum.counts[b] += its->counts[b];
        }
        html_element(html, "h3", NULL, kinds[i].title);
        picture_histogram(html, kinds[i].name, kinds[i].title, &sum);
        page_print_buckets(html, kinds[i].name, kinds[i].title, &sum);
    }
    html_close(html, "section");
}

static void print_live(struct html *html, const struct page *page)
{
    html_open(html, "div");
    html_attribute(html, "id", "live");
    print_summary(html, page);
    page_print_services(html, page);
    print_workers(html, page);
    print_durations(html, page);
    page_print_sessions(html, page);
    html_close(html, "div");
}

void page_print_part(FILE *stream, const struct page *page)
{
    struct html html = {.stream = stream};

    print_findings(&html, page);
    print_live(&html, page);
    (void)fputc('\n', stream);
}

// ---- Around it --------------------------------------------------------------------------------

static void print_meta(struct html *html, const char *attribute, const char *name,
                       const char *content)
{
    html_open(html, "meta");
    html_attribute(html, attribute, name);
    if (content)
        html_attribute(html, "content", content);
}

static void print_file(struct html *html, const char *relation, const char *path)
{
    html_open(html, "link");
    html_attribute(html, "rel", relation);
    html_attribute(html, "href", path);
}

static void print_head(struct html *html, const char *title)
{
    html_open(html, "head");
    print_meta(html, "charset", "utf-8", NULL);
    print_meta(html, "name", "viewport", "width=device-width, initial-scale=1");
    html_element(html, "title", NULL, title);
    print_file(html, "stylesheet", "status.css");
    print_file(html, "icon", "status.svg");
    html_open(html, "script");
    html_attribute(html, "src", "status.js");
    html_flag(html, "defer");
    html_text(html, "");
    html_close(html, "script");
    html_open(html, "noscript");
    print_meta(html, "http-equiv", "refresh", REFRESH);
    html_close(html, "noscript");
    html_close(html, "head");
}

static void print_tools(struct html *html)
{
    html_open(html, "p");
    html_attribute(html, "id", "tools");
    html_open(html, "button");
    html_attribute(html, "id", "pause");
    html_attribute(html, "type", "button");
    html_attribute(html, "aria-pressed", "false");
    html_flag(html, "hidden"); // until there is a script
    html_text(html, "Pause");
    html_close(html, "button");
    html_open(html, "span");
    html_attribute(html, "id", "news");
    html_attribute(html, "role", "status");
    html_text(html, "");
    html_close(html, "span");
    html_close(html, "p");
}

void page_print(FILE *stream, const struct page *page)
{
    struct html html = {.stream = stream};
    char title[128];

    (void)snprintf(title, sizeof(title), "tcpd on %s", page->machine);
    (void)fputs("<!DOCTYPE html>\n", stream);
    html_open(&html, "html");
    html_attribute(&html, "lang", "en");
    print_head(&html, title);
    html_open(&html, "body");
    html_open(&html, "header");
    html_element(&html, "h1", NULL, title);
    print_tools(&html);
    html_open(&html, "nav");
    html_attribute(&html, "aria-label", "Other forms");
    html_link(&html, "metrics", "metrics");
    html_text(&html, " ");
    html_link(&html, "json", "JSON");
    html_text(&html, " ");
    html_link(&html, "json/sessions", "sessions");
    html_close(&html, "nav");
    html_close(&html, "header");
    html_open(&html, "main");
    print_findings(&html, page);
    print_live(&html, page);
    html_close(&html, "main");
    html_close(&html, "body");
    html_close(&html, "html");
    (void)fputc('\n', stream);
}
