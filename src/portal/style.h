#pragma once
/* The CSS of all pages, with the accent colour of the site. */
#include "base/buf.h"

struct cd_page_colour {
        uint8_t red, green, blue;
};

#define CD_PAGE_ACCENT ((struct cd_page_colour){ 0x1f, 0x5f, 0xb4 }) /* where the site says nothing */

/* "#rrggbb", in either case. CD_MALFORMED. */
cd_status cd_page_colour_parse(cd_str text, struct cd_page_colour *ret);

/* The styles without the site's colours. */
extern const cd_str cd_page_css;

/* Appends the complete file. Text on the accent colour is black or white, and the colour of links is the accent made
 * darker or lighter until it has more than the contrast of WCAG 2.2 §1.4.3 (4.5:1) on the background of either scheme,
 * so that every accent is readable. */
void cd_page_styles(struct cd_buf *buf, struct cd_page_colour accent);
