/* What differs between the configuration and what the provider does. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/streams.h"
#include "cmd/trace.h"

enum {
        CLOCK_MAX = 30, /* seconds: half of what ID tokens are given */
};

static void differs(size_t *count, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void differs(size_t *count, const char *format, ...)
{
        char text[1024];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (!(*count)++) {
                cd_print_line(stdout, "%s", "");
                cd_print_line(stdout, "Differs from the configuration");
        }
        cd_print_line(stdout, "  %s", text);
}

/* ---- the redirect URI ---- */

static void compare_redirect(const struct cd_trace *trace, size_t *count)
{
        const struct cd_trace_seen *seen = &trace->seen;
        cd_str redirect_uri = cd_signin_redirect_uri(trace->provider);

        if (cd_str_eq_c(seen->error, "redirect_uri_mismatch"))
                differs(count,
                        "portal.url: the redirect URI %.*s is not the one that is registered at the provider; register "
                        "exactly this one, or correct portal.url",
                        SHOWN(redirect_uri));
        if (seen->redirect.len)
                differs(count, "portal.url: the browser came back to %.*s, and not to the redirect URI %.*s",
                        SHOWN(seen->redirect), SHOWN(redirect_uri));
}

/* ---- the client ---- */

static bool is_number(cd_str text)
{
        uint64_t number;

        return cd_str_to_u64(text, &number);
}

/* By the forms that these providers give them. */
static bool looks_swapped(const struct cd_signin_provider_settings *s)
{
        static const cd_str ids[] = { CD_STR_INIT("Iv1."), CD_STR_INIT("Iv23"), CD_STR_INIT("Ov23") };

        switch (s->type) {
        case CD_SIGNIN_GITHUB:
                for (size_t i = 0; i < CD_LEN(ids); i++)
                        if (cd_str_has_prefix(s->client_secret, ids[i]))
                                return true;
                return false;
        case CD_SIGNIN_GOOGLE:
                return cd_str_has_suffix(s->client_secret, CD_STR(".apps.googleusercontent.com")) ||
                       cd_str_has_prefix(s->client_id, CD_STR("GOCSPX-"));
        default:
                return is_number(s->client_secret) && !is_number(s->client_id);
        }
}

static void compare_client(const struct cd_trace *trace, size_t *count)
{
        static const cd_str errors[] = { CD_STR_INIT("incorrect_client_credentials"), CD_STR_INIT("invalid_client"),
                                         CD_STR_INIT("unauthorized_client") };
        const struct cd_signin_provider_settings *s = trace->login.settings;
        bool is_swapped = looks_swapped(s);

        if (is_swapped)
                differs(count, "client_id, client_secret: they look swapped; swap them");
        if (is_swapped || !cd_strs_has((struct cd_strs){ errors, CD_LEN(errors) }, trace->seen.error))
                return;
        differs(count,
                "client_secret: the provider does not accept it for the client_id %.*s (%.*s); copy both again from "
                "the page of one application, and compare the fingerprint above with that of \"cardea config show\"",
                SHOWN(s->client_id), SHOWN(trace->seen.error));
}

/* ---- scopes ---- */

/* A scope that another one contains, or that the provider gives back under another name. */
static bool is_covered(cd_str asked, struct cd_strs granted)
{
        static const struct {
                const char *asked, *granted;
        } covers[] = {
                { "read:user", "user" },
                { "user:email", "user" },
                { "user:follow", "user" },
                { "read:org", "write:org" },
                { "read:org", "admin:org" },
                { "write:org", "admin:org" },
                { "public_repo", "repo" },
                { "repo:status", "repo" },
                { "email", "https://www.googleapis.com/auth/userinfo.email" },
                { "profile", "https://www.googleapis.com/auth/userinfo.profile" },
        };

        if (cd_strs_has(granted, asked))
                return true;
        for (size_t i = 0; i < CD_LEN(covers); i++)
                if (cd_str_eq_c(asked, covers[i].asked) && cd_strs_has(granted, cd_str_from_c(covers[i].granted)))
                        return true;
        return false;
}

static struct cd_strs split(struct cd_arena *arena, cd_str text)
{
        cd_str *items = cd_arena_calloc(arena, text.len + 1, sizeof(*items));
        struct cd_strs ret = { items, 0 };
        size_t start = 0;

        for (size_t i = 0; items && i <= text.len; i++) {
                if (i < text.len && text.ptr[i] != ' ' && text.ptr[i] != ',')
                        continue;
                if (i > start)
                        items[ret.count++] = cd_str_slice(text, start, i);
                start = i + 1;
        }
        return ret;
}

/* Without a scope in the answer, all were granted (RFC 6749 §5.1). */
static void compare_scopes(struct cd_trace *trace, size_t *count)
{
        struct cd_strs asked = trace->login.settings->scopes;

        if (!trace->seen.has_scope)
                return;
        struct cd_strs granted = split(&trace->context->arena, trace->seen.scope);
        for (size_t i = 0; i < asked.count; i++)
                if (!is_covered(asked.items[i], granted))
                        differs(count,
                                "scopes: %.*s was asked for, and not granted; the user can refuse it, or the "
                                "application may not ask for it",
                                SHOWN(asked.items[i]));
}

/* ---- endpoints and the clock ---- */

static void compare_endpoints(const struct cd_trace *trace, size_t *count)
{
        const struct cd_signin_trace *login = &trace->login;
        const struct {
                const char *name;
                cd_str configured, found;
        } all[] = {
                { "authorization_endpoint", login->settings->authorization_endpoint, login->found_authorization },
                { "token_endpoint", login->settings->token_endpoint, login->found_token },
                { "userinfo_endpoint", login->settings->userinfo_endpoint, login->found_userinfo },
        };

        for (size_t i = 0; i < CD_LEN(all); i++)
                if (all[i].configured.len && all[i].found.len && !cd_str_eq(all[i].configured, all[i].found))
                        differs(count, "%s: the configuration has %.*s, and the issuer publishes %.*s; leave it out",
                                all[i].name, SHOWN(all[i].configured), SHOWN(all[i].found));
}

static void compare_clock(const struct cd_trace *trace, size_t *count)
{
        int64_t ahead = trace->seen.clock;

        if (trace->seen.has_clock && llabs(ahead) > CLOCK_MAX)
                differs(count, "clock: this machine's clock is %lld s %s the provider's; set it by NTP", llabs(ahead),
                        ahead > 0 ? "behind" : "ahead of");
}

void cd_trace_compare(struct cd_trace *trace)
{
        size_t count = 0;

        compare_redirect(trace, &count);
        compare_client(trace, &count);
        compare_scopes(trace, &count);
        compare_endpoints(trace, &count);
        compare_clock(trace, &count);
        fflush(stdout);
}
