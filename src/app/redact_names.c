#include "app/redact_names.h"

static bool is_any_of(cd_str name, const char *const *list)
{
        for (; *list; list++)
                if (cd_str_eq_nocase(name, cd_str_from_c(*list)))
                        return true;
        return false;
}

static bool has_any_of(cd_str name, const char *const *list)
{
        for (; *list; list++) {
                cd_str part = cd_str_from_c(*list);
                for (size_t i = 0; i + part.len <= name.len; i++)
                        if (cd_bytes_eq_nocase(name.ptr + i, part.ptr, part.len))
                                return true;
        }
        return false;
}

static bool ends_with_any_of(cd_str name, const char *const *list)
{
        for (; *list; list++) {
                cd_str end = cd_str_from_c(*list);
                if (end.len <= name.len && cd_bytes_eq_nocase(name.ptr + name.len - end.len, end.ptr, end.len))
                        return true;
        }
        return false;
}

bool cd_redact_is_name(cd_str name)
{
        static const char *const harmless[] = { "type",       "endpoint",   "supported", "expires_in",
                                                "expires_at", "created_at", "_alg",      "method",
                                                "_uri",       "_url",       "scopes",    NULL };
        static const char *const parts[] = { "token",      "secret",      "passw",      "passphrase", "assertion",
                                             "verifier",   "cookie",      "session",    "api_key",    "api-key",
                                             "apikey",     "signature",   "authoriz",   "saml",       "jwt",
                                             "credential", "private_key", "privatekey", "auth_code",  "authcode",
                                             "csrf",       "xsrf",        NULL };
        static const char *const whole[] = { "code", "state", "nonce",  "key",         "sig",       "otp", "pin",
                                             "sid",  "auth",  "ticket", "device_code", "user_code", "pwd", NULL };

        return is_any_of(name, whole) || (has_any_of(name, parts) && !ends_with_any_of(name, harmless));
}

bool cd_redact_is_parameter(cd_str name)
{
        cd_str outer = cd_str_trim(cd_str_slice(name, 0, cd_str_index(name, '[')));
        cd_str inner = cd_str_slice(name, cd_str_index(name, '[') + 1, name.len);

        return cd_redact_is_name(outer) || (inner.len && cd_redact_is_parameter(inner)) ||
               cd_redact_is_name(cd_str_slice(outer, 0, cd_str_index(outer, ']')));
}

bool cd_redact_is_header(cd_str name)
{
        static const char *const words[] = { "auth", "key", "otp", "pin", "sid", "sig", "ticket", "nonce", NULL };
        cd_str trimmed = cd_str_trim(name), rest = trimmed, word;

        while (cd_str_take_until(&rest, '-', &word))
                if (is_any_of(word, words))
                        return true;
        return cd_redact_is_name(trimmed);
}

bool cd_redact_is_harmless(cd_str name)
{
        static const char *const names[] = { "token_type", "scope",
                                             "expires_in", "refresh_token_expires_in",
                                             "expires_at", "created_at",
                                             "error",      "error_description",
                                             "error_uri",  "issued_token_type",
                                             "interval",   NULL };

        return is_any_of(name, names);
}
