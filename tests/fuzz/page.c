/* What a page shows of values from outside. Input: the first byte chooses what reads the rest. */
#include <stdlib.h>
#include <string.h>

#include "portal/language.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static bool is_entity(cd_str text)
{
        static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

        for (size_t i = 0; i < CD_LEN(entities); i++)
                if (cd_str_has_prefix(text, cd_str_from_c(entities[i])))
                        return true;
        return false;
}

/* Escaped text is UTF-8, ends no attribute and begins no tag. */
static void escape(cd_str text)
{
        struct cd_buf buf;
        cd_str page;

        cd_buf_init(&buf, NULL, 6 * text.len + 1);
        cd_html_escape(&buf, text);
        must(cd_buf_view(&buf, &page) == CD_OK && cd_str_is_utf8(page));
        for (size_t i = 0; i < page.len; i++) {
                must(!strchr("<>\"'", page.ptr[i]));
                must(page.ptr[i] != '&' || is_entity(cd_str_slice(page, i, page.len)));
        }
        cd_buf_done(&buf);
}

static void choose(cd_str accept)
{
        const struct cd_texts *alone = &cd_texts[0];
        struct cd_language_wishes wishes = { .accept = accept };
        const struct cd_texts *chosen = cd_language_choose(cd_texts, cd_texts_count, &wishes);

        must(chosen >= cd_texts && chosen < cd_texts + cd_texts_count);
        must(cd_language_choose(alone, 1, &wishes) == alone);
        wishes = (struct cd_language_wishes){ .ui_locales = accept, .remembered = accept };
        chosen = cd_language_choose(cd_texts, cd_texts_count, &wishes);
        must(chosen >= cd_texts && chosen < cd_texts + cd_texts_count);
}

/* A checked URL has one reading: its scheme is one of three, and escaping changes nothing but its ampersands. */
static void check_url(cd_str text)
{
        struct cd_page_url url = { { NULL, 0 } };

        if (cd_page_url_check(text, &url) == CD_OK) {
                bool is_path = text.ptr[0] == '/' && (text.len == 1 || (text.ptr[1] != '/' && text.ptr[1] != '\\'));
                must(is_path || cd_str_has_prefix(text, CD_STR("http://")) ||
                     cd_str_has_prefix(text, CD_STR("https://")));
        } else if (cd_page_url_check_otpauth(text, &url) == CD_OK) {
                must(cd_str_has_prefix(text, CD_STR("otpauth://totp/")));
        } else {
                return;
        }
        must(cd_str_eq(url.checked, text));
        for (size_t i = 0; i < text.len; i++)
                must(text.ptr[i] > ' ' && text.ptr[i] < 0x7f && !strchr("<>\"'\\", text.ptr[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        cd_str text = cd_str_of((const char *)data + 1, size - 1);
        if (data[0] == 'l')
                choose(text);
        else if (data[0] == 'u')
                check_url(text);
        else
                escape(text);
        return 0;
}
