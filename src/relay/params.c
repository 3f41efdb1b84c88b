#include "relay/params.h"

#include "base/field.h"
#include "relay/relay.h"

/* Secrets are never repeated in an error. */
#define FIELD(name_)                                                                                                   \
        {                                                                                                              \
                .name = #name_, .offset = offsetof(struct cd_relay_params, name_), .type = CD_FIELD_SECRET,            \
                .flags = CD_FIELD_RAW, .max = CD_RELAY_CODE_MAX                                                        \
        }

static const struct cd_field fields[] = { FIELD(state), FIELD(code), FIELD(error), FIELD(error_description),
                                          FIELD(waiting) };
static const struct cd_table table = { "relay", fields, CD_LEN(fields), sizeof(struct cd_relay_params), false };

/* VSCHAR of RFC 6749 appendix A. */
static bool is_visible_ascii(cd_str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
                        return false;
        return true;
}

cd_status cd_relay_params_read(struct cd_arena *arena, cd_str query, struct cd_relay_params *ret,
                               struct cd_error *reterr)
{
        static const char what[] = "has a character that RFC 6749 does not allow";
        cd_status status = cd_form_decode(arena, query, &table, ret, reterr);

        if (status != CD_OK)
                return status;
        if (!is_visible_ascii(ret->state))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("state"), what);
        if (!is_visible_ascii(ret->code))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("code"), what);
        if (!is_visible_ascii(ret->error))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("error"), what);
        /* Providers write it in their users' language. */
        if (cd_str_has_control(ret->error_description))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("error_description"),
                                     "has a control character");
        return CD_OK;
}

cd_status cd_relay_params_check(const struct cd_relay_params *params, struct cd_error *reterr)
{
        if (params->code.len && params->error.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("code"), "is given together with error");
        if (!params->code.len && !params->error.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("code"), "is missing, as is error");
        if (!params->state.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("state"), "is missing");
        return CD_OK;
}
