/* cardea user list and show. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/user.h"
#include "cmd/context.h"
#include "core/admin_users.h"
#include "core/lockout.h"
#include "core/second_factor.h"
#include "core/user_name.h"

enum {
        PAGE = 500,          /* users read at a time */
        JSON_MAX = 64 * 1024 /* bytes of one user as JSON */
};

/* The form of a stored password, as displayed: "argon2id", "bcrypt" …; "none": the user has no password. */
static cd_str hash_form(cd_str stored)
{
        static const struct {
                cd_str prefix, name;
        } forms[] = {
                { CD_STR_INIT("$argon2id$"), CD_STR_INIT("argon2id") }, { CD_STR_INIT("$2"), CD_STR_INIT("bcrypt") },
                { CD_STR_INIT("$6$"), CD_STR_INIT("sha512-crypt") },    { CD_STR_INIT("$y$"), CD_STR_INIT("yescrypt") },
                { CD_STR_INIT("$blake2b$"), CD_STR_INIT("blake2b") },
        };

        for (size_t i = 0; i < CD_LEN(forms); i++)
                if (cd_str_has_prefix(stored, forms[i].prefix))
                        return forms[i].name;
        return cd_password_is_none(stored) ? CD_STR("none") : CD_STR("unknown");
}

static cd_str or_dash(cd_str text)
{
        return text.len ? text : CD_STR("-");
}

/* What a user has besides the password. */
struct second_factor {
        bool has_totp, is_locked; /* locked: by too many wrong codes, until an operator enables the user */
        size_t codes;             /* recovery codes that are not used */
        struct cd_provider_accounts accounts;
};

/* Whether a login needs nothing but a code, so that too many wrong ones lock the account. */
static bool needs_code_alone(const struct cd_context *context)
{
        struct cd_strs factors = context->admin.config.portal.factors;

        return factors.count == 1 && cd_str_eq(factors.items[0], CD_STR("totp"));
}

static cd_status find_factor(const struct cd_context *context, struct cd_arena *arena, cd_str user,
                             struct second_factor *ret, struct cd_error *reterr)
{
        struct cd_store *store = context->by.store;
        struct cd_totp_factor totp;

        *ret = (struct second_factor){ 0 };
        cd_status status = store->provider_accounts->list(store, arena, user, &ret->accounts, reterr);
        if (status != CD_OK)
                return status;
        status = store->totp->find(store, arena, user, &totp, reterr);
        if (status == CD_NOT_FOUND)
                return CD_OK;
        ret->has_totp = status == CD_OK;
        ret->is_locked = status == CD_OK && needs_code_alone(context) && totp.failures >= CD_TOTP_FAILURES_MAX;
        return status == CD_OK ? store->recovery->count(store, user, &ret->codes, reterr) : status;
}

static cd_str yes_or_no(bool yes)
{
        return yes ? CD_STR("yes") : CD_STR("no");
}

/* Decides whether a user is locked, as a server would that knows only what the store knows. */
struct locks {
        struct cd_lockout *lockout;
        cd_time now;
};

static void close_locks(struct locks *locks)
{
        cd_lockout_free(locks->lockout);
}

static cd_status open_locks(const struct cd_context *context, struct locks *ret, struct cd_error *reterr)
{
        const struct cd_lockout_rules rules = cd_config_lockout_rules(&context->admin.config);

        ret->now = context->by.clock->now(context->by.clock);
        return cd_lockout_new(&rules, context->by.random, &ret->lockout, reterr);
}

/* When the user may try again; 0: now. */
static cd_time locked_until(const struct locks *locks, const struct cd_user *user)
{
        const struct cd_lockout_subject subject = {
                .kind = CD_LOCKOUT_ACCOUNT,
                .key = user->name,
                .failures = user->failures,
                .failed_at = user->failed_at,
        };
        struct cd_error err = { 0 };

        if (!user->failures)
                return 0;
        if (cd_lockout_begin(locks->lockout, &subject, locks->now, &err) != CD_OK)
                return locks->now + err.retry_after;
        cd_lockout_end(locks->lockout, &subject, CD_LOCKOUT_UNJUDGED, locks->now);
        return 0;
}

static cd_str state_of(struct cd_arena *arena, const struct locks *locks, const struct cd_user *user,
                       const struct second_factor *factor)
{
        cd_time until = locked_until(locks, user);

        if (user->disabled)
                return CD_STR("disabled");
        if (factor->is_locked)
                return CD_STR("locked until enabled");
        return until ? cd_arena_printf(arena, "locked until %.*s", CD_STR_ARG(cd_time_text(arena, until)))
                     : CD_STR("active");
}

/* One word, for JSON. */
static const char *state_name(const struct locks *locks, const struct cd_user *user, const struct second_factor *factor)
{
        if (user->disabled)
                return "disabled";
        return factor->is_locked || locked_until(locks, user) ? "locked" : "active";
}

static cd_status write_again(struct cd_arena *arena, cd_str claims, cd_str *ret, struct cd_error *reterr)
{
        const struct cd_json *object = NULL;
        struct cd_buf buf;

        cd_status status =
                cd_json_parse(arena, claims.len ? claims : CD_STR("{}"), CD_JSON_UNIQUE_NAMES, &object, reterr);
        if (status != CD_OK)
                return status;
        if (object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_INVALID_REQUEST, "not a JSON object");
        cd_buf_init(&buf, arena, JSON_MAX);
        cd_json_write(object, &buf);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory, or too long");
}

bool cd_cmd_user_check_claims(const char *command, struct cd_arena *arena, struct cd_user *user)
{
        struct cd_error err = { 0 };

        if (write_again(arena, user->claims, &user->claims, &err) == CD_OK)
                return true;
        cd_print_line(stderr, "cardea %s: user %.*s: the claims %s: %s%s", command, CD_STR_ARG(user->name),
                      err.status == CD_NO_MEMORY ? "cannot be written" : "in the store are damaged", err.reason,
                      err.status == CD_NO_MEMORY ? "" : "; correct that row of the table users");
        return false;
}

static void add_text_or_null(struct cd_buf *buf, const char *name, cd_str text)
{
        if (text.len)
                cd_json_add_str(buf, name, text);
        else
                cd_buf_printf(buf, ",\"%s\":null", name);
}

static void add_accounts(struct cd_buf *buf, const struct cd_provider_accounts *accounts)
{
        cd_buf_add(buf, CD_STR(",\"accounts\":["));
        for (size_t i = 0; i < accounts->count; i++) {
                const struct cd_provider_account *account = &accounts->items[i];
                cd_buf_add(buf, i ? CD_STR(",{\"provider\":") : CD_STR("{\"provider\":"));
                cd_buf_add_json(buf, account->provider);
                cd_json_add_str(buf, "subject", account->subject);
                add_text_or_null(buf, "login", account->login);
                cd_json_add_time(buf, "linked_at", account->linked_at);
                cd_json_add_time(buf, "last_login_at", account->last_login_at);
                cd_buf_add_char(buf, '}');
        }
        cd_buf_add_char(buf, ']');
}

/* Everything but the hash. */
static bool print_json(const struct locks *locks, const struct cd_user *user, const struct second_factor *factor)
{
        struct cd_buf buf;

        cd_json_begin(&buf, JSON_MAX, "name", user->name);
        add_text_or_null(&buf, "display_name", user->display_name);
        add_text_or_null(&buf, "email", user->email);
        cd_buf_add(&buf,
                   user->email_verified ? CD_STR(",\"email_verified\":true") : CD_STR(",\"email_verified\":false"));
        cd_json_add_strs(&buf, "groups", &user->groups);
        cd_buf_add(&buf, user->disabled ? CD_STR(",\"disabled\":true") : CD_STR(",\"disabled\":false"));
        cd_json_add_str(&buf, "state", cd_str_from_c(state_name(locks, user, factor)));
        cd_buf_add(&buf, CD_STR(",\"claims\":"));
        cd_buf_add(&buf, user->claims);
        cd_json_add_str(&buf, "password_form", hash_form(user->password));
        cd_buf_printf(&buf, ",\"totp\":%s,\"recovery_codes\":%zu", factor->has_totp ? "true" : "false", factor->codes);
        add_accounts(&buf, &factor->accounts);
        cd_json_add_time(&buf, "created_at", user->created_at);
        cd_json_add_time(&buf, "changed_at", user->changed_at);
        cd_json_add_time(&buf, "password_at", user->password_at);
        cd_json_add_time(&buf, "last_login_at", user->last_login_at);
        cd_buf_printf(&buf, ",\"failures\":%lld", (long long)user->failures);
        cd_json_add_time(&buf, "failed_at", user->failed_at);
        cd_json_add_time(&buf, "locked_until", locked_until(locks, user));
        return cd_json_end(&buf);
}

struct look_ask {
        const char *name;
        bool json, locked;
};

/* --- list --------------------------------------------------------------------------------------------------------- */

static const char *const columns[] = { "NAME", "STATE", "EMAIL", "GROUPS", "TOTP", "LAST LOGIN", "CHANGED", "CLAIMS" };

static bool print_row(struct cd_text_table *table, struct cd_arena *arena, const struct locks *locks,
                      const struct cd_user *user, const struct second_factor *factor)
{
        const cd_str cells[CD_LEN(columns)] = {
                user->name,
                state_of(arena, locks, user, factor),
                or_dash(user->email),
                cd_list_text(arena, &user->groups),
                yes_or_no(factor->has_totp),
                cd_time_text(arena, user->last_login_at),
                cd_time_text(arena, user->changed_at),
                user->claims,
        };

        if (!table)
                return print_json(locks, user, factor);
        cd_text_table_add(table, cells);
        return true;
}

/* What is printed of the users, and how. */
struct printing {
        const struct cd_context *context;
        const struct look_ask *ask;
        struct cd_text_table *table;
        struct locks locks;
        bool is_damaged; /* the claims of a user are, who was left out */
};

static cd_status print_one(struct printing *p, struct cd_arena *arena, struct cd_user *user, struct cd_error *reterr)
{
        struct second_factor factor;

        cd_status status = find_factor(p->context, arena, user->name, &factor, reterr);
        if (status != CD_OK)
                return status;
        if (p->ask->locked && strcmp(state_name(&p->locks, user, &factor), "locked") != 0)
                return CD_OK;
        if (p->ask->json && !cd_cmd_user_check_claims(p->context->command, arena, user)) {
                p->is_damaged = true;
                return CD_OK;
        }
        if (print_row(p->ask->json ? NULL : p->table, arena, &p->locks, user, &factor))
                return CD_OK;
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a user");
}

/* Reads, prints and frees one page after the other. A user with damaged claims does not affect other users. */
static cd_status print_pages(struct printing *p, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena page_arena;
        struct cd_store *store = p->context->by.store;
        char after[CD_USER_NAME_MAX + 1];
        cd_str last = CD_STR("");
        struct cd_users_page page;

        cd_arena_init(&page_arena, CD_CONTEXT_ARENA);
        cd_status status = open_locks(p->context, &p->locks, reterr);
        if (status != CD_OK)
                return status;
        do {
                cd_arena_reset(&page_arena);
                status = store->users->list(store, &page_arena, last, PAGE, &page, reterr);
                for (size_t i = 0; status == CD_OK && i < page.count; i++)
                        status = print_one(p, &page_arena, &page.items[i], reterr);
                if (status != CD_OK)
                        return status;
                if (page.count) {
                        snprintf(after, sizeof(after), "%.*s", CD_STR_ARG(page.items[page.count - 1].name));
                        last = cd_str_from_c(after);
                }
        } while (page.count == PAGE);
        return CD_OK;
}

static int list_users(struct cd_context *context, void *ask)
{
        const struct look_ask *look = ask;
        struct cd_error err = { 0 };
        struct cd_text_table table;
        struct printing printing = { .context = context, .ask = look, .table = &table };

        cd_text_table_init(&table, columns, CD_LEN(columns));
        cd_status status = print_pages(&printing, &err);
        close_locks(&printing.locks);
        if (look->json)
                table.has_begun = true; /* no heading without rows */
        if (!cd_text_table_end(&table) && status == CD_OK)
                status = cd_fail(&err, CD_NO_MEMORY, "no memory for the list");
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        return printing.is_damaged ? CD_EXIT_FAILED : CD_EXIT_OK;
}

static const struct cd_option list_options[] = {
        CD_FLAG(struct look_ask, locked, "--locked", 0,
                "only users who are locked after too many wrong passwords or codes, by what the store knows"),
        CD_FLAG(struct look_ask, json, "--json", 0, "print one JSON object per line"),
        { 0 },
};

const struct cd_command cd_cmd_user_list = {
        .name = "list",
        .summary = "list all users",
        .about = "Prints all users, sorted by name. Times are UTC. A user is active, disabled, or \"locked until\" a "
                 "time "
                 "after too many wrong passwords, by what the store knows, or \"locked until enabled\" after too many "
                 "wrong codes. TOTP says whether there is a second factor. "
                 "Memory use does not grow with the number of users.",
        .examples = "cardea user list\ncardea user list --locked",
        .options = list_options,
        .ask_size = sizeof(struct look_ask),
        .act = list_users,
};

/* --- show --------------------------------------------------------------------------------------------------------- */

/* "github 583231 (octocat), osu 2"; "-" where there is none. */
static cd_str accounts_text(struct cd_arena *arena, const struct cd_provider_accounts *accounts)
{
        cd_str text = CD_STR("");

        for (size_t i = 0; i < accounts->count; i++) {
                const struct cd_provider_account *account = &accounts->items[i];
                bool has_login = account->login.len > 0;
                text = cd_arena_printf(arena, "%.*s%s%.*s %.*s%s%.*s%s", CD_STR_ARG(text), i ? ", " : "",
                                       CD_STR_ARG(account->provider), CD_STR_ARG(account->subject),
                                       has_login ? " (" : "", CD_STR_ARG(account->login), has_login ? ")" : "");
        }
        return or_dash(text);
}

static void print_user(struct cd_arena *arena, const struct locks *locks, const struct cd_user *user,
                       const struct second_factor *factor)
{
        const struct cd_detail details[] = {
                { "name", user->name },
                { "state", state_of(arena, locks, user, factor) },
                { "display name", or_dash(user->display_name) },
                { "email", user->email.len ? cd_arena_printf(arena, "%.*s (%s)", CD_STR_ARG(user->email),
                                                             user->email_verified ? "verified" : "not verified")
                                           : CD_STR("-") },
                { "groups", cd_list_text(arena, &user->groups) },
                { "claims", user->claims },
                { "created", cd_time_text(arena, user->created_at) },
                { "changed", cd_time_text(arena, user->changed_at) },
                { "password", cd_arena_printf(arena, "%.*s, since %.*s", CD_STR_ARG(hash_form(user->password)),
                                              CD_STR_ARG(cd_time_text(arena, user->password_at))) },
                { "totp", factor->has_totp ? cd_arena_printf(arena, "yes, unused recovery codes: %zu", factor->codes)
                                           : CD_STR("no") },
                { "accounts", accounts_text(arena, &factor->accounts) },
                { "last login", cd_time_text(arena, user->last_login_at) },
                { "failures", user->failures ? cd_arena_printf(arena, "%lld, last %.*s", (long long)user->failures,
                                                               CD_STR_ARG(cd_time_text(arena, user->failed_at)))
                                             : CD_STR("0") },
        };

        cd_print_details(arena, details, CD_LEN(details));
}

static int show_user(struct cd_context *context, void *p)
{
        const struct look_ask *look = p;
        __attribute__((cleanup(close_locks))) struct locks locks = { 0 };
        struct cd_error err = { 0 };
        struct second_factor factor;
        struct cd_user user;

        if (open_locks(context, &locks, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (cd_admin_user_find(&context->by, &context->arena, cd_str_from_c(look->name), &user, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (find_factor(context, &context->arena, user.name, &factor, &err) != CD_OK)
                return cd_context_fail(context->command, &err);
        if (look->json && !cd_cmd_user_check_claims(context->command, &context->arena, &user))
                return CD_EXIT_FAILED;
        if (look->json)
                return print_json(&locks, &user, &factor) ? CD_EXIT_OK : CD_EXIT_FAILED;
        print_user(&context->arena, &locks, &user, &factor);
        return CD_EXIT_OK;
}

static const struct cd_argument show_arguments[] = {
        { .metavar = "NAME", .offset = offsetof(struct look_ask, name), .help = "the user", .names = CD_NAMES_USER },
        { 0 },
};

static const struct cd_option show_options[] = {
        CD_FLAG(struct look_ask, json, "--json", 0, "print a JSON object"),
        { 0 },
};

const struct cd_command cd_cmd_user_show = {
        .name = "show",
        .summary = "show one user",
        .about =
                "Prints the state (active, disabled, or locked and until when), the display name, the e-mail address, "
                "the groups, the claims and the times (UTC) of the user, the number of wrong passwords since the last "
                "correct one, how the password is stored, whether there is a second factor (totp), how many recovery "
                "codes are not used yet, and the accounts at other providers with which the user logs in. The password "
                "hash is not shown.",
        .examples = "cardea user show alice",
        .exit_codes = "3 the user does not exist",
        .arguments = show_arguments,
        .options = show_options,
        .ask_size = sizeof(struct look_ask),
        .act = show_user,
};
