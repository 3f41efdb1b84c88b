#pragma once
/* The fields of sample.html. */
#include "portal/template.h"

struct cell {
        int64_t before;
        cd_str text;
};
struct row {
        cd_str label;
        CD_PAGE_LIST(struct cell) cells;
};
struct cd_page_view {
        const struct cd_texts *texts;
        cd_str title;
};
struct cd_page_sample {
        cd_str name;
        bool on;
        struct cd_page_url where;
        CD_PAGE_LIST(struct row) rows;
        int64_t number;
        size_t size;
        struct cd_page_time when;
};
void cd_page_sample(const struct cd_page_view *view, const struct cd_page_sample *fields, struct cd_buf *buf);
extern const struct cd_texts sample_texts[];
extern const size_t sample_texts_count;
