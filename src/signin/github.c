/* GitHub: its id is the subject, because a login can pass to another person. Organisations, teams and e-mail addresses
 * are asked for only where they decide. */
#include "core/user_details.h"
#include "signin/provider.h"

enum {
        PER_PAGE = 50, /* 100 teams, each with its organisation, are more than CD_JSON_MAX_NODES */
        PAGES_MAX = 20,
        ITEMS_MAX = PER_PAGE * PAGES_MAX,
        PAGE_ARENA = 4 * 1024 * 1024, /* bytes */
};

struct list {
        cd_str *items;
        size_t count;
};

/* What is read of one page after the other. */
struct reading {
        const struct cd_signin_provider *provider;
        struct cd_arena *arena; /* of the result */
        cd_str access_token;
        const char *path; /* below the URL of the user: "orgs" */
        /* False: no memory. */
        bool (*take)(struct reading *reading, const struct cd_json *item);
        struct list list;                  /* of organisations, or teams */
        struct cd_signin_account *account; /* of e-mail addresses */
        bool is_within, is_primary;        /* the address that was taken: in a domain of `allow`, the primary one */
};

static enum cd_signin_failure no_memory(struct cd_error *reterr)
{
        (void)cd_fail(reterr, CD_NO_MEMORY, "no memory for a list of the provider");
        return CD_SIGNIN_UNAVAILABLE;
}

/* *ret_last: there is no further page. */
static enum cd_signin_failure read_page(struct reading *r, struct cd_arena *scratch, int number, bool *ret_last,
                                        struct cd_error *reterr)
{
        const struct cd_json *items;
        cd_str url = cd_arena_printf(scratch, "%.*s/%s?per_page=%d&page=%d",
                                     CD_STR_ARG(r->provider->settings.userinfo_endpoint), r->path, PER_PAGE, number);

        if (!url.ptr)
                return no_memory(reterr);
        enum cd_signin_failure failure = cd_signin_get_json(r->provider, scratch, url, r->access_token, &items, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        if (items->type != CD_JSON_ARRAY) {
                (void)cd_failf(reterr, CD_MALFORMED, CD_STR(""), "the provider's list of %s is no array", r->path);
                return CD_SIGNIN_PROVIDER_ERROR;
        }
        for (const struct cd_json *item = items->child; item; item = item->next)
                if (!r->take(r, item))
                        return no_memory(reterr);
        *ret_last = items->count < PER_PAGE;
        return CD_SIGNIN_OK;
}

static enum cd_signin_failure read_pages(struct reading *r, struct cd_error *reterr)
{
        enum cd_signin_failure failure = CD_SIGNIN_OK;
        bool is_last = false;

        for (int number = 1; number <= PAGES_MAX && !is_last && failure == CD_SIGNIN_OK; number++) {
                struct cd_arena scratch;
                cd_arena_init(&scratch, PAGE_ARENA);
                failure = read_page(r, &scratch, number, &is_last, reterr);
                cd_arena_done(&scratch);
        }
        return failure;
}

static bool add(struct reading *r, cd_str text)
{
        if (!r->list.items)
                r->list.items = cd_arena_calloc(r->arena, ITEMS_MAX, sizeof(*r->list.items));
        if (!r->list.items || !text.ptr)
                return false;
        if (r->list.count < ITEMS_MAX)
                r->list.items[r->list.count++] = text;
        return true;
}

/* One odd entry costs that entry only (LESSONS 36). */
static bool take_organization(struct reading *r, const struct cd_json *item)
{
        cd_str login = cd_signin_text_of(cd_json_find(item, CD_STR("login")));

        return !login.len || add(r, cd_arena_copy(r->arena, login));
}

static bool take_team(struct reading *r, const struct cd_json *item)
{
        cd_str slug = cd_signin_text_of(cd_json_find(item, CD_STR("slug")));
        cd_str owner = cd_signin_text_of(cd_json_find(cd_json_find(item, CD_STR("organization")), CD_STR("login")));

        return !slug.len || !owner.len ||
               add(r, cd_arena_printf(r->arena, "%.*s/%.*s", CD_STR_ARG(owner), CD_STR_ARG(slug)));
}

static bool is_true(const struct cd_json *item, cd_str name)
{
        const struct cd_json *node = cd_json_find(item, name);

        return node && node->type == CD_JSON_BOOL && cd_str_eq(node->text, CD_STR("true"));
}

/* The verified address that lets the user in, or else the primary one. */
static bool take_email(struct reading *r, const struct cd_json *item)
{
        cd_str email = cd_signin_text_of(cd_json_find(item, CD_STR("email")));
        bool is_within = cd_signin_email_is_within(email, r->provider->settings.allow.email_domains);
        bool is_primary = is_true(item, CD_STR("primary"));

        if (!email.len || !is_true(item, CD_STR("verified")) || (r->is_within && !is_within) ||
            (r->is_within == is_within && r->is_primary) || (!is_within && !is_primary))
                return true;
        r->is_within = is_within;
        r->is_primary = is_primary;
        r->account->email = cd_arena_copy(r->arena, email);
        r->account->email_verified = true;
        return r->account->email.ptr != NULL;
}

static bool may_read_emails(const struct cd_signin_provider_settings *settings)
{
        return cd_strs_has(settings->scopes, CD_STR("user:email")) || cd_strs_has(settings->scopes, CD_STR("user"));
}

static enum cd_signin_failure read_lists(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                         const struct cd_signin_tokens *tokens, struct cd_signin_account *account,
                                         struct cd_error *reterr)
{
        const struct cd_signin_provider_settings *settings = &provider->settings;
        struct reading orgs = {
                .provider = provider,
                .arena = arena,
                .access_token = tokens->access_token,
                .path = "orgs",
                .take = take_organization,
                .account = account,
        };
        struct reading teams = orgs, emails = orgs;
        enum cd_signin_failure failure = CD_SIGNIN_OK;

        teams.path = "teams";
        teams.take = take_team;
        emails.path = "emails";
        emails.take = take_email;
        if (settings->allow.organizations.count)
                failure = read_pages(&orgs, reterr);
        if (failure == CD_SIGNIN_OK && settings->allow.teams.count)
                failure = read_pages(&teams, reterr);
        if (failure == CD_SIGNIN_OK &&
            (settings->allow.email_domains.count || (settings->create && may_read_emails(settings))))
                failure = read_pages(&emails, reterr);
        account->organizations = (struct cd_strs){ orgs.list.items, orgs.list.count };
        account->teams = (struct cd_strs){ teams.list.items, teams.list.count };
        return failure;
}

static enum cd_signin_failure identify(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                       const struct cd_signin_tokens *tokens, const struct cd_signin_state *state,
                                       struct cd_signin_account *ret, struct cd_error *reterr)
{
        const struct cd_json *user;

        (void)state;
        enum cd_signin_failure failure = cd_signin_get_json(provider, arena, provider->settings.userinfo_endpoint,
                                                            tokens->access_token, &user, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        /* Not its "email", which the user shows to others and which need not be verified. */
        *ret = (struct cd_signin_account){
                .subject = cd_signin_subject_of(cd_json_find(user, CD_STR("id"))),
                .login = cd_signin_text_of(cd_json_find(user, CD_STR("login"))),
                .name = cd_signin_text_of(cd_json_find(user, CD_STR("name"))),
        };
        if (!ret->subject.len)
                return cd_signin_no_subject(CD_STR("id"), reterr);
        return read_lists(provider, arena, tokens, ret, reterr);
}

const struct cd_signin_kind cd_signin_github = { .identify = identify };
