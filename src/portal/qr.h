#pragma once
/* A QR code as the two numbers of an inline SVG: the width of its square and one path. */
#include "base/arena.h"
#include "base/status.h"

struct cd_page_qr {
        int64_t width; /* modules, with the quiet zone of four on each side (ISO/IEC 18004 §6.3.8) */
        cd_str path;   /* a stroke of width 1 for each run of dark modules; in the arena */
};

/* Loads libqrencode, which cd_page_qr_make needs and loads too; asking before tells whether it is there.
 * CD_UNAVAILABLE. */
cd_status cd_page_qr_load(struct cd_error *reterr);

/* Error correction level M. The text is a secret: the library's copy of the code is wiped. CD_TOO_LARGE (about 2300
 * bytes), CD_NO_MEMORY, CD_UNAVAILABLE without the library. */
cd_status cd_page_qr_make(struct cd_arena *arena, cd_str text, struct cd_page_qr *ret);

/* "ABCDEFG" becomes "ABCD EFG", as a person types a secret. In the arena; ptr is NULL on failure. */
cd_str cd_page_group_by_four(struct cd_arena *arena, cd_str text);
