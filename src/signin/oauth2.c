/* Who has logged in, as a provider of OAuth 2.0 says at its own endpoint: osu!, Discord, and any other whose answer the
 * configuration maps. */
#include "core/provider_ports.h"
#include "signin/provider.h"

static const struct cd_signin_identity *identity_of(const struct cd_signin_provider *provider)
{
        static const struct cd_signin_identity osu = { .subject = CD_STR_INIT("id"),
                                                       .login = CD_STR_INIT("username"),
                                                       .name = CD_STR_INIT("username") };
        static const struct cd_signin_identity discord = { .subject = CD_STR_INIT("id"),
                                                           .login = CD_STR_INIT("username"),
                                                           .name = CD_STR_INIT("global_name"),
                                                           .email = CD_STR_INIT("email"),
                                                           .email_verified = CD_STR_INIT("verified") };

        switch (provider->settings.type) {
        case CD_SIGNIN_OSU:
                return &osu;
        case CD_SIGNIN_DISCORD:
                return &discord;
        default:
                return &provider->settings.identity;
        }
}

/* The member at a path such as "data.user.id"; NULL: there is none. */
static const struct cd_json *find(const struct cd_json *object, cd_str path)
{
        const struct cd_json *node = path.len ? object : NULL;
        cd_str name;

        while (node && cd_str_take_until(&path, '.', &name))
                node = cd_json_find(node, name);
        return node;
}

cd_str cd_signin_text_of(const struct cd_json *node)
{
        bool is_fit = node && node->type == CD_JSON_STRING && node->text.len <= CD_PROVIDER_SUBJECT_MAX &&
                      cd_str_is_utf8(node->text) && !cd_str_has_control(node->text);

        return is_fit ? node->text : CD_STR("");
}

/* Never by way of a double, which has 53 bits. */
cd_str cd_signin_subject_of(const struct cd_json *node)
{
        int64_t id;

        if (node && node->type == CD_JSON_NUMBER)
                return cd_json_int64(node, &id) && id > 0 ? node->text : CD_STR("");
        return cd_signin_text_of(node);
}

enum cd_signin_failure cd_signin_no_subject(cd_str member, struct cd_error *reterr)
{
        (void)cd_failf(reterr, CD_MALFORMED, CD_STR(""),
                       "the provider's answer has no \"%.*s\" that is a text or a positive whole number",
                       CD_STR_ARG(cd_str_slice(member, 0, 100)));
        return CD_SIGNIN_PROVIDER_ERROR;
}

/* osu! keeps restricted accounts, and lets them log in. */
static enum cd_signin_failure check_restricted(const struct cd_json *me, struct cd_error *reterr)
{
        const struct cd_json *restricted = cd_json_find(me, CD_STR("is_restricted"));

        if (!restricted || restricted->type != CD_JSON_BOOL) {
                (void)cd_fail(reterr, CD_MALFORMED, "the provider's answer does not say is_restricted");
                return CD_SIGNIN_PROVIDER_ERROR;
        }
        if (cd_str_eq(restricted->text, CD_STR("false")))
                return CD_SIGNIN_OK;
        (void)cd_fail(reterr, CD_INVALID_GRANT, "the account is restricted at osu!");
        return CD_SIGNIN_NOT_ALLOWED;
}

static enum cd_signin_failure identify(const struct cd_signin_provider *provider, struct cd_arena *arena,
                                       const struct cd_signin_tokens *tokens, const struct cd_signin_state *state,
                                       struct cd_signin_account *ret, struct cd_error *reterr)
{
        const struct cd_signin_identity *identity = identity_of(provider);
        const struct cd_json *me, *verified;

        (void)state;
        enum cd_signin_failure failure = cd_signin_get_json(provider, arena, provider->settings.userinfo_endpoint,
                                                            tokens->access_token, &me, reterr);
        if (failure != CD_SIGNIN_OK)
                return failure;
        verified = find(me, identity->email_verified);
        *ret = (struct cd_signin_account){
                .subject = cd_signin_subject_of(find(me, identity->subject)),
                .login = cd_signin_text_of(find(me, identity->login)),
                .name = cd_signin_text_of(find(me, identity->name)),
                .email = cd_signin_text_of(find(me, identity->email)),
                .email_verified =
                        verified && verified->type == CD_JSON_BOOL && cd_str_eq(verified->text, CD_STR("true")),
        };
        if (!ret->subject.len)
                return cd_signin_no_subject(identity->subject, reterr);
        return provider->settings.type == CD_SIGNIN_OSU ? check_restricted(me, reterr) : CD_SIGNIN_OK;
}

const struct cd_signin_kind cd_signin_oauth2 = { .identify = identify };
