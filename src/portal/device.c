#include "portal/device.h"

#include <string.h>

struct mark {
        cd_str text; /* in the header */
        cd_str name;
};

#define MARK(text, name)                                                                                               \
        {                                                                                                              \
                CD_STR_INIT(text), CD_STR_INIT(name)                                                                   \
        }

/* The first that occurs counts. Browsers also name those that they resemble: Edge says "Chrome" and "Safari" too, and
 * Chrome says "Safari". */
static const struct mark browsers[] = {
        MARK("Edg/", "Edge"),
        MARK("EdgA/", "Edge"),
        MARK("EdgiOS/", "Edge"),
        MARK("OPR/", "Opera"),
        MARK("SamsungBrowser/", "Samsung Internet"),
        MARK("Firefox/", "Firefox"),
        MARK("FxiOS/", "Firefox"),
        MARK("CriOS/", "Chrome"),
        MARK("Chrome/", "Chrome"),
        MARK("Safari/", "Safari"),
};
/* Android says "Linux" too, and an iPhone "like Mac OS X". */
static const struct mark systems[] = {
        MARK("Android", "Android"), MARK("iPhone", "iPhone"), MARK("iPad", "iPad"),   MARK("Windows", "Windows"),
        MARK("Macintosh", "macOS"), MARK("CrOS", "ChromeOS"), MARK("Linux", "Linux"),
};

static cd_str find_mark(const struct mark *marks, size_t count, cd_str text)
{
        for (size_t i = 0; i < count; i++)
                if (text.len && memmem(text.ptr, text.len, marks[i].text.ptr, marks[i].text.len))
                        return marks[i].name;
        return CD_STR("");
}

/* At most CD_DEVICE_NAME_MAX bytes, without a part of a character at the end. */
static cd_str cut(cd_str text)
{
        size_t end = 0;

        while (end < text.len) {
                size_t size = cd_str_utf8_sequence(cd_str_slice(text, end, text.len));
                if (size == 0 || end + size > CD_DEVICE_NAME_MAX)
                        break;
                end += size;
        }
        return cd_str_slice(text, 0, end);
}

cd_str cd_device_name(struct cd_arena *arena, cd_str user_agent)
{
        cd_str browser = find_mark(browsers, CD_LEN(browsers), user_agent);
        cd_str system = find_mark(systems, CD_LEN(systems), user_agent);

        if (!browser.len)
                return cut(user_agent);
        if (!system.len)
                return browser;
        return cd_arena_printf(arena, "%.*s (%.*s)", CD_STR_ARG(browser), CD_STR_ARG(system));
}
