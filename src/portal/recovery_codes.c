/* The recovery codes of a user: shown once, and as a file. */
#include "portal/recovery_codes.h"

enum {
        CODES_MAX = CD_RECOVERY_CODES * (CD_RECOVERY_CODE_SIZE + 1), /* characters: each with a separator */
        CODES_FORM_MAX = 2 * CODES_MAX, /* bytes of the field in which a browser sends them back */
};

void cd_recovery_codes_show(struct cd_visit *visit, const struct cd_recovery_code *codes, size_t count)
{
        const struct cd_portal *portal = visit->portal;
        cd_str kept = cd_visit_kept_return(visit);
        cd_str next = kept.len ? cd_return_to_decide(visit->req->arena, portal->settings.access, &portal->url, kept).url
                               : portal->url.home;
        struct cd_page_code items[CD_RECOVERY_CODES];
        struct cd_page_recovery_codes fields = { .codes = { items, count } };
        struct cd_buf all, buf;

        cd_buf_init(&all, visit->req->arena, CODES_MAX);
        for (size_t i = 0; i < count; i++) {
                items[i].text = cd_str_of(codes[i].text, sizeof(codes[i].text));
                if (i)
                        cd_buf_add_char(&all, ' ');
                cd_buf_add(&all, items[i].text);
        }
        if (cd_buf_view(&all, &fields.all) != CD_OK || cd_page_url_check(next, &fields.next) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_visit_drop_cookie(visit, CD_COOKIE_RETURN);
        cd_visit_begin_page(visit, &buf);
        cd_page_recovery_codes(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, 200, &buf);
}

struct codes_form {
        cd_str csrf, recovery_codes;
};

static const struct cd_field codes_fields[] = {
        CD_VISIT_CSRF_FIELD(struct codes_form),
        { .name = "recovery_codes",
          .offset = offsetof(struct codes_form, recovery_codes),
          .type = CD_FIELD_SECRET,
          .flags = CD_FIELD_REQUIRED,
          .max = CODES_FORM_MAX },
};
static const struct cd_table codes_table = { "recovery-codes", codes_fields, CD_LEN(codes_fields),
                                             sizeof(struct codes_form), false };

/* One code on each line. Nothing but codes passes, so that no other site can make a file of its own come from here. */
static cd_status write_codes(struct cd_buf *buf, cd_str codes)
{
        size_t count = 0;
        cd_str code;

        while (cd_str_take_word(&codes, &code)) {
                if (++count > CD_RECOVERY_CODES || !cd_recovery_is_code(code))
                        return CD_MALFORMED;
                cd_buf_add(buf, code);
                cd_buf_add_char(buf, '\n');
        }
        return count ? CD_OK : CD_MALFORMED;
}

/* The codes as a file, without JavaScript: the browser sends back what its page shows. Nothing is stored. */
void cd_portal_recovery_codes(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct codes_form form = { 0 };
        struct cd_visit visit;
        struct cd_buf buf;
        cd_str body;
        int status;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (!cd_visit_read_form(&visit, &codes_table, &form, &status)) {
                cd_visit_fail(&visit, status, visit.view.error);
                return;
        }
        cd_buf_init(&buf, req->arena, CODES_MAX);
        if (write_codes(&buf, form.recovery_codes) != CD_OK) {
                cd_visit_fail(&visit, 400, (struct cd_page_message){ .id = CD_MESSAGE_FORM_INVALID });
                return;
        }
        if (cd_buf_view(&buf, &body) != CD_OK)
                return; /* without a status the server answers 500 */
        cd_http_respond(res, 200, CD_STR("text/plain; charset=utf-8"), body);
        cd_http_response_header(res, CD_STR("Content-Disposition"),
                                CD_STR("attachment; filename=\"recovery-codes.txt\""));
        cd_visit_add_common_headers(&visit);
}
