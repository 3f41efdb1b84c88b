#include "unit/portal/samples.h"

#define TEXT(text) (evil.len > 0 ? evil : CD_STR(text))
#define TIME(seconds)                                                                                                  \
        (struct cd_page_time)                                                                                          \
        {                                                                                                              \
                1796000000 + (seconds)                                                                                 \
        }

static struct cd_page_url url(const char *text)
{
        struct cd_page_url ret = { { NULL, 0 } };
        cd_status status = cd_page_url_check(cd_str_from_c(text), &ret);

        return status == CD_OK ? ret : (struct cd_page_url){ { NULL, 0 } };
}

struct cd_page_view sample_view(const struct cd_texts *texts, cd_str evil, struct cd_page_language *languages)
{
        for (size_t i = 0; i < cd_texts_count; i++)
                languages[i] = (struct cd_page_language){ cd_texts[i].tag, cd_texts[i].name,
                                                          url("/_auth/login?ui_locales=xx"), texts == &cd_texts[i] };
        return (struct cd_page_view){
                .texts = texts,
                .site = { TEXT("Example Ltd"), url("/_auth/logo.svg"), TEXT("Questions? Ask Di, extension 42."),
                          url("/_auth"), url("/_auth/styles.css") },
                .csrf = TEXT("0Kx2Zr7b1cYV"),
                .languages = { languages, cd_texts_count },
        };
}

#define SAMPLE(name)                                                                                                   \
        static void name(const struct cd_page_view *view, cd_str evil, struct cd_arena *arena, struct cd_buf *buf)

SAMPLE(login)
{
        (void)arena;
        cd_page_login(view,
                      &(struct cd_page_login){ .return_to = TEXT("https://wiki.example.com/start?a=1&b=2"),
                                               .destination = TEXT("wiki.example.com"),
                                               .username = view->error.id ? TEXT("ana") : TEXT(""),
                                               .may_register = true,
                                               .may_reset = true },
                      buf);
}

SAMPLE(login_code)
{
        (void)arena;
        cd_page_login(view, &(struct cd_page_login){ .username = TEXT("ana"), .code_only = true }, buf);
}

SAMPLE(login_providers)
{
        const struct cd_page_provider providers[] = {
                { TEXT("github"), TEXT("GitHub"), url("/_auth/signin/github?return_to=/wiki") },
                { TEXT("google"), TEXT("Google"), url("/_auth/signin/google?return_to=/wiki") },
        };

        (void)arena;
        cd_page_login(view,
                      &(struct cd_page_login){ .return_to = TEXT("https://wiki.example.com/"),
                                               .destination = TEXT("wiki.example.com"),
                                               .username = TEXT(""),
                                               .may_reset = true,
                                               .providers = { providers, CD_LEN(providers) } },
                      buf);
}

SAMPLE(login_providers_only)
{
        const struct cd_page_provider providers[] = {
                { TEXT("github"), TEXT("GitHub"), url("/_auth/signin/github") },
                { TEXT("google"), TEXT("Google"), url("/_auth/signin/google") },
        };

        (void)arena;
        cd_page_login(view,
                      &(struct cd_page_login){ .no_form = true,
                                               .providers = { providers, CD_LEN(providers) },
                                               .logout_label = TEXT("Google"),
                                               .logout_url = url("https://accounts.example.com/logout") },
                      buf);
}

SAMPLE(signin_failed)
{
        (void)arena;
        cd_page_signin_failed(view,
                              &(struct cd_page_signin_failed){ .provider = TEXT("GitHub"),
                                                               .account = TEXT("octocat"),
                                                               .again = url("/_auth/signin/github"),
                                                               .next = url("/_auth/login"),
                                                               .code = 403,
                                                               .request_id = TEXT("4f7c2a90d1e86b35") },
                              buf);
}

SAMPLE(signin_failed_session)
{
        (void)arena;
        cd_page_signin_failed(
                view,
                &(struct cd_page_signin_failed){
                        .provider = TEXT("GitHub"), .is_logged_in = true, .next = url("/_auth/login"), .code = 409 },
                buf);
}

SAMPLE(signin_go)
{
        (void)arena;
        cd_page_signin_go(view, &(struct cd_page_signin_go){ TEXT("GitHub"), url("/_auth/signin/github/connect") },
                          buf);
}

SAMPLE(signin_traced)
{
        (void)arena;
        cd_page_signin_traced(view, &(struct cd_page_signin_traced){ TEXT("GitHub") }, buf);
}

SAMPLE(forgot)
{
        (void)arena;
        cd_page_forgot(view, &(struct cd_page_forgot){ .username = TEXT("ana"), .keeps_factor = true }, buf);
}

SAMPLE(totp)
{
        (void)arena;
        cd_page_totp(view, &(struct cd_page_totp){ TEXT("ana"), true, true }, buf);
}

SAMPLE(recovery)
{
        (void)arena;
        cd_page_recovery(view, &(struct cd_page_recovery){ TEXT("ana") }, buf);
}

SAMPLE(registration)
{
        (void)arena;
        cd_page_register(view,
                         &(struct cd_page_register){ .username = TEXT("ana"),
                                                     .display_name = TEXT("Ana Lima"),
                                                     .asks_invite = true,
                                                     .invite = TEXT("7KQ2-M4XW"),
                                                     .min_password = 12,
                                                     .username_wrong = view->error.id },
                         buf);
}

SAMPLE(registration_invited)
{
        (void)arena;
        cd_page_register(view,
                         &(struct cd_page_register){ .username = TEXT("ana"),
                                                     .username_fixed = true,
                                                     .min_password = 12,
                                                     .password_wrong = view->error.id },
                         buf);
}

static void enrol(const struct cd_page_view *view, cd_str evil, struct cd_arena *arena, struct cd_buf *buf,
                  bool is_replacement)
{
        cd_str uri = CD_STR("otpauth://totp/Example%20Ltd:ana?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
                            "&issuer=Example%20Ltd");
        struct cd_page_register_totp fields = { .username = TEXT("ana"),
                                                .action = url("/_auth/register/totp"),
                                                .is_replacement = is_replacement };

        if (cd_page_qr_make(arena, evil.len > 0 ? evil : uri, &fields.qr) != CD_OK ||
            cd_page_url_check_otpauth(uri, &fields.otpauth) != CD_OK)
                return;
        fields.secret = evil.len > 0 ? evil : cd_page_group_by_four(arena, CD_STR("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"));
        cd_page_register_totp(view, &fields, buf);
}

SAMPLE(register_totp)
{
        enrol(view, evil, arena, buf, false);
}

SAMPLE(replace_totp)
{
        enrol(view, evil, arena, buf, true);
}

SAMPLE(replace_totp_code)
{
        (void)arena;
        cd_page_replace_totp(view, &(struct cd_page_replace_totp){ TEXT("ana") }, buf);
}

SAMPLE(recovery_codes)
{
        const struct cd_page_code codes[] = { { TEXT("h7k2-9qxm") }, { TEXT("w3ra-5tzc") }, { TEXT("m8vd-2pye") },
                                              { TEXT("c4nf-7bgs") }, { TEXT("t9xk-3jwh") }, { TEXT("r2qm-8dya") },
                                              { TEXT("z5gb-4xke") }, { TEXT("e7wt-6cnr") }, { TEXT("k3ph-9mvf") },
                                              { TEXT("y8sd-2zqj") } };

        (void)arena;
        cd_page_recovery_codes(view,
                               &(struct cd_page_recovery_codes){
                                       { codes, CD_LEN(codes) }, TEXT("h7k2-9qxm w3ra-5tzc"), url("/_auth/") },
                               buf);
}

SAMPLE(account)
{
        const struct cd_page_session sessions[] = {
                { TEXT("s1"), TEXT("Firefox (Linux)"), TEXT("192.0.2.17"), TIME(0), TIME(36000), true },
                { TEXT("s2"), TEXT("Safari (iPhone)"), TEXT("2001:db8:85a3::8a2e:370:7334"), TIME(-900000), TIME(-4000),
                  false },
        };
        const struct cd_page_link sites[] = { { TEXT("wiki.example.com"), url("https://wiki.example.com/") },
                                              { TEXT("grafana.example.com"), url("https://grafana.example.com/") } };
        const struct cd_page_account_link accounts[] = {
                { TEXT("github"), TEXT("583231"), TEXT("GitHub"), TEXT("octocat"), TIME(-86400) },
                { TEXT("osu"), TEXT("124493"), TEXT("osu!"), TEXT("a name with spaces"), { 0 } },
        };
        const struct cd_page_provider providers[] = { { TEXT("google"), TEXT("Google"), url("/_auth/signin/google") } };

        (void)arena;
        cd_page_account(view,
                        &(struct cd_page_account){ .username = TEXT("ana"),
                                                   .has_accounts = true,
                                                   .accounts = { accounts, CD_LEN(accounts) },
                                                   .providers = { providers, CD_LEN(providers) },
                                                   .display_name = TEXT("Ana Lima"),
                                                   .email = TEXT("ana@example.com"),
                                                   .email_unverified = true,
                                                   .has_own_factors = true,
                                                   .has_password = true,
                                                   .has_totp = true,
                                                   .recovery_codes = 7,
                                                   .sessions = { sessions, CD_LEN(sessions) },
                                                   .has_other_sessions = true,
                                                   .sites = { sites, CD_LEN(sites) } },
                        buf);
}

SAMPLE(account_small)
{
        (void)arena;
        cd_page_account(view,
                        &(struct cd_page_account){ .username = TEXT("ana"), .has_own_factors = true, .has_totp = true },
                        buf);
}

static void list_tokens(const struct cd_page_view *view, cd_str evil, struct cd_buf *buf, bool may_make)
{
        const struct cd_page_token tokens[] = {
                { .id = TEXT("3f9ab2740c51de86"),
                  .name = TEXT("Backup of the wiki"),
                  .hosts = TEXT("wiki.example.com, *.lab.example.com"),
                  .paths = TEXT("/api/"),
                  .methods = TEXT("GET, HEAD"),
                  .networks = TEXT("10.0.0.0/8, 2001:db8::/32"),
                  .created = TIME(-9000000),
                  .used = TIME(-600),
                  .expires = TIME(7000000),
                  .address = TEXT("2001:db8:85a3::8a2e:370:7334") },
                { .id = TEXT("c0de77105a4b9e12"),
                  .name = TEXT("git on the laptop"),
                  .created = TIME(-90000),
                  .expires = TIME(30000000) },
        };

        cd_page_tokens(view,
                       &(struct cd_page_tokens){ .tokens = { tokens, CD_LEN(tokens) },
                                                 .may_make = may_make,
                                                 .name = view->error.id ? TEXT("Backup of the wiki") : TEXT(""),
                                                 .days = TEXT("90"),
                                                 .hosts = view->error.id ? TEXT("https://wiki") : TEXT(""),
                                                 .max_days = 365,
                                                 .hosts_wrong = view->error.id },
                       buf);
}

SAMPLE(tokens)
{
        (void)arena;
        list_tokens(view, evil, buf, true);
}

SAMPLE(tokens_old_login)
{
        (void)arena;
        list_tokens(view, evil, buf, false);
}

SAMPLE(tokens_full)
{
        (void)arena;
        cd_page_tokens(view, &(struct cd_page_tokens){ .is_full = true, .name = TEXT("x") }, buf);
}

SAMPLE(token_made)
{
        (void)arena;
        cd_page_token_made(
                view,
                &(struct cd_page_token_made){
                        .username = TEXT("ana"),
                        .name = TEXT("Backup of the wiki"),
                        .token = TEXT("cdp_b4mJ0s1Z3k5mQ7rT9vXyB2dF4hK6nP8qS0uW2yA5cE7gI9lN1oR3tV5xZ7bD9fH1j"),
                        .example = TEXT("https://wiki.example.com/"),
                        .expires = TIME(7000000) },
                buf);
}

SAMPLE(password)
{
        (void)arena;
        cd_page_password(view,
                         &(struct cd_page_password){
                                 .username = TEXT("ana"), .min_password = 12, .current_wrong = view->error.id },
                         buf);
}

SAMPLE(password_reset)
{
        (void)arena;
        cd_page_password(
                view,
                &(struct cd_page_password){
                        .username = TEXT("ana"), .is_reset = true, .min_password = 12, .new_wrong = view->error.id },
                buf);
}

SAMPLE(log_out)
{
        (void)arena;
        cd_page_logout(view, &(struct cd_page_logout){ TEXT("ana"), TEXT("https://wiki.example.com/") }, buf);
}

SAMPLE(forbidden)
{
        (void)arena;
        cd_page_forbidden(view,
                          &(struct cd_page_forbidden){ TEXT("ana"), TEXT("grafana.example.com"),
                                                       TEXT("https://grafana.example.com/") },
                          buf);
}

SAMPLE(failure)
{
        (void)arena;
        cd_page_error(view, &(struct cd_page_error){ 503, TEXT("4f1c9a7e"), url("/_auth/") }, buf);
}

SAMPLE(gate_lost_post)
{
        (void)arena;
        cd_page_gate(view,
                     &(struct cd_page_gate){ .code = 401,
                                             .heading = { CD_MESSAGE_GATE_LOST_POST, 0 },
                                             .reason = { CD_MESSAGE_GATE_LOST_POST_WHY, 0 },
                                             .route = TEXT("wiki.example.com"),
                                             .login = url("https://auth.example.com/_auth/login"),
                                             .request_id = TEXT("4f1c9a7e") },
                     buf);
}

SAMPLE(gate_cross_site_post)
{
        (void)arena;
        cd_page_gate(view,
                     &(struct cd_page_gate){ .code = 401,
                                             .heading = { CD_MESSAGE_GATE_CROSS_SITE_POST, 0 },
                                             .reason = { CD_MESSAGE_GATE_CROSS_SITE_POST_WHY, 0 },
                                             .route = TEXT("tools.example.com/old/"),
                                             .instead = url("/old/"),
                                             .request_id = TEXT("4f1c9a7e") },
                     buf);
}

SAMPLE(gate_maintenance)
{
        (void)arena;
        cd_page_gate(view,
                     &(struct cd_page_gate){ .code = 503,
                                             .heading = { CD_MESSAGE_GATE_MAINTENANCE, 0 },
                                             .reason = { CD_MESSAGE_GATE_MAINTENANCE_WHY, 0 },
                                             .route = TEXT("wiki.example.com"),
                                             .text = TEXT("The wiki moves to a new server; back at 14:00."),
                                             .again = url("/start?a=1"),
                                             .request_id = TEXT("4f1c9a7e") },
                     buf);
}

SAMPLE(gate_connect)
{
        (void)arena;
        cd_page_gate(view,
                     &(struct cd_page_gate){ .code = 403,
                                             .heading = { CD_MESSAGE_GATE_CONNECT, 0 },
                                             .reason = { CD_MESSAGE_GATE_CONNECT_WHY, 0 },
                                             .route = TEXT("commits.example.com"),
                                             .provider = TEXT("github"),
                                             .account = url("https://auth.example.com/_auth/"),
                                             .request_id = TEXT("4f1c9a7e") },
                     buf);
}

static void write_gate_page(const struct cd_page_view *view, cd_str evil, int64_t code, enum cd_message heading,
                            enum cd_message reason, struct cd_buf *buf)
{
        cd_page_gate(view,
                     &(struct cd_page_gate){ .code = code,
                                             .heading = { heading, 0 },
                                             .reason = { reason, 0 },
                                             .route = TEXT("grafana.example.com"),
                                             .again = code >= 500 ? url("/d/1") : (struct cd_page_url){ { NULL, 0 } },
                                             .request_id = TEXT("0198c6f2a4b17d5e9c3f0a8b6d2e4f71") },
                     buf);
}

#define GATE_SAMPLE(name, code, message)                                                                               \
        SAMPLE(name)                                                                                                   \
        {                                                                                                              \
                (void)arena;                                                                                           \
                write_gate_page(view, evil, code, CD_MESSAGE_GATE_##message, CD_MESSAGE_GATE_##message##_WHY, buf);    \
        }
GATE_SAMPLE(gate_forbidden, 403, FORBIDDEN)
GATE_SAMPLE(gate_not_found, 404, NOT_FOUND)
GATE_SAMPLE(gate_too_large, 413, TOO_LARGE)
GATE_SAMPLE(gate_too_many, 429, TOO_MANY)
GATE_SAMPLE(gate_bad_gateway, 502, BAD_GATEWAY)
GATE_SAMPLE(gate_unavailable, 503, UNAVAILABLE)
GATE_SAMPLE(gate_timeout, 504, TIMEOUT)
GATE_SAMPLE(gate_provider, 503, PROVIDER)

SAMPLE(step_up)
{
        (void)arena;
        cd_page_step_up(view,
                        &(struct cd_page_step_up){ .username = TEXT("ana"),
                                                   .return_to = TEXT("https://grafana.example.com/admin"),
                                                   .destination = TEXT("grafana.example.com"),
                                                   .asks_password = true,
                                                   .asks_code = true },
                        buf);
}

SAMPLE(step_up_providers)
{
        const struct cd_page_provider providers[] = {
                { TEXT("github"), TEXT("GitHub"), url("/_auth/signin/github?again=1") },
        };

        (void)arena;
        cd_page_step_up(view,
                        &(struct cd_page_step_up){ .destination = TEXT("grafana.example.com"),
                                                   .providers = { providers, CD_LEN(providers) } },
                        buf);
}

SAMPLE(cookie)
{
        (void)arena;
        cd_page_cookie(view,
                       &(struct cd_page_cookie){ TEXT("cardea"),
                                                 TEXT("wiki.example.com"),
                                                 TEXT("example.org"),
                                                 { CD_MESSAGE_COOKIE_OTHER_HOST, 0 },
                                                 url("/_auth/login") },
                       buf);
}

const struct sample samples[] = {
        { "login", login, CD_MESSAGE_WRONG_PASSWORD, 0, 0 },
        { "login-code", login_code, CD_MESSAGE_TOO_MANY_ATTEMPTS, CD_MESSAGE_LOGGED_OUT, 5 },
        { "login-providers", login_providers, CD_MESSAGE_WRONG_PASSWORD, 0, 0 },
        { "login-providers-only", login_providers_only, 0, CD_MESSAGE_LOGGED_OUT, 0 },
        { "signin-failed", signin_failed, CD_MESSAGE_SIGNIN_NOT_ALLOWED, 0, 0 },
        { "signin-failed-session", signin_failed_session, CD_MESSAGE_SIGNIN_LINKED_ELSEWHERE, 0, 0 },
        { "signin-go", signin_go, 0, 0, 0 },
        { "signin-traced", signin_traced, 0, 0, 0 },
        { "forgot", forgot, CD_MESSAGE_FIELD_MISSING, CD_MESSAGE_RESET_SENT, 0 },
        { "totp", totp, CD_MESSAGE_WRONG_CODE, 0, 0 },
        { "recovery", recovery, CD_MESSAGE_WRONG_RECOVERY_CODE, 0, 0 },
        { "register", registration, CD_MESSAGE_NAME_TAKEN, 0, 0 },
        { "register-invited", registration_invited, CD_MESSAGE_PASSWORD_TOO_SHORT, 0, 12 },
        { "register-totp", register_totp, CD_MESSAGE_WRONG_CODE, 0, 0 },
        { "replace-totp", replace_totp, CD_MESSAGE_WRONG_CODE, CD_MESSAGE_RECOVERED, 0 },
        { "replace-totp-code", replace_totp_code, CD_MESSAGE_WRONG_CODE, 0, 0 },
        { "recovery-codes", recovery_codes, 0, 0, 0 },
        { "account", account, 0, CD_MESSAGE_SESSION_ENDED, 0 },
        { "account-small", account_small, 0, 0, 0 },
        { "tokens", tokens, CD_MESSAGE_TOKEN_HOSTS_INVALID, CD_MESSAGE_TOKEN_REVOKED, 16 },
        { "tokens-old-login", tokens_old_login, 0, 0, 0 },
        { "tokens-full", tokens_full, CD_MESSAGE_TOO_MANY_TOKENS, 0, 30 },
        { "token-made", token_made, 0, 0, 0 },
        { "password", password, CD_MESSAGE_WRONG_OLD_PASSWORD, 0, 0 },
        { "password-reset", password_reset, CD_MESSAGE_PASSWORD_TOO_SHORT, 0, 12 },
        { "logout", log_out, 0, 0, 0 },
        { "forbidden", forbidden, 0, 0, 0 },
        { "error", failure, CD_MESSAGE_UNAVAILABLE, 0, 0 },
        { "gate-lost-post", gate_lost_post, 0, 0, 0 },
        { "gate-cross-site-post", gate_cross_site_post, 0, 0, 0 },
        { "gate-forbidden", gate_forbidden, 0, 0, 0 },
        { "gate-not-found", gate_not_found, 0, 0, 0 },
        { "gate-too-large", gate_too_large, 0, 0, 0 },
        { "gate-too-many", gate_too_many, 0, 0, 0 },
        { "gate-bad-gateway", gate_bad_gateway, 0, 0, 0 },
        { "gate-unavailable", gate_unavailable, 0, 0, 0 },
        { "gate-timeout", gate_timeout, 0, 0, 0 },
        { "gate-maintenance", gate_maintenance, 0, 0, 0 },
        { "gate-connect", gate_connect, 0, 0, 0 },
        { "gate-provider", gate_provider, 0, 0, 0 },
        { "step-up", step_up, CD_MESSAGE_WRONG_CODE, CD_MESSAGE_LOG_IN_AGAIN, 0 },
        { "step-up-providers", step_up_providers, 0, CD_MESSAGE_LOG_IN_AGAIN, 0 },
        { "cookie", cookie, 0, 0, 0 },
};
const size_t sample_count = CD_LEN(samples);
