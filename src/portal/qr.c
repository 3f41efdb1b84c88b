#include "portal/qr.h"

#include <errno.h>
#include <qrencode.h>

#include "base/buf.h"
#include "base/library.h"
#include "base/secret.h"

enum {
        QUIET = 4,
        PATH_MAX_BYTES = 512 * 1024
};

static struct {
        __typeof__(QRcode_encodeData) *encode_data;
        __typeof__(QRcode_free) *free;
} qr;
static const struct cd_library_function functions[] = {
        { "QRcode_encodeData", &qr.encode_data },
        { "QRcode_free", &qr.free },
};
static struct cd_library library = CD_LIBRARY("libqrencode.so.4", "libqrencode4", functions);

cd_status cd_page_qr_load(struct cd_error *reterr)
{
        return cd_library_load(&library, reterr);
}

static bool is_dark(const QRcode *code, int x, int y)
{
        return x < code->width && (code->data[y * code->width + x] & 1);
}

static void add_row(struct cd_buf *path, const QRcode *code, int y)
{
        for (int x = 0; x < code->width; x++) {
                int start = x;

                while (is_dark(code, x, y))
                        x++;
                if (x > start)
                        cd_buf_printf(path, "M%d %dh%d", start + QUIET, y + QUIET, x - start);
        }
}

cd_status cd_page_qr_make(struct cd_arena *arena, cd_str text, struct cd_page_qr *ret)
{
        struct cd_buf path;
        cd_str view;

        if (text.len > 4096)
                return CD_TOO_LARGE;
        cd_status status = cd_page_qr_load(NULL);
        if (status != CD_OK)
                return status;
        QRcode *code = qr.encode_data((int)text.len, (const unsigned char *)text.ptr, 0, QR_ECLEVEL_M);
        if (!code)
                return errno == ENOMEM ? CD_NO_MEMORY : CD_TOO_LARGE;
        cd_buf_init(&path, arena, PATH_MAX_BYTES);
        for (int y = 0; y < code->width; y++)
                add_row(&path, code, y);
        int width = code->width + 2 * QUIET;
        cd_wipe(code->data, (size_t)code->width * (size_t)code->width);
        qr.free(code);
        if (cd_buf_view(&path, &view) != CD_OK)
                return CD_NO_MEMORY;
        *ret = (struct cd_page_qr){ .width = width, .path = view };
        return CD_OK;
}

cd_str cd_page_group_by_four(struct cd_arena *arena, cd_str text)
{
        char *grouped = cd_arena_alloc(arena, text.len + text.len / 4 + 1);
        size_t len = 0;

        if (!grouped)
                return (cd_str){ NULL, 0 };
        for (size_t i = 0; i < text.len; i++) {
                if (i > 0 && i % 4 == 0)
                        grouped[len++] = ' ';
                grouped[len++] = text.ptr[i];
        }
        return cd_str_of(grouped, len);
}
