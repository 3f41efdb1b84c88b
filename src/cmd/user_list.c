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

/* What is shown of a user. */
struct listed {
        struct cd_user user;
        struct cd_provider_accounts accounts;
        int64_t codes;        /* recovery codes that are not used */
        bool has_totp;        /* a second factor */
        bool needs_enabling;  /* locked by too many wrong codes, until an operator enables the user */
        cd_time locked_until; /* 0: not locked by wrong passwords */
        cd_str state, hash_form;
};

/* Whether a login needs nothing but a code, so that too many wrong ones lock the account. */
static bool needs_code_alone(const struct cd_context *context)
{
        struct cd_strs factors = context->admin.config.portal.factors;

        return factors.count == 1 && cd_str_eq(factors.items[0], CD_STR("totp"));
}

static cd_status find_factors(const struct cd_context *context, struct cd_arena *arena, struct listed *listed,
                              struct cd_error *reterr)
{
        struct cd_store *store = context->by.store;
        struct cd_totp_factor totp;
        size_t codes = 0;

        cd_status status = store->provider_accounts->list(store, arena, listed->user.name, &listed->accounts, reterr);
        if (status != CD_OK)
                return status;
        status = store->totp->find(store, arena, listed->user.name, &totp, reterr);
        if (status == CD_NOT_FOUND)
                return CD_OK;
        listed->has_totp = status == CD_OK;
        listed->needs_enabling = status == CD_OK && needs_code_alone(context) && totp.failures >= CD_TOTP_FAILURES_MAX;
        if (status == CD_OK)
                status = store->recovery->count(store, listed->user.name, &codes, reterr);
        listed->codes = (int64_t)codes;
        return status;
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

/* Looks up what else is shown of listed->user. */
static cd_status complete(const struct cd_context *context, struct cd_arena *arena, const struct locks *locks,
                          struct listed *listed, struct cd_error *reterr)
{
        cd_status status = find_factors(context, arena, listed, reterr);

        listed->hash_form = hash_form(listed->user.password);
        listed->locked_until = locked_until(locks, &listed->user);
        bool is_locked = listed->needs_enabling || listed->locked_until;
        listed->state = listed->user.disabled ? CD_STR("disabled") : is_locked ? CD_STR("locked") : CD_STR("active");
        return status;
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

/* --- what is shown ------------------------------------------------------------------------------------------------ */

static cd_str describe_state(struct cd_arena *arena, const void *item)
{
        const struct listed *listed = item;

        if (!cd_str_eq(listed->state, CD_STR("locked")))
                return listed->state;
        if (listed->needs_enabling)
                return CD_STR("locked until enabled");
        return cd_arena_printf(arena, "locked until %.*s", CD_STR_ARG(cd_time_text(arena, listed->locked_until)));
}

static cd_str describe_email(struct cd_arena *arena, const void *item)
{
        const struct cd_user *user = &((const struct listed *)item)->user;

        return user->email.len ? cd_arena_printf(arena, "%.*s (%s)", CD_STR_ARG(user->email),
                                                 user->email_verified ? "verified" : "not verified")
                               : CD_STR("");
}

static cd_str describe_password(struct cd_arena *arena, const void *item)
{
        const struct listed *listed = item;

        return cd_arena_printf(arena, "%.*s, since %.*s", CD_STR_ARG(listed->hash_form),
                               CD_STR_ARG(cd_time_text(arena, listed->user.password_at)));
}

static cd_str describe_totp(struct cd_arena *arena, const void *item)
{
        const struct listed *listed = item;

        return listed->has_totp ? cd_arena_printf(arena, "yes, unused recovery codes: %lld", (long long)listed->codes)
                                : CD_STR("no");
}

static cd_str describe_failures(struct cd_arena *arena, const void *item)
{
        const struct cd_user *user = &((const struct listed *)item)->user;

        return user->failures ? cd_arena_printf(arena, "%lld, last %.*s", (long long)user->failures,
                                                CD_STR_ARG(cd_time_text(arena, user->failed_at)))
                              : CD_STR("0");
}

/* "github 583231 (octocat), osu 2" */
static cd_str describe_accounts(struct cd_arena *arena, const void *item)
{
        const struct cd_provider_accounts *accounts = &((const struct listed *)item)->accounts;
        cd_str text = CD_STR("");

        for (size_t i = 0; i < accounts->count; i++) {
                const struct cd_provider_account *account = &accounts->items[i];
                bool has_login = account->login.len > 0;
                text = cd_arena_printf(arena, "%.*s%s%.*s %.*s%s%.*s%s", CD_STR_ARG(text), i ? ", " : "",
                                       CD_STR_ARG(account->provider), CD_STR_ARG(account->subject),
                                       has_login ? " (" : "", CD_STR_ARG(account->login), has_login ? ")" : "");
        }
        return text;
}

static void write_accounts(struct cd_buf *buf, const void *item)
{
        const struct cd_provider_accounts *accounts = &((const struct listed *)item)->accounts;

        cd_buf_add_char(buf, '[');
        for (size_t i = 0; i < accounts->count; i++) {
                const struct cd_provider_account *account = &accounts->items[i];
                cd_buf_add(buf, i ? CD_STR(",{") : CD_STR("{"));
                cd_json_add_str(buf, "provider", account->provider);
                cd_json_add_str(buf, "subject", account->subject);
                cd_json_add_str_or_null(buf, "login", account->login);
                cd_json_add_time(buf, "linked_at", account->linked_at);
                cd_json_add_time(buf, "last_login_at", account->last_login_at);
                cd_buf_add_char(buf, '}');
        }
        cd_buf_add_char(buf, ']');
}

/* Everything but the hash. */
static const struct cd_column columns[] = {
        CD_COLUMN("name", "NAME", "name", TEXT, struct listed, user.name),
        { .title = "STATE", .detail = "state", .text = describe_state },
        CD_COLUMN("display_name", NULL, "display name", TEXT_OR_NULL, struct listed, user.display_name),
        CD_COLUMN("email", "EMAIL", NULL, TEXT_OR_NULL, struct listed, user.email),
        { .detail = "email", .text = describe_email },
        CD_COLUMN("email_verified", NULL, NULL, FLAG, struct listed, user.email_verified),
        CD_COLUMN("groups", "GROUPS", "groups", LIST, struct listed, user.groups),
        CD_COLUMN("disabled", NULL, NULL, FLAG, struct listed, user.disabled),
        CD_COLUMN("state", NULL, NULL, TEXT, struct listed, state),
        CD_COLUMN("claims", NULL, "claims", JSON, struct listed, user.claims),
        CD_COLUMN(NULL, NULL, "created", TIME, struct listed, user.created_at),
        CD_COLUMN(NULL, NULL, "changed", TIME, struct listed, user.changed_at),
        CD_COLUMN("password_form", NULL, NULL, TEXT, struct listed, hash_form),
        { .detail = "password", .text = describe_password },
        CD_COLUMN("totp", "TOTP", NULL, FLAG, struct listed, has_totp),
        CD_COLUMN("recovery_codes", NULL, NULL, NUMBER, struct listed, codes),
        { .detail = "totp", .text = describe_totp },
        { .json = "accounts", .detail = "accounts", .text = describe_accounts, .write = write_accounts },
        CD_COLUMN("created_at", NULL, NULL, TIME, struct listed, user.created_at),
        CD_COLUMN("changed_at", NULL, NULL, TIME, struct listed, user.changed_at),
        CD_COLUMN("password_at", NULL, NULL, TIME, struct listed, user.password_at),
        CD_COLUMN("last_login_at", "LAST LOGIN", "last login", TIME, struct listed, user.last_login_at),
        CD_COLUMN("failures", NULL, NULL, NUMBER, struct listed, user.failures),
        CD_COLUMN("failed_at", NULL, NULL, TIME, struct listed, user.failed_at),
        { .detail = "failures", .text = describe_failures },
        CD_COLUMN("locked_until", NULL, NULL, TIME, struct listed, locked_until),
        CD_COLUMN(NULL, "CHANGED", NULL, TIME, struct listed, user.changed_at),
        CD_COLUMN(NULL, "CLAIMS", NULL, TEXT, struct listed, user.claims),
        { 0 },
};

struct look_ask {
        const char *name; /* cd_cmd_user_argument */
        bool json, locked;
};

/* --- list --------------------------------------------------------------------------------------------------------- */

/* What is printed of the users, and how. */
struct printing {
        const struct cd_context *context;
        const struct look_ask *ask;
        struct cd_list list;
        struct locks locks;
        bool is_damaged; /* the claims of a user are, who was left out */
};

/* A user with damaged claims does not affect other users. */
static cd_status print_one(void *arg, struct cd_arena *arena, struct cd_user *user, struct cd_error *reterr)
{
        struct printing *p = arg;
        struct listed listed = { .user = *user };

        cd_status status = complete(p->context, arena, &p->locks, &listed, reterr);
        if (status != CD_OK || (p->ask->locked && !cd_str_eq(listed.state, CD_STR("locked"))))
                return status;
        if (p->ask->json && !cd_cmd_user_check_claims(p->context->command, arena, &listed.user))
                p->is_damaged = true;
        else
                cd_list_add(&p->list, &listed);
        return CD_OK;
}

cd_status cd_cmd_users_walk(const struct cd_context *context, cd_cmd_user_fn *take, void *arg, struct cd_error *reterr)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_store *store = context->by.store;
        char after[CD_USER_NAME_MAX + 1] = "";
        struct cd_users_page page;

        cd_arena_init(&arena, CD_CONTEXT_ARENA);
        do {
                cd_arena_reset(&arena);
                cd_status status = store->users->list(store, &arena, cd_str_from_c(after), PAGE, &page, reterr);
                for (size_t i = 0; status == CD_OK && i < page.count; i++)
                        status = take(arg, &arena, &page.items[i], reterr);
                if (status != CD_OK)
                        return status;
                if (page.count)
                        snprintf(after, sizeof(after), "%.*s", CD_STR_ARG(page.items[page.count - 1].name));
        } while (page.count == PAGE && !cd_output_error());
        return CD_OK;
}

static int list_users(struct cd_context *context, void *ask)
{
        const struct look_ask *look = ask;
        struct cd_error err = { 0 };
        struct printing printing = { .context = context, .ask = look };

        cd_list_begin(&printing.list, columns, look->json);
        cd_status status = open_locks(context, &printing.locks, &err);
        if (status == CD_OK)
                status = cd_cmd_users_walk(context, print_one, &printing, &err);
        close_locks(&printing.locks);
        if (!cd_list_end(&printing.list) && status == CD_OK)
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
                 "time after too many wrong passwords, by what the store knows, or \"locked until enabled\" after too "
                 "many wrong codes. TOTP says whether there is a second factor. Memory use does not grow with the "
                 "number of users.",
        .examples = "cardea user list\ncardea user list --locked",
        .options = list_options,
        .ask_size = sizeof(struct look_ask),
        .act = list_users,
};

/* --- show --------------------------------------------------------------------------------------------------------- */

static int show_user(struct cd_context *context, void *p)
{
        const struct look_ask *look = p;
        __attribute__((cleanup(close_locks))) struct locks locks = { 0 };
        struct listed listed = { 0 };
        struct cd_error err = { 0 };

        cd_status status = open_locks(context, &locks, &err);
        if (status == CD_OK)
                status = cd_admin_user_find(&context->by, &context->arena, cd_str_from_c(look->name), &listed.user,
                                            &err);
        if (status == CD_OK)
                status = complete(context, &context->arena, &locks, &listed, &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        if (look->json && !cd_cmd_user_check_claims(context->command, &context->arena, &listed.user))
                return CD_EXIT_FAILED;
        return cd_item_print(columns, &listed, look->json) ? CD_EXIT_OK : CD_EXIT_FAILED;
}

const struct cd_argument cd_cmd_user_argument[] = {
        { "NAME", 0, .help = "the user", .names = CD_NAMES_USER },
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
        .arguments = cd_cmd_user_argument,
        .options = show_options,
        .ask_size = sizeof(struct look_ask),
        .act = show_user,
};
