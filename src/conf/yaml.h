#pragma once
/* The part of YAML 1.1 that a configuration needs, as a tree: mappings, sequences, scalars as written. Anchors,
 * aliases, tags and several documents are refused; depth, size and nodes are bounded. The only place that knows
 * libyaml. */
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
        bool quoted; /* a scalar in quotes or in block form: never "no value" */
        cd_str text; /* a scalar decoded; may hold any character, NUL too */
        cd_str key;  /* its name, in a mapping */
        struct cd_yaml_mark key_mark;
        struct cd_yaml_node *child; /* first element or member */
        struct cd_yaml_node *next;  /* next sibling */
        size_t count;               /* children */
};

enum {
        CD_YAML_MAX_SIZE = 1024 * 1024, /* bytes */
        CD_YAML_MAX_DEPTH = 16,
        CD_YAML_MAX_NODES = 65536, /* 16 for each of 4,000 clients */
};

/* *ret is NULL where the text holds nothing but comments. Nodes and texts live in the arena. Errors: CD_MALFORMED,
 * CD_TOO_LARGE, CD_NO_MEMORY, with the reason in the form "cardea.yaml:12:3: what is wrong". */
cd_status cd_yaml_parse(struct cd_arena *arena, cd_str text, cd_str file_name, const struct cd_yaml_node **ret,
                        struct cd_error *reterr);

/* A plain scalar that says nothing: empty, "~" or "null". */
bool cd_yaml_is_null(const struct cd_yaml_node *node);
