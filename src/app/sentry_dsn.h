#pragma once
/* The DSN of a Sentry project, https://KEY@HOST/PROJECT: where errors are sent, and the key that allows it. */
#include "base/arena.h"

struct cd_sentry_dsn {
        bool is_https, is_local; /* local: the host is this machine */
        cd_str key;
        cd_str authority;
        cd_str path; /* "" or "/…", before the project */
        cd_str project;
};

/* Views into the text. Returns NULL, or what is wrong with it. */
const char *cd_sentry_dsn_parse(cd_str text, struct cd_sentry_dsn *ret);
/* The endpoint for envelopes; ptr NULL if memory is out. */
cd_str cd_sentry_dsn_url(const struct cd_sentry_dsn *dsn, struct cd_arena *arena);
