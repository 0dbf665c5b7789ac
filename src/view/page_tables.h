// SPDX-License-Identifier: MIT
// The tables of the page.
#pragma once

#include "view/html.h"
#include "view/page.h"

void page_print_services(struct html *html, const struct page *page);
// The longest of them.
void page_print_sessions(struct html *html, const struct page *page);
// The numbers of a picture, which are shown if one wants to see them. name: for ids.
void page_print_buckets(struct html *html, const char *name, const char *title,
                        const struct histogram *histogram);
