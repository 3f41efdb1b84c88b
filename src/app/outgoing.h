#pragma once
/* The HTTP client with which the server calls others: the section `outgoing` of the configuration. */
#include "app/outgoing_log.h"
#include "conf/settings.h"

struct cd_config_outgoing {
        struct cd_strs
                networks; /* addresses that are not on the public Internet, and may be connected to all the same */
        cd_str ca;        /* PEM; relative to the folder of the configuration; empty: the system's CAs */
};

extern const struct cd_table cd_config_outgoing_table;

struct cd_config;

/* What the table cannot say. Every finding names its setting and the fix. */
void cd_config_check_outgoing(const struct cd_config *config, struct cd_report *report);
/* outgoing.ca, after cd_config_check_outgoing. */
void cd_config_check_outgoing_files(const struct cd_config *config, struct cd_report *report);

struct cd_outgoing_client_options {
        const struct cd_config *config;
        cd_str file_name;            /* of the configuration */
        struct cd_arena *arena;      /* for the networks; must outlive the client */
        int64_t response_max;        /* bytes */
        struct cd_outgoing_log *log; /* outlives the client; NULL: nothing is logged */
};

/* A guarded client; each of its requests is an event in the log. Loads libcurl, so it is only called where there is
 * something to call. Freed with cd_fetch_free; a reload makes another one. CD_UNAVAILABLE: libcurl is missing. */
cd_status cd_outgoing_client_new(const struct cd_outgoing_client_options *options, struct cd_fetch **ret,
                                 struct cd_error *reterr);
