/* Writes every page with sample fields into a folder, for a browser to look at: render-pages FOLDER
 * NAME.LANGUAGE.html, NAME.LANGUAGE.error.html where the page can say an error, NAME.evil.html with HTML in each field,
 * and styles.css. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/portal/samples.h"

enum {
        PAGE_MAX = 256 * 1024
};

/* The long word at its end must not make a page wider than the screen. */
static const char evil[] = "\"'><img src=x onerror=top.pwned=1><script>top.pwned=1</script>&lt;b&gt;"
                           "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW";

static void write_file(const char *folder, const char *name, const struct cd_buf *buf)
{
        char path[4096];
        cd_str text;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        FILE *file = fopen(path, "w");
        if (!file || cd_buf_view(buf, &text) != CD_OK || fwrite(text.ptr, 1, text.len, file) != text.len ||
            fclose(file)) {
                fprintf(stderr, "render-pages: %s: cannot be written: %s\n", path, strerror(errno));
                exit(1);
        }
}

static void write_page(const char *folder, const struct sample *sample, const struct cd_texts *texts, bool is_error,
                       bool is_evil)
{
        struct cd_page_language languages[8];
        struct cd_page_view view = sample_view(texts, is_evil ? cd_str_from_c(evil) : CD_STR(""), languages);
        char name[128];
        struct cd_arena arena;
        struct cd_buf buf;

        view.error = is_error ? (struct cd_page_message){ sample->error, sample->count } : view.error;
        view.notice = is_error ? view.notice : (struct cd_page_message){ sample->notice, sample->count };
        cd_arena_init(&arena, 1 << 20);
        cd_buf_init(&buf, NULL, PAGE_MAX);
        sample->write(&view, is_evil ? cd_str_from_c(evil) : CD_STR(""), &arena, &buf);
        snprintf(name, sizeof(name), "%s.%.*s%s.html", sample->name, CD_STR_ARG(is_evil ? CD_STR("evil") : texts->tag),
                 is_error ? ".error" : "");
        write_file(folder, name, &buf);
        cd_buf_done(&buf);
        cd_arena_done(&arena);
}

static void write_styles(const char *folder)
{
        struct cd_buf buf;

        cd_buf_init(&buf, NULL, PAGE_MAX);
        cd_page_styles(&buf, CD_PAGE_ACCENT);
        write_file(folder, "styles.css", &buf);
        cd_buf_done(&buf);
}

int main(int argc, char **argv)
{
        if (argc != 2) {
                fprintf(stderr, "usage: render-pages FOLDER\n");
                return 2;
        }
        write_styles(argv[1]);
        for (size_t i = 0; i < sample_count; i++) {
                for (size_t j = 0; j <= cd_texts_count; j++) {
                        const struct cd_texts *texts = j < cd_texts_count ? &cd_texts[j] : cd_pseudo;
                        write_page(argv[1], &samples[i], texts, false, false);
                        if (samples[i].error)
                                write_page(argv[1], &samples[i], texts, true, false);
                }
                write_page(argv[1], &samples[i], &cd_texts[0], false, true);
        }
        return 0;
}
