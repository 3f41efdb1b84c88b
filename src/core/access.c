#include "core/access.h"

#include <stdlib.h>

#include "base/map.h"
#include "core/oauth/scope.h"
#include "core/ports.h"

enum {
        ARENA_CEILING = 64 * 1024 * 1024
};

/* A rule in the list for its host, in the order given. */
struct entry {
        cd_str path; /* the rule's path, so that a search reads nothing else */
        const struct cd_access_rule *rule;
        size_t index;
        struct entry *next;
};

struct host {
        struct entry *first, *last;
        size_t count;
        bool names_path; /* one of its rules names a path */
};

struct cd_access {
        struct cd_arena arena;
        struct cd_access_rule *rules;
        cd_str *names; /* of the hosts that rules name exactly */
        size_t name_count;
        bool has_wildcards;
        struct cd_map *hosts; /* struct host by "wiki.example.com" or, for "*.example.com", by ".example.com" */
};

const struct cd_access_rule *cd_access_rule_at(const struct cd_access *access, size_t index)
{
        return &access->rules[index];
}

struct cd_strs cd_access_hosts(const struct cd_access *access)
{
        return (struct cd_strs){ access->names, access->name_count };
}

/* ---- building ---- */

static cd_status fail_memory(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the access rules");
}

static bool copy_text(struct cd_arena *arena, cd_str *text)
{
        if (text->len)
                *text = cd_arena_copy(arena, *text);
        return !text->len || text->ptr;
}

static bool copy_texts(struct cd_arena *arena, struct cd_strs *list)
{
        cd_str *items = cd_arena_calloc(arena, list->count + 1, sizeof(*items));

        for (size_t i = 0; items && i < list->count; i++) {
                items[i] = cd_arena_copy(arena, list->items[i]);
                if (!items[i].ptr)
                        return false;
        }
        list->items = items;
        return items != NULL;
}

static bool copy_networks(struct cd_arena *arena, struct cd_access_allow *allow)
{
        struct cd_network *networks = cd_arena_calloc(arena, allow->network_count + 1, sizeof(*networks));

        if (networks && allow->network_count)
                memcpy(networks, allow->networks, allow->network_count * sizeof(*networks));
        allow->networks = networks;
        return networks != NULL;
}

static bool copy_rule(struct cd_arena *arena, const struct cd_access_rule *from, struct cd_access_rule *to)
{
        *to = *from;
        return copy_text(arena, &to->host) && copy_text(arena, &to->path) && copy_texts(arena, &to->methods) &&
               copy_texts(arena, &to->public_paths) && copy_texts(arena, &to->allow.users) &&
               copy_texts(arena, &to->allow.groups) && copy_networks(arena, &to->allow) &&
               copy_text(arena, &to->bearer.audience) && copy_text(arena, &to->bearer.scope);
}

static bool is_wildcard(cd_str host)
{
        return cd_str_has_prefix(host, CD_STR("*."));
}

static cd_str key_of(cd_str host)
{
        return is_wildcard(host) ? cd_str_slice(host, 1, host.len) : host;
}

static struct host *add_host(struct cd_access *access, cd_str key)
{
        struct host *host = cd_map_find(access->hosts, key);

        if (host)
                return host;
        host = CD_NEW(&access->arena, struct host);
        return host && cd_map_add(access->hosts, key, host) == CD_OK ? host : NULL;
}

static cd_status index_rule(struct cd_access *access, size_t index, struct cd_error *reterr)
{
        const struct cd_access_rule *rule = &access->rules[index];
        struct host *host = add_host(access, key_of(rule->host));
        struct entry *entry = CD_NEW(&access->arena, struct entry);

        if (!host || !entry)
                return fail_memory(reterr);
        if (host->count++ == CD_ACCESS_HOST_RULES_MAX)
                return cd_failf(reterr, CD_TOO_LARGE, CD_STR("access"), "has more than %d rules of the host %.*s",
                                CD_ACCESS_HOST_RULES_MAX, CD_STR_ARG(rule->host));
        if (host->count == 1 && !is_wildcard(rule->host))
                access->names[access->name_count++] = rule->host;
        *entry = (struct entry){ .path = rule->path, .rule = rule, .index = index };
        if (host->last)
                host->last->next = entry;
        else
                host->first = entry;
        host->last = entry;
        access->has_wildcards |= is_wildcard(rule->host);
        host->names_path |= rule->path.len || rule->public_paths.count;
        return CD_OK;
}

static cd_status fill(struct cd_access *access, const struct cd_access_rule *rules, size_t count,
                      struct cd_error *reterr)
{
        cd_arena_init(&access->arena, ARENA_CEILING);
        access->hosts = cd_map_new();
        access->rules = cd_arena_calloc(&access->arena, count + 1, sizeof(*rules));
        access->names = cd_arena_calloc(&access->arena, count + 1, sizeof(*access->names));
        if (!access->hosts || !access->rules || !access->names)
                return fail_memory(reterr);
        for (size_t i = 0; i < count; i++) {
                if (!copy_rule(&access->arena, &rules[i], &access->rules[i]))
                        return fail_memory(reterr);
                cd_status status = index_rule(access, i, reterr);
                if (status != CD_OK)
                        return status;
        }
        return CD_OK;
}

cd_status cd_access_new(const struct cd_access_rule *rules, size_t count, struct cd_access **ret,
                        struct cd_error *reterr)
{
        if (count > CD_ACCESS_RULES_MAX)
                return cd_failf(reterr, CD_TOO_LARGE, CD_STR("access"), "has more than %d rules", CD_ACCESS_RULES_MAX);

        struct cd_access *access = calloc(1, sizeof(*access));
        if (!access)
                return fail_memory(reterr);
        cd_status status = fill(access, rules, count, reterr);
        if (status == CD_OK)
                *ret = access;
        else
                cd_access_free(access);
        return status;
}

void cd_access_free(struct cd_access *access)
{
        if (!access)
                return;
        cd_map_free(access->hosts);
        cd_arena_done(&access->arena);
        free(access);
}

/* ---- finding the rule ---- */

bool cd_access_path_matches(cd_str pattern, cd_str path)
{
        if (!pattern.len)
                return true;
        if (!path.ptr)
                return false;
        return pattern.ptr[pattern.len - 1] == '/' ? cd_str_has_prefix(path, pattern) : cd_str_eq(path, pattern);
}

/* The result for a host: the first rule that matches the path, and whether any rule names a path. */
struct match {
        const struct entry *first;
        bool names_path;
};

static void match_key(const struct cd_access *access, cd_str key, cd_str path, struct match *match)
{
        const struct host *host = cd_map_find(access->hosts, key);
        const struct entry *entry = host ? host->first : NULL;

        match->names_path |= host && host->names_path;
        while (entry && !cd_access_path_matches(entry->path, path))
                entry = entry->next;
        if (entry && (!match->first || entry->index < match->first->index))
                match->first = entry;
}

/* Looks up the rules for the host itself, and for each domain above it: for "a.b.c" the keys "a.b.c", ".b.c" and ".c".
 * `host` may be the key of a wildcard. */
static struct match match_rules(const struct cd_access *access, cd_str host, cd_str path)
{
        struct match match = { 0 };
        cd_str rest = host;

        match_key(access, host, path, &match);
        while (access->has_wildcards && rest.len > 1) {
                size_t dot = 1 + cd_str_index(cd_str_slice(rest, 1, rest.len), '.');
                rest = cd_str_slice(rest, dot, rest.len);
                if (rest.len)
                        match_key(access, rest, path, &match);
        }
        return match;
}

bool cd_access_names_host(const struct cd_access *access, cd_str host)
{
        return host.len && host.ptr[0] != '.' && cd_map_find(access->hosts, host);
}

size_t cd_access_first_of_host(const struct cd_access *access, cd_str host)
{
        cd_str rest = host.len && host.ptr[0] == '.' ? CD_STR("") : host;
        size_t first = CD_ACCESS_NO_RULE;

        while (rest.len) {
                const struct host *found = cd_map_find(access->hosts, rest);
                if (found && found->first->index < first)
                        first = found->first->index;
                if (!access->has_wildcards)
                        break;
                size_t dot = 1 + cd_str_index(cd_str_slice(rest, 1, rest.len), '.');
                rest = cd_str_slice(rest, dot, rest.len);
        }
        return first;
}

size_t cd_access_covered_by(const struct cd_access *access, size_t rule)
{
        const struct cd_access_rule *of = &access->rules[rule];
        /* A path that begins with the whole prefix is matched by every rule that matches the prefix. */
        struct match match = match_rules(access, key_of(of->host), of->path.len ? of->path : (cd_str){ 0 });

        return match.first && match.first->index < rule ? match.first->index : CD_ACCESS_NO_RULE;
}

/* ---- deciding ---- */

static bool is_public(const struct cd_access_rule *rule, cd_str path)
{
        for (size_t i = 0; i < rule->public_paths.count; i++)
                if (cd_access_path_matches(rule->public_paths.items[i], path))
                        return true;
        return rule->is_public;
}

static bool has_user(const struct cd_access_allow *allow, const struct cd_access_login *login)
{
        if (!allow->users.count && !allow->groups.count)
                return true;
        if (cd_strs_has(allow->users, login->user))
                return true;
        for (size_t i = 0; i < login->groups.count; i++)
                if (cd_strs_has(allow->groups, login->groups.items[i]))
                        return true;
        return false;
}

/* Also true if the login is later than now by more than clocks may differ, because its age is then unknown. */
static bool is_too_old(const struct cd_access_allow *allow, cd_time auth_time, cd_time now)
{
        return allow->max_age && (now - auth_time > allow->max_age || auth_time - now > CD_CLOCKS_DIFFER_MAX);
}

static void judge_login(const struct cd_access_allow *allow, const struct cd_access_request *request,
                        struct cd_access_decision *decision)
{
        const struct cd_access_login *login = request->login;

        if (!login) {
                decision->outcome = CD_ACCESS_LOG_IN;
                decision->reason = CD_ACCESS_BY_NO_LOGIN;
        } else if (!has_user(allow, login)) {
                decision->reason = CD_ACCESS_BY_USER;
        } else if (login->factors < allow->factors) {
                decision->outcome = CD_ACCESS_STEP_UP;
                decision->reason = CD_ACCESS_BY_FACTORS;
        } else if (is_too_old(allow, login->auth_time, request->now)) {
                decision->outcome = CD_ACCESS_STEP_UP;
                decision->reason = CD_ACCESS_BY_AGE;
        } else {
                decision->outcome = CD_ACCESS_ALLOW;
                decision->reason = CD_ACCESS_BY_LOGIN;
        }
}

/* CD_ACCESS_BY_TOKEN, or why the token does not count. */
static enum cd_access_reason judge_token(const struct cd_access_bearer *bearer, const struct cd_access_token *token)
{
        cd_str rest = bearer->scope, word;

        if (!bearer->audience.len || !token)
                return CD_ACCESS_BY_NO_TOKEN;
        if (!cd_str_eq(token->audience, bearer->audience))
                return CD_ACCESS_BY_AUDIENCE;
        while (cd_str_take_word(&rest, &word))
                if (!cd_scope_has(token->scope, word))
                        return CD_ACCESS_BY_SCOPE;
        return CD_ACCESS_BY_TOKEN;
}

static void judge(const struct cd_access_rule *rule, const struct cd_access_request *request,
                  struct cd_access_decision *decision)
{
        const struct cd_access_allow *allow = &rule->allow;
        enum cd_access_reason by_token = judge_token(&rule->bearer, request->token);

        if (rule->methods.count && (!request->method.len || !cd_strs_has(rule->methods, request->method))) {
                decision->reason = CD_ACCESS_BY_METHOD;
        } else if (is_public(rule, request->path)) {
                decision->outcome = CD_ACCESS_ALLOW;
                decision->reason = CD_ACCESS_BY_PUBLIC;
        } else if (!allow->is_given && !rule->bearer.audience.len) {
                decision->reason = CD_ACCESS_BY_NOBODY;
        } else if (allow->network_count &&
                   (!request->address || !cd_networks_have(allow->networks, allow->network_count, request->address))) {
                decision->reason = CD_ACCESS_BY_NETWORK; /* before the login, which would not help */
        } else if (by_token == CD_ACCESS_BY_TOKEN) {
                decision->outcome = CD_ACCESS_ALLOW;
                decision->reason = by_token;
        } else if (!allow->is_given) {
                decision->reason = by_token;
        } else {
                judge_login(allow, request, decision);
        }
}

struct cd_access_decision cd_access_decide(const struct cd_access *access, const struct cd_access_request *request)
{
        struct cd_access_decision decision = { .outcome = CD_ACCESS_DENY, .rule = CD_ACCESS_NO_RULE };
        struct match match = match_rules(access, request->host, request->path);

        if (match.names_path && !request->path.ptr) {
                decision.reason = CD_ACCESS_BY_PATH;
        } else if (match.first) {
                decision.rule = match.first->index;
                decision.factors_needed = match.first->rule->allow.factors;
                decision.max_age = match.first->rule->allow.max_age;
                judge(match.first->rule, request, &decision);
        }
        return decision;
}
