#pragma once
/* Pages at run time: what tools/compile-pages makes of an .html file, and how it is written out. A page's fields are a
 * plain struct, and each slot is the offset of one of its members. The C compiler computes the offset and checks the
 * type, so no other table of fields is needed, and a template that names what is not there does not compile. */
#include "base/buf.h"
#include "base/clock.h"
#include "portal/url.h"

/* What a slot may show. The zero value of each is "empty" for {{if}}. */
struct cd_page_message {
        unsigned id;   /* enum cd_message; 0: none */
        int64_t count; /* what the message counts; 0 where it counts nothing */
};
struct cd_page_time {
        cd_time at; /* shown in UTC, to the minute; 0 or outside of the years 1970 to 9999: nothing */
};
/* The member type of a list for {{each}}. The items stay the caller's. */
#define CD_PAGE_LIST(type)                                                                                             \
        struct {                                                                                                       \
                const type *items;                                                                                     \
                size_t count;                                                                                          \
        }

enum {
        CD_TEMPLATE_FRAMES = 4 /* the same number stands in tools/compile-pages */
};

/* Has no pointer, see struct cd_template_op. */
struct cd_text {
        bool english; /* nobody has translated it yet */
        uint16_t len;
        /* In the bytes of the language: escaped; one form, or the plural forms with a byte 0 between two. Byte 1 and a
         * letter is a slot. */
        uint32_t at;
};

/* The texts of one language, in the order of their English originals; constant, made at build time. */
struct cd_texts {
        cd_str tag;  /* RFC 5646: "de" */
        cd_str name; /* in the language itself: "Deutsch" */
        bool rtl;    /* written from right to left */
        unsigned (*plural)(uint64_t count);
        const struct cd_text *texts;
        size_t text_count;
        const char *bytes;
        const uint16_t *messages; /* the text of each enum cd_message after CD_MESSAGE_NONE */
        size_t message_count;
};

/* The languages that the program knows; the first is English. */
extern const struct cd_texts cd_texts[];
extern const size_t cd_texts_count;

/* That form of a text, or the first one if it has no other. */
cd_str cd_text_form(const struct cd_texts *texts, size_t number, unsigned form);

enum cd_slot_type {
        CD_SLOT_STR,
        CD_SLOT_INT,
        CD_SLOT_BOOL,
        CD_SLOT_SIZE,
        CD_SLOT_MESSAGE,
        CD_SLOT_TIME,
        CD_SLOT_LIST
};

struct cd_slot {
        uint8_t type;  /* enum cd_slot_type */
        uint8_t frame; /* 0 the view, 1 the page's fields, then the rows of {{each}} */
        uint16_t offset;
};

enum cd_template_op_kind {
        CD_OP_BYTES,
        CD_OP_SLOT,
        CD_OP_TEXT,
        CD_OP_IF,   /* empty: skips `skip` ops */
        CD_OP_ELSE, /* the end of what {{if}} wrote: skips `skip` ops */
        CD_OP_EACH, /* the next `skip` ops for each row */
        CD_OP_LANG,
        CD_OP_DIR,
};

/* Has no pointer: tables with pointers are relocated at each start, which for all pages would cost every process 0.1 MB
 * of memory of its own, whether it shows pages or not. */
struct cd_template_op {
        uint8_t kind; /* enum cd_template_op_kind */
        uint8_t slot_count;
        struct cd_slot slot;
        uint16_t skip, text, stride; /* stride: bytes of a row */
        uint16_t slots;   /* index of the first slot of a text, in the order of its letters; a count is the first */
        uint32_t at, len; /* of what CD_OP_BYTES writes */
};

/* A page; what its operations refer to by index. */
struct cd_template {
        const struct cd_template_op *ops;
        size_t count;
        const char *bytes;
        const struct cd_slot *slots;
        bool is_plain; /* text, not HTML: an e-mail */
};

/* In templates alone. Each type of member has its type of slot, and a type without one does not compile. A URL slot
 * (an attribute such as href) accepts a checked URL and nothing else. */
#define CD_SLOT_MEMBER(owner, member) (((owner *)0)->member)
#define CD_SLOT(number, owner, member)                                                                                 \
        {                                                                                                              \
                .type = _Generic(CD_SLOT_MEMBER(owner, member), cd_str                                                 \
                                 : CD_SLOT_STR, struct cd_page_url                                                     \
                                 : CD_SLOT_STR, int64_t                                                                \
                                 : CD_SLOT_INT, bool                                                                   \
                                 : CD_SLOT_BOOL, size_t                                                                \
                                 : CD_SLOT_SIZE, struct cd_page_message                                                \
                                 : CD_SLOT_MESSAGE, struct cd_page_time                                                \
                                 : CD_SLOT_TIME),                                                                      \
                .frame = (number), .offset = offsetof(owner, member)                                                   \
        }
#define CD_URL_SLOT(number, owner, member)                                                                             \
        {                                                                                                              \
                .type = _Generic(CD_SLOT_MEMBER(owner, member), struct cd_page_url                                     \
                                 : CD_SLOT_STR),                                                                       \
                .frame = (number), .offset = offsetof(owner, member)                                                   \
        }
#define CD_LIST_SLOT(number, owner, member)                                                                            \
        {                                                                                                              \
                .type = _Generic(CD_SLOT_MEMBER(owner, member).count, size_t                                           \
                                 : CD_SLOT_LIST),                                                                      \
                .frame = (number), .offset = offsetof(owner, member)                                                   \
        }
#define CD_LIST_STRIDE(owner, member) sizeof(*CD_SLOT_MEMBER(owner, member).items)

/* Appends the page to `buf`, whose ceiling bounds it; a failure shows in cd_buf_view. */
void cd_template_write(const struct cd_template *page, const struct cd_texts *texts, const void *view,
                       const void *fields, struct cd_buf *buf);

/* Text as it may stand in HTML text and in a double-quoted attribute: & < > " ' become entities, and what is no
 * character or could deceive a reader (cd_str_safe_sequence), but for line ends, U+FFFD. */
void cd_html_escape(struct cd_buf *buf, cd_str text);
