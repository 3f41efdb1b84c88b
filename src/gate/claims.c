/* Who the user is, as JSON. */
#include "base/json.h"
#include "gate/forward_internal.h"

static void add_string(struct cd_buf *buf, cd_str name, cd_str value)
{
        cd_buf_add(buf, name);
        cd_buf_add_json(buf, value.ptr ? value : CD_STR(""));
}

static void add_number(struct cd_buf *buf, cd_str name, int64_t value)
{
        if (value == 0)
                return;
        cd_buf_add(buf, name);
        cd_buf_add_i64(buf, value);
}

void cd_gate_add_claims(struct cd_buf *buf, const struct cd_live_session *who, const char *auth_type)
{
        cd_str rest = who->groups, group;
        bool is_first = true;

        cd_buf_add(buf, CD_STR("\"groups\":["));
        while (cd_str_take_until(&rest, ',', &group)) {
                if (group.len == 0)
                        continue;
                if (!is_first)
                        cd_buf_add_char(buf, ',');
                cd_buf_add_json(buf, group);
                is_first = false;
        }
        cd_buf_add_char(buf, ']');
        add_string(buf, CD_STR(",\"email\":"), who->email);
        add_string(buf, CD_STR(",\"name\":"), who->display_name);
        add_string(buf, CD_STR(",\"auth_type\":"), cd_str_from_c(auth_type));
        add_number(buf, CD_STR(",\"factors\":"), who->factors);
        add_number(buf, CD_STR(",\"auth_time\":"), who->auth_time);
}
