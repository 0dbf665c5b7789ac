// SPDX-License-Identifier: MIT
// Counters in the formats that Prometheus and others read: OpenMetrics 1.0.0
// (https://prometheus.io/docs/specs/om/open_metrics_spec/) and its forerunner, the text format
// 0.0.4. Names, units and labels are in tcpd-metrics(7).
#pragma once

#include <stdio.h>

#include "view/counters.h"

enum metrics_format { METRICS_TEXT, METRICS_OPEN };

// counters NULL: there is no daemon, which is all that is said then.
void metrics_print(FILE *stream, enum metrics_format format, const struct counters *counters);
// The same without histograms, which are most of it.
void metrics_print_short(FILE *stream, enum metrics_format format, const struct counters *counters);
