#pragma once
/* Parses the part of YAML 1.1 that a configuration needs into a tree of mappings, sequences and scalars as written.
 * Anchors, aliases, tags and multiple documents are rejected; depth, size and number of nodes are limited. Only this
 * module uses libyaml. */
#include "base/arena.h"
#include "base/status.h"

enum cd_yaml_type {
        CD_YAML_SCALAR,
        CD_YAML_SEQUENCE,
        CD_YAML_MAPPING,
};

struct cd_yaml_mark {
        unsigned line, column; /* from 1; column in characters */
};

struct cd_yaml_node {
        enum cd_yaml_type type;
        struct cd_yaml_mark mark;
        bool quoted; /* a quoted or block scalar, which is never null */
        cd_str text; /* the decoded scalar; may contain any character, including NUL */
        cd_str key;  /* the name, if it is in a mapping */
        struct cd_yaml_mark key_mark;
        struct cd_yaml_node *child; /* first element or member */
        struct cd_yaml_node *next;  /* next sibling */
        size_t count;               /* children */
};

enum {
        CD_YAML_MAX_SIZE = 1024 * 1024, /* bytes */
        CD_YAML_MAX_DEPTH = 16,
        CD_YAML_MAX_NODES = 65536, /* 16 each for 4,000 clients */
};

/* *ret is NULL if the text contains only comments. Nodes and texts live in the arena. Errors are CD_MALFORMED,
 * CD_TOO_LARGE and CD_NO_MEMORY; the reason has the form "cardea.yaml:12:3: what is wrong". */
cd_status cd_yaml_parse(struct cd_arena *arena, cd_str text, cd_str file_name, const struct cd_yaml_node **ret,
                        struct cd_error *reterr);

/* Whether it is a plain scalar without a value: empty, "~" or "null". */
bool cd_yaml_is_null(const struct cd_yaml_node *node);
