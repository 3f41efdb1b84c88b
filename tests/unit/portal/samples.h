#pragma once
/* Every page with fields as a site would have them, for the unit tests and for what a browser looks at. */
#include "portal/language.h"
#include "portal/pages.h"

struct sample {
        const char *name;
        /* `evil`, where it is not empty, stands in every field that is text. */
        void (*write)(const struct cd_page_view *view, cd_str evil, struct cd_arena *arena, struct cd_buf *buf);
        enum cd_message error, notice; /* what such a page would say; the error where one is asked for */
        int64_t count;
};

extern const struct sample samples[];
extern const size_t sample_count;

/* The pseudo-locale of the tests: one language. */
extern const struct cd_texts cd_pseudo[];
extern const size_t cd_pseudo_count;

/* What all pages have. `languages` has room for cd_texts_count. */
struct cd_page_view sample_view(const struct cd_texts *texts, cd_str evil, struct cd_page_language *languages);
