#include "app/config_identity.h"

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct cd_config_identity, member), .type = CD_FIELD_##kind,       \
                __VA_ARGS__                                                                                            \
        }

enum {
        NAME_MAX_LEN = 64, /* bytes */
};

static const char *const preset_names[] = { "remote", "x-auth-request", "x-forwarded-user", NULL };
static const struct cd_identity_headers presets[] = {
        { CD_STR_INIT("Remote-User"), CD_STR_INIT("Remote-Groups"), CD_STR_INIT("Remote-Email"),
          CD_STR_INIT("Remote-Name") },
        { CD_STR_INIT("X-Auth-Request-User"), CD_STR_INIT("X-Auth-Request-Groups"), CD_STR_INIT("X-Auth-Request-Email"),
          CD_STR_INIT("X-Auth-Request-Name") },
        { CD_STR_INIT("X-Forwarded-User"), CD_STR_INIT("X-Forwarded-Groups"), CD_STR_INIT("X-Forwarded-Email"),
          CD_STR_INIT("X-Forwarded-Name") },
};

/* Letters, digits and hyphens: servers of the CGI kind read "_" as "-", and other characters of a token in ways of
 * their own (LESSONS 4). */
static bool is_name(cd_str name)
{
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i], lower = (char)(c | 0x20);
                if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-')
                        return false;
        }
        return name.len > 0;
}

/* Headers that mean something to the proxy, the browser or the check itself. */
static bool has_other_meaning(cd_str name)
{
        static const cd_str names[] = {
                CD_STR_INIT("Authorization"),
                CD_STR_INIT("Cache-Control"),
                CD_STR_INIT("Cardea-Identity"),
                CD_STR_INIT("Connection"),
                CD_STR_INIT("Cookie"),
                CD_STR_INIT("Date"),
                CD_STR_INIT("Expect"),
                CD_STR_INIT("Forwarded"),
                CD_STR_INIT("Host"),
                CD_STR_INIT("Keep-Alive"),
                CD_STR_INIT("Location"),
                CD_STR_INIT("Origin"),
                CD_STR_INIT("Pragma"),
                CD_STR_INIT("Retry-After"),
                CD_STR_INIT("Server"),
                CD_STR_INIT("Set-Cookie"),
                CD_STR_INIT("TE"),
                CD_STR_INIT("Traceparent"),
                CD_STR_INIT("Tracestate"),
                CD_STR_INIT("Trailer"),
                CD_STR_INIT("Transfer-Encoding"),
                CD_STR_INIT("Upgrade"),
                CD_STR_INIT("Via"),
                CD_STR_INIT("WWW-Authenticate"),
                CD_STR_INIT("X-Api-Key"),
                CD_STR_INIT("X-Forwarded-For"),
                CD_STR_INIT("X-Forwarded-Host"),
                CD_STR_INIT("X-Forwarded-Method"),
                CD_STR_INIT("X-Forwarded-Port"),
                CD_STR_INIT("X-Forwarded-Proto"),
                CD_STR_INIT("X-Forwarded-Uri"),
                CD_STR_INIT("X-Original-Method"),
                CD_STR_INIT("X-Original-URL"),
                CD_STR_INIT("X-Real-IP"),
                CD_STR_INIT("X-Request-Id"),
        };
        static const cd_str beginnings[] = { CD_STR_INIT("Access-Control-"), CD_STR_INIT("Content-"),
                                             CD_STR_INIT("Proxy-"), CD_STR_INIT("Sec-") };

        for (size_t i = 0; i < CD_LEN(names); i++)
                if (cd_str_eq_nocase(name, names[i]))
                        return true;
        for (size_t i = 0; i < CD_LEN(beginnings); i++)
                if (cd_str_eq_nocase(cd_str_slice(name, 0, beginnings[i].len), beginnings[i]))
                        return true;
        return false;
}

const char *cd_config_header_fault(cd_str name)
{
        if (!is_name(name))
                return "must be letters, digits and hyphens, as in Remote-User";
        return has_other_meaning(name) ? "is a header with a meaning of its own" : NULL;
}

static const struct cd_field fields[] = {
        FIELD(preset, CHOICE, .choices = preset_names, .fallback = "remote",
              .help = "Remote-User and so on, X-Auth-Request-User and so on, or X-Forwarded-User and so on"),
        FIELD(user, STRING, .min = 1, .max = NAME_MAX_LEN, .check = cd_config_header_fault,
              .help = "the header with the user's name, instead of the preset's"),
        FIELD(groups, STRING, .min = 1, .max = NAME_MAX_LEN, .check = cd_config_header_fault,
              .help = "the header with the groups, separated by commas"),
        FIELD(email, STRING, .min = 1, .max = NAME_MAX_LEN, .check = cd_config_header_fault,
              .help = "the header with the e-mail address"),
        FIELD(name, STRING, .min = 1, .max = NAME_MAX_LEN, .check = cd_config_header_fault,
              .help = "the header with the display name, in UTF-8"),
};
const struct cd_table cd_config_identity_table = { "identity", fields, CD_LEN(fields),
                                                   sizeof(struct cd_config_identity), true };
/* All but the preset. */
const struct cd_table cd_config_identity_headers_table = { "headers", fields + 1, CD_LEN(fields) - 1,
                                                           sizeof(struct cd_config_identity), true };

struct cd_identity_headers cd_config_identity_headers(const struct cd_config_identity *identity)
{
        const struct cd_identity_headers *preset = &presets[identity->preset];

        return (struct cd_identity_headers){
                .user = identity->user.len ? identity->user : preset->user,
                .groups = identity->groups.len ? identity->groups : preset->groups,
                .email = identity->email.len ? identity->email : preset->email,
                .name = identity->name.len ? identity->name : preset->name,
        };
}

void cd_config_check_identity(const struct cd_identity_headers *headers, cd_str path, struct cd_report *report)
{
        const struct {
                const char *setting;
                cd_str header;
        } all[] = { { "user", headers->user },
                    { "groups", headers->groups },
                    { "email", headers->email },
                    { "name", headers->name } };

        for (size_t i = 1; i < CD_LEN(all); i++)
                for (size_t before = 0; before < i; before++)
                        if (cd_str_eq_nocase(all[i].header, all[before].header))
                                cd_report_about(
                                        report, CD_FINDING_ERROR,
                                        cd_arena_printf(report->arena, "%.*s.%s", CD_STR_ARG(path), all[i].setting),
                                        "name each header once", "is %.*s, as %.*s.%s is", CD_STR_ARG(all[i].header),
                                        CD_STR_ARG(path), all[before].setting);
}
