#pragma once
/* What a reader of responses reports, as one line of text, however the bytes are split. */
#include "support/check.h"
#include "upstream/http1.h"

struct reading {
        struct cd_http1_reader reader;
        struct cd_upstream_request request;
        size_t head_max;
        bool is_uwsgi;                     /* of the server */
        bool stops_at_head, stops_at_data; /* an event calls cd_http1_reader_done */
        bool is_broken;                    /* the end of the input is none that can be trusted */
        unsigned heads, ends;              /* events */
        cd_str fed;                        /* the bytes being fed: data lies within them */
        struct cd_buf body, text;
        enum cd_upstream_failure failure;
};

/* Feeds the answer in pieces of `piece` bytes (0: whole; `first` bytes come before those), then the end of the input.
 * Returns the text, which is valid until the next call: "200 5 [A: b]" with the status, the length and the headers;
 * " hello" the body; " [T: x] kept" or " closed" the end; " failed: REASON". */
const char *reading_run(struct reading *r, cd_str answer, size_t first, size_t piece);
