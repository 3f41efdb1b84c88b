#include "portal/style.h"

#include <math.h>

static const struct cd_page_colour black = { 0, 0, 0 }, white = { 255, 255, 255 };
/* The backgrounds with the least contrast to links: --page of the light scheme, --card of the dark one (style.css). */
static const struct cd_page_colour light_page = { 0xf3, 0xf5, 0xf8 }, dark_card = { 0x1c, 0x22, 0x2c };
/* WCAG 2.2 §1.4.3 asks for 4.5; thin letters on a dark screen are easier to read with a little more. */
static const double enough = 4.5, comfortable = 5.5;

cd_status cd_page_colour_parse(cd_str text, struct cd_page_colour *ret)
{
        uint8_t bytes[3] = { 0 };

        if (text.len != 7 || text.ptr[0] != '#')
                return CD_MALFORMED;
        for (size_t i = 0; i < 6; i++) {
                int digit = cd_hex_value(text.ptr[1 + i]);
                if (digit < 0)
                        return CD_MALFORMED;
                bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | digit);
        }
        *ret = (struct cd_page_colour){ bytes[0], bytes[1], bytes[2] };
        return CD_OK;
}

/* WCAG 2.2, "relative luminance". */
static double linear(uint8_t value)
{
        double part = value / 255.0;
        return part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4);
}

static double luminance(struct cd_page_colour colour)
{
        return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

static double contrast(struct cd_page_colour a, struct cd_page_colour b)
{
        double one = luminance(a) + 0.05, two = luminance(b) + 0.05;
        return one > two ? one / two : two / one;
}

static uint8_t mix(uint8_t from, uint8_t to, int percent)
{
        return (uint8_t)((from * (100 - percent) + to * percent) / 100);
}

/* `colour`, as little nearer to `end` as makes it readable on `background`. */
static struct cd_page_colour readable(struct cd_page_colour colour, struct cd_page_colour end,
                                      struct cd_page_colour background)
{
        struct cd_page_colour ret = colour;

        for (int percent = 0; percent <= 100 && contrast(ret, background) < comfortable; percent += 2)
                ret = (struct cd_page_colour){ mix(colour.red, end.red, percent), mix(colour.green, end.green, percent),
                                               mix(colour.blue, end.blue, percent) };
        return ret;
}

static void add_colour(struct cd_buf *buf, const char *name, struct cd_page_colour colour)
{
        cd_buf_printf(buf, "--%s:#%02x%02x%02x;", name, colour.red, colour.green, colour.blue);
}

void cd_page_styles(struct cd_buf *buf, struct cd_page_colour accent)
{
        cd_buf_add(buf, cd_page_css);
        cd_buf_add(buf, CD_STR(":root{"));
        add_colour(buf, "accent", accent);
        add_colour(buf, "on-accent", contrast(white, accent) >= enough ? white : black);
        add_colour(buf, "link", readable(accent, black, light_page));
        cd_buf_add(buf, CD_STR("}@media(prefers-color-scheme:dark){:root{"));
        add_colour(buf, "link", readable(accent, white, dark_card));
        cd_buf_add(buf, CD_STR("}}"));
}
