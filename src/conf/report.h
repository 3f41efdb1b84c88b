#pragma once
/* The result of reading a configuration: where each setting came from, and what is wrong with it. */
#include "base/arena.h"
#include "base/status.h"

/* Where a setting was written that does not have its default. */
struct cd_setting_source {
        const struct cd_setting_source *next; /* in the same bucket */
        cd_str setting;                       /* dotted path, "clients[0].secret" */
        unsigned line, column;                /* of its value in the file */
        cd_str from;      /* "env NAME", "file PATH", joined by ", "; empty if the value is in the file itself */
        uint64_t written; /* a hash of the value as written in the file, before placeholders are resolved */
        bool is_kept;     /* see cd_report.earlier */
};

enum cd_finding_level {
        CD_FINDING_OK,
        CD_FINDING_WARNING,
        CD_FINDING_ERROR,
};

/* In this order one finding may be the cause of another: a variable that is not set leaves a setting empty, a misspelt
 * name leaves another one missing, and so on. */
enum cd_finding_stage {
        CD_STAGE_CURRENT,    /* that of the report */
        CD_STAGE_UNRESOLVED, /* a variable, file or credential that has no value */
        CD_STAGE_WRITTEN,    /* what the file says is not a setting, or not a value of it */
        CD_STAGE_MISSING,    /* a setting that must be there */
        CD_STAGE_CHECKED,    /* settings that do not fit together, or do not fit their files */
        CD_STAGE_TRIED,      /* the store, addresses, other servers */
};

struct cd_finding {
        const struct cd_finding *next;
        enum cd_finding_level level;
        unsigned line, column; /* 0: not in the file */
        cd_str setting;        /* dotted path; empty if `what` names it already */
        cd_str from;           /* as in cd_setting_source */
        cd_str what;           /* never contains a secret */
        cd_str why;            /* why it matters, one sentence; may be empty */
        cd_str fix;            /* what to do; may be empty */
        enum cd_finding_stage stage;
        cd_str variable;   /* the environment variable that has no value; empty: another finding */
        bool is_temporary; /* nothing need be wrong with the configuration: a server does not answer */
};

struct cd_report {
        struct cd_arena *arena;
        /* The report of the current configuration, which this one would replace; may be NULL. A secret that the process
         * can no longer read, but that is written as before, is then not an error: it is not bound, its source is
         * marked as kept, and its user continues with the value that it has. */
        const struct cd_report *earlier;
        /* The only settings that the program uses: dotted paths without indexes ("store clients.id"), each including
         * everything below it, separated by spaces. Placeholders of other settings are not resolved, which leaves those
         * at their defaults, and their errors are warnings. NULL: all settings. */
        const char *needed;
        cd_str file_name;                         /* as the user wrote it; empty: there is no file */
        const struct cd_setting_source **sources; /* a hash table, because large files set tens of thousands */
        size_t source_count, bucket_count;
        const struct cd_finding *findings, *last;
        size_t errors, warnings;
        enum cd_finding_stage stage; /* of the findings that are added now */
        bool no_memory;              /* something could not be recorded */
        /* the file as a whole is not a configuration, so no setting has a meaning, not even the defaults */
        bool unread;
};

void cd_report_init(struct cd_report *report, struct cd_arena *arena, cd_str file_name);

void cd_report_add_source(struct cd_report *report, const struct cd_setting_source *source); /* copies it */
/* NULL if the setting has its default. */
const struct cd_setting_source *cd_report_find_source(const struct cd_report *report, cd_str setting);

/* The source of that setting, or else of one that differs from it in the indexes of lists only, if it was `written`
 * so. */
const struct cd_setting_source *cd_report_find_written(const struct cd_report *report, cd_str setting,
                                                       uint64_t written);

/* Whether the program uses the setting, see cd_report.needed: one that is within a needed one, or around it. */
bool cd_report_needs(const struct cd_report *report, cd_str setting);
/* Whether the setting is a secret that stays as it is, unread. */
bool cd_report_is_kept(const struct cd_report *report, cd_str setting);

/* Copies *finding. Its strings must live in the arena or be static. An error of a setting that is not needed becomes a
 * warning. */
void cd_report_add(struct cd_report *report, const struct cd_finding *finding);
/* Whether the setting itself has an error. Its value is then unknown, so nothing may be concluded from it. */
bool cd_report_has_error(const struct cd_report *report, cd_str setting);
/* Whether the setting or one within it has an error. */
bool cd_report_has_error_within(const struct cd_report *report, cd_str setting);
/* An error of the setting, of one within it, or of one around it; NULL: none. */
const struct cd_finding *cd_report_find_error(const struct cd_report *report, cd_str setting);
/* What to do about the errors of this setting that do not say it. Static. */
void cd_report_add_fix(struct cd_report *report, cd_str setting, const char *fix);
/* Says so of the finding that was added last. */
void cd_report_last_is_temporary(struct cd_report *report);
/* Puts errors before warnings, and those before the rest; within a level, by stage and then as they were found. */
void cd_report_order(struct cd_report *report);
/* A finding about a setting; the position is that of the setting or else of the nearest one around it. `fix` may be
 * NULL. Left out where the setting has an error already. */
void cd_report_about(struct cd_report *report, enum cd_finding_level level, cd_str setting, const char *fix,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));

/* "cardea.yaml:12:3: clients[0].secret: what; fix", in the report's arena; "" if memory is exhausted. */
cd_str cd_finding_text(const struct cd_report *report, const struct cd_finding *finding);
/* CD_OK if there are no errors, else CD_INVALID_REQUEST with the text of the first. */
cd_status cd_report_status(const struct cd_report *report, struct cd_error *reterr);
