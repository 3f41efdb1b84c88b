/* Nanoseconds of processor time to count a request, both readings of the clock included, and those of the clock alone:
 * bench/micro/metrics. Prints one line of JSON. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "http/metrics.h"

enum {
        EVENTS = 20000000,
};

static double processor_ns(void)
{
        struct timespec used;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
        return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

int main(void)
{
        static const struct cd_http_route route = { .methods = CD_HTTP_GET, .path = CD_STR_INIT("/healthz") };
        static struct cd_exchange x = { .route = &route, .req = { .method = CD_HTTP_GET }, .res = { .status = 200 } };
        int64_t sum = 0;

        cd_metrics_enable(true);
        double from = processor_ns();
        for (int i = 0; i < EVENTS; i++) {
                int64_t started = cd_monotonic_us();
                sum += cd_monotonic_us() - started;
        }
        double clock = processor_ns() - from;
        from = processor_ns();
        for (int i = 0; i < EVENTS; i++) {
                x.started_us = cd_monotonic_us();
                cd_http_count_exchange(&x, cd_monotonic_us() - x.started_us);
        }
        double counted = processor_ns() - from;
        printf("{\"clock_ns\":%.1f,\"counted_ns\":%.1f}\n", clock / EVENTS, counted / EVENTS);
        return sum < 0;
}
