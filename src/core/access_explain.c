/* Describes a decision in words. */
#include "base/buf.h"
#include "core/access.h"
#include "core/oauth/scope.h"

enum {
        LIST_SHOWN = 400,  /* bytes of a list's items; further items are omitted */
        METHOD_SHOWN = 40, /* bytes */
        TEXT_MAX = 2048,
};

const char *cd_access_outcome_name(enum cd_access_outcome outcome)
{
        static const char *const names[] = {
                [CD_ACCESS_DENY] = "deny",
                [CD_ACCESS_LOG_IN] = "log in",
                [CD_ACCESS_STEP_UP] = "step up",
                [CD_ACCESS_ALLOW] = "allow",
        };

        return names[outcome];
}

static void add_list(struct cd_buf *to, struct cd_strs list)
{
        size_t shown = 0;

        for (size_t i = 0; i < list.count; i++) {
                shown += list.items[i].len;
                if (shown > LIST_SHOWN) {
                        cd_buf_printf(to, " and %zu more", list.count - i);
                        return;
                }
                if (i)
                        cd_buf_add(to, CD_STR(", "));
                cd_buf_add(to, list.items[i]);
        }
}

/* "8h" if that is exact, otherwise the largest exact unit. */
static void add_age(struct cd_buf *to, int64_t seconds)
{
        if (seconds % 3600 == 0)
                cd_buf_printf(to, "%lldh", (long long)(seconds / 3600));
        else if (seconds % 60 == 0)
                cd_buf_printf(to, "%lldm", (long long)(seconds / 60));
        else
                cd_buf_printf(to, "%llds", (long long)seconds);
}

static void explain_method(struct cd_buf *to, const struct cd_access_rule *rule,
                           const struct cd_access_request *request)
{
        cd_buf_add_safe(to, cd_str_slice(request->method, 0, METHOD_SHOWN));
        cd_buf_add(to, request->method.len ? CD_STR(" is none of the rule's methods (")
                                           : CD_STR("the method is not known, and the rule has some ("));
        add_list(to, rule->methods);
        cd_buf_add_char(to, ')');
}

static void explain_network(struct cd_buf *to, const struct cd_access_request *request)
{
        char text[CD_ADDRESS_TEXT_MAX];

        if (request->address)
                cd_buf_printf(to, "%.*s is in none of the rule's networks",
                              (int)cd_address_format(request->address, text), text);
        else
                cd_buf_add(to, CD_STR("the client's address is not known, and the rule has networks"));
}

static void explain_user(struct cd_buf *to, const struct cd_access_allow *allow, const struct cd_access_login *login)
{
        cd_buf_printf(to, "user %.*s is ", CD_STR_ARG(login->user));
        if (allow->users.count)
                cd_buf_add(to, CD_STR("none of the rule's users"));
        if (allow->users.count && allow->groups.count)
                cd_buf_add(to, CD_STR(" and "));
        if (!allow->groups.count)
                return;
        cd_buf_add(to, CD_STR("in none of its groups ("));
        add_list(to, allow->groups);
        cd_buf_add_char(to, ')');
}

static void explain_age(struct cd_buf *to, const struct cd_access_allow *allow, const struct cd_access_request *request)
{
        cd_time age = request->now - request->login->auth_time;

        if (age < 0) {
                cd_buf_add(to, CD_STR("the login is later than now: a clock was set back"));
                return;
        }
        cd_buf_add(to, CD_STR("the login is "));
        add_age(to, age);
        cd_buf_add(to, CD_STR(" old, and the rule accepts "));
        add_age(to, allow->max_age);
}

/* Which of the rule's conditions matches this user. */
static void explain_login(struct cd_buf *to, const struct cd_access_allow *allow, const struct cd_access_login *login)
{
        cd_buf_printf(to, "user %.*s", CD_STR_ARG(login->user));
        if (!allow->users.count && !allow->groups.count) {
                cd_buf_add(to, CD_STR(" is logged in"));
                return;
        }
        if (cd_strs_has(allow->users, login->user)) {
                cd_buf_add(to, CD_STR(" is one of the rule's users"));
                return;
        }
        for (size_t i = 0; i < login->groups.count; i++)
                if (cd_strs_has(allow->groups, login->groups.items[i])) {
                        cd_buf_printf(to, " is in the group %.*s", CD_STR_ARG(login->groups.items[i]));
                        return;
                }
}

static void explain_scope(struct cd_buf *to, const struct cd_access_bearer *bearer, const struct cd_access_token *token)
{
        cd_str rest = bearer->scope, word;

        while (cd_str_take_word(&rest, &word))
                if (!cd_scope_has(token->scope, word))
                        return cd_buf_printf(to, "the access token does not have the scope %.*s", CD_STR_ARG(word));
}

/* Why the token of the request does not count. */
static void explain_token(struct cd_buf *to, const struct cd_access_bearer *bearer, const struct cd_access_token *token)
{
        if (!token)
                cd_buf_add(to, CD_STR("there is no valid access token"));
        else if (!cd_str_eq(token->audience, bearer->audience))
                cd_buf_printf(to, "the access token is for another audience than %.*s", CD_STR_ARG(bearer->audience));
        else
                explain_scope(to, bearer, token);
}

static void explain_no_login(struct cd_buf *to, const struct cd_access_bearer *bearer,
                             const struct cd_access_token *token)
{
        cd_buf_add(to, CD_STR("nobody is logged in"));
        if (!bearer->audience.len)
                return;
        cd_buf_add(to, CD_STR(", and "));
        explain_token(to, bearer, token);
}

static void explain(struct cd_buf *to, const struct cd_access_rule *rule, const struct cd_access_request *request,
                    enum cd_access_reason reason)
{
        switch (reason) {
        case CD_ACCESS_BY_NO_RULE:
                return cd_buf_add(to, CD_STR("no rule has this host and path"));
        case CD_ACCESS_BY_PATH:
                return cd_buf_add(to, CD_STR("the path is not canonical, and rules of this host name paths"));
        case CD_ACCESS_BY_METHOD:
                return explain_method(to, rule, request);
        case CD_ACCESS_BY_NOBODY:
                return cd_buf_add(to, CD_STR("the rule allows nobody"));
        case CD_ACCESS_BY_NETWORK:
                return explain_network(to, request);
        case CD_ACCESS_BY_NO_LOGIN:
                return explain_no_login(to, &rule->bearer, request->token);
        case CD_ACCESS_BY_NO_TOKEN:
                return cd_buf_add(to, CD_STR("the rule accepts access tokens only, and there is no valid one"));
        case CD_ACCESS_BY_AUDIENCE:
        case CD_ACCESS_BY_SCOPE:
                return explain_token(to, &rule->bearer, request->token);
        case CD_ACCESS_BY_USER:
                return explain_user(to, &rule->allow, request->login);
        case CD_ACCESS_BY_FACTORS:
                return cd_buf_printf(to, "the login has %u factor%s, and the rule needs %u", request->login->factors,
                                     request->login->factors == 1 ? "" : "s", rule->allow.factors);
        case CD_ACCESS_BY_AGE:
                return explain_age(to, &rule->allow, request);
        case CD_ACCESS_BY_PUBLIC:
                return cd_buf_add(to, CD_STR("the path is public"));
        case CD_ACCESS_BY_LOGIN:
                return explain_login(to, &rule->allow, request->login);
        case CD_ACCESS_BY_TOKEN:
                return cd_buf_add(to, CD_STR("the access token has the audience and the scope of the rule"));
        }
}

cd_str cd_access_explain(struct cd_arena *arena, const struct cd_access *access,
                         const struct cd_access_request *request, const struct cd_access_decision *decision)
{
        const struct cd_access_rule *rule =
                decision->rule == CD_ACCESS_NO_RULE ? NULL : cd_access_rule_at(access, decision->rule);
        cd_str text = { 0 };
        struct cd_buf buf;

        cd_buf_init(&buf, arena, TEXT_MAX);
        explain(&buf, rule, request, decision->reason);
        return cd_buf_view(&buf, &text) == CD_OK ? text : (cd_str){ 0 };
}
